# SPDX-License-Identifier: MIT
"""What this pytest process is, found out before any conftest file is loaded.

An xdist worker and a process that runs its tests itself take a lease; the xdist controller, and a
process that only shows something, take none.
"""

from __future__ import annotations

import enum
import os
import re
import socket
import sys
import time
from collections.abc import Mapping
from types import FrameType
from typing import Any

import pytest

#: Options (by their dest) under which pytest runs no test.
_SHOWS_ONLY = (
    "help",
    "version",
    "collectonly",
    "showfixtures",
    "show_fixtures_per_test",
    "markers",
    "cacheshow",
    "setupplan",
)


class Role(enum.Enum):
    SINGLE = "runs its tests itself"
    WORKER = "is an xdist worker"
    CONTROLLER = "distributes to xdist workers"
    SHOWS = "runs no test"


def role_of(config: pytest.Config) -> Role:
    """The role, as far as it can be known in pytest_load_initial_conftests."""
    options = config.known_args_namespace
    if any(getattr(options, name, False) for name in _SHOWS_ONLY):
        return Role.SHOWS
    if worker_input() is not None:
        return Role.WORKER
    return Role.CONTROLLER if _distributes(config, options) else Role.SINGLE


def worker_input() -> Mapping[str, Any] | None:
    """What the xdist controller told this process, if it is a worker that is just starting.

    xdist puts it into config only after the conftest files are loaded. Its environment variables
    would come in time, but processes that a worker starts inherit them, and a pytest among those
    is no worker. So look for xdist's own frame: it runs as a module __channelexec__, and has no
    config as long as pytest is starting (a pytest.main() inside a test finds one).
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        outer = frame.f_globals
        if outer.get("__name__") == "__channelexec__" and "workerinput" in outer:
            found: Mapping[str, Any] = outer["workerinput"]
            return None if "config" in outer else found
        frame = frame.f_back
    return None


def _distributes(config: pytest.Config, options: Any) -> bool:
    """Whether xdist will, by the rules of its pytest_cmdline_main."""
    if not config.pluginmanager.hasplugin("xdist"):
        return False
    count = getattr(options, "numprocesses", None)
    if count in ("auto", "logical"):
        if getattr(options, "usepdb", False):
            return False
        count = config.hook.pytest_xdist_auto_num_workers(config=config)
    if count is not None:
        return bool(count)
    dist = "load" if getattr(options, "distload", False) else getattr(options, "dist", "no")
    return dist != "no" and bool(getattr(options, "tx", None))


def distributes_after_all(config: pytest.Config) -> bool:
    """The same once xdist has decided, in pytest_configure."""
    option = config.option
    return getattr(option, "dist", "no") != "no" and bool(getattr(option, "tx", None))


def word(text: str, longest: int) -> str:
    """Text as a run or worker name: what berthd would refuse in one becomes a dash."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:longest] or "-"


_sessions = 0


def own_run() -> str:
    """A run id that no other session has: host, process and its start, and which one in it."""
    global _sessions
    _sessions += 1
    return word(f"{socket.gethostname()[:40]}-{os.getpid()}-{_started()}-{_sessions}", 127)


def _started() -> str:
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as stat:
            return stat.read().rpartition(")")[2].split()[19]
    except OSError:
        return str(time.time_ns())
