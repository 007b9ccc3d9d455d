# SPDX-License-Identifier: MIT
"""The post office: it takes every mail but those to a few addresses."""

from __future__ import annotations

import os
import signal
import time


class BouncedError(Exception):
    """Nobody lives there."""


class ClosedError(Exception):
    """Nobody is there to take the mail; that may change."""


def hand_in(address: str, subject: str) -> None:
    """Raises BouncedError or ClosedError."""
    host = address.rpartition("@")[2]
    if host == "nowhere.example":
        raise BouncedError(address)
    if host == "closed.example":
        raise ClosedError(address)
    if host == "slow.example":
        time.sleep(60)
    if host == "crash.example":  # as if the kernel ran out of memory
        os.kill(os.getpid(), signal.SIGKILL)
