# SPDX-License-Identifier: MIT
"""Who may run beside whom: each `berth run` sweeps what killed ones have left, whosever they were."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PLACE = tempfile.gettempdir()  # that all have in common, and that a lock on leaves nothing in


@contextmanager
def beside(how: int = fcntl.LOCK_SH) -> Iterator[None]:
    """The workers of xdist, and whoever else tests here, take turns by it."""
    place = os.open(PLACE, os.O_RDONLY)
    try:
        fcntl.flock(place, how)
        yield
    finally:
        os.close(place)


@pytest.fixture(autouse=True)
def beside_others(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test of mark `alone` leaves something for the next sweep, or looks for what anybody has left."""
    alone = request.node.get_closest_marker("alone")
    with beside(fcntl.LOCK_EX if alone else fcntl.LOCK_SH):
        yield
