# SPDX-License-Identifier: MIT
"""What the person at the terminal gets to see: the daemon missing, each lease, the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

import berth
from pytest_berth.settings import Settings

_WAYS_OUT = """\
Ways out:
  berth run -- pytest ...       private servers for this run alone
  berthd                        a daemon, on the servers its berth.conf names
  --berth-socket PATH           or BERTH_SOCKET, if it listens elsewhere
  -o berth=false                or no --berth: do without"""


def connect(settings: Settings) -> berth.Client:
    """A connection to the daemon, or the one error that says what to do about it."""
    try:
        return berth.connect(settings.socket)
    except berth.BerthError as e:
        raise pytest.UsageError(f"berth: {e}\n{_WAYS_OUT}") from None


def line(lease: berth.Lease) -> str:
    """The line by which people follow who works where."""
    if lease.kind == "database":
        return f"[Worker {lease.worker}] Using database: {lease.dbname}"
    return f"[Worker {lease.worker}] Using schema: {lease.schema}"


def write_line(config: pytest.Config, text: str) -> None:
    """A line of its own, also where xdist keeps rewriting one ("ready: 2/4 workers")."""
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or reporter.verbosity < 0:
        return
    if reporter.isatty:
        reporter.rewrite(text, erase=True)
        reporter.write("\n")
    else:
        reporter.write_line(text)


class Tally:
    """Counts the leases of one pytest run, how long they were waited for, and those lost."""

    def __init__(self) -> None:
        self._waits: dict[str, float] = {}
        self._lost: dict[str, str] = {}

    def add(self, worker: str, wait_ms: float = 0.0) -> None:
        self._waits[worker] = wait_ms

    def lost(self, worker: str, why: str) -> None:
        if why:
            self._lost[worker] = why

    def as_dict(self) -> dict[str, Any]:
        """In the plain values that xdist carries."""
        return {"waits": dict(self._waits), "lost": dict(self._lost)}

    def merge(self, other: Mapping[str, Any] | None) -> None:
        if other:
            self._waits.update(other["waits"])
            self._lost.update(other["lost"])

    def show(self, reporter: pytest.TerminalReporter) -> None:
        if self._waits and reporter.verbosity >= 0:
            count = len(self._waits)
            noun = "lease" if count == 1 else "leases"
            reporter.write_line(f"berth: {count} {noun}, wait {max(self._waits.values()):.0f} ms")
        for worker, why in sorted(self._lost.items()):
            reporter.write_line(
                f"berth: {worker} lost its lease before the end, its results mean little: {why}",
                yellow=True,
            )
