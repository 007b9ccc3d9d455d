# SPDX-License-Identifier: MIT
"""Waiting for something to become true, with a deadline and a message that says what never did."""

from __future__ import annotations

import inspect
import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# Under valgrind or on a busy machine all takes longer: BERTH_TEST_SLOW=10 stretches deadlines.
SLOW = float(os.environ.get("BERTH_TEST_SLOW", "5" if "BERTHD_WRAPPER" in os.environ else "1"))

# What is left to chance is repeated more often than every change can wait for: BERTH_TEST_LONG=1.
LONG = os.environ.get("BERTH_TEST_LONG") == "1"


def _source(fn: Callable) -> str:
    try:
        return " ".join(inspect.getsource(fn).split())[:300]
    except (OSError, TypeError):
        return repr(fn)


def eventually(fn: Callable[[], T], timeout: float = 10.0, what: str = "") -> T:
    """Returns fn() as soon as it is true; an AssertionError inside fn means "not yet".

    timeout is in seconds, stretched by BERTH_TEST_SLOW. Raises AssertionError when it is over.
    """
    deadline = time.monotonic() + timeout * SLOW
    pause = 0.002
    while True:
        why: AssertionError | None = None
        value = None
        try:
            value = fn()
            if value:
                return value
        except AssertionError as e:
            why = e
        if time.monotonic() > deadline:
            raise AssertionError(
                f"not within {timeout * SLOW:g} s: {what or _source(fn)}; last value {value!r}"
            ) from why
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def ms(milliseconds: int) -> int:
    """A time that the daemon is told, stretched like the deadlines of the test."""
    return int(milliseconds * SLOW)


def stays(fn: Callable[[], object], seconds: float) -> None:
    """Asserts that fn() is true now and remains so for this long, stretched like all times."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        assert fn(), f"did not stay true for {seconds} s: {_source(fn)}"
        if time.monotonic() > deadline:
            return
        time.sleep(0.02)
