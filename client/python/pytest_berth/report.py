# SPDX-License-Identifier: MIT
"""What the person at the terminal gets to see: the daemon missing, each lease, the summary."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

import pytest

import berth
from pytest_berth.settings import Settings

_WAYS_OUT = """\
Ways out:
  --berth=private               private servers for this run alone (or: berth run -- pytest ...)
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
    return f"[Worker {lease.worker}] Using {slot(lease)}"


def slot(lease: berth.Lease) -> str:
    return f"database: {lease.dbname}" if lease.kind == "database" else f"schema: {lease.schema}"


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


class Voice:
    """What one worker says at once, to somebody in front of a terminal that does not move.

    Made before pytest begins to capture, it reaches that terminal also while a test runs. Owns a
    copy of standard error.
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._file: TextIO | None = None
        err = sys.__stderr__
        if err is not None:
            copy = os.dup(err.fileno())
            self._file = open(copy, "w", encoding=err.encoding, errors=err.errors)

    def say(self, text: str) -> None:
        if self._file is not None:
            print(f"[Worker {self._worker}] {text}", file=self._file, flush=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Tally:
    """Counts the leases of one pytest run, how long they were waited for, what was done to them."""

    def __init__(self) -> None:
        self._waits: dict[str, float] = {}
        self._lost: dict[str, str] = {}
        self._migrated: dict[str, tuple[str, float]] = {}
        self._resets = 0
        self._resets_us = 0
        self._rebuilds = 0
        self._leaks: list[tuple[str, str]] = []
        self._kept: list[tuple[str, str]] = []

    def add(self, worker: str, wait_ms: float = 0.0) -> None:
        self._waits[worker] = wait_ms

    def lost(self, worker: str, why: str) -> None:
        if why:
            self._lost[worker] = why

    def migrated(self, worker: str, how: str, seconds: float) -> None:
        """`how` is "built" (the template, for all), "reused" (it) or "own" (its schema alone)."""
        self._migrated[worker] = (how, seconds)

    def count_resets(self, done: Iterable[berth.Reset]) -> None:
        for one in done:
            self._resets += 1
            self._resets_us += one.us
            self._rebuilds += one.rebuilt

    def leaked(self, who: str, what: Iterable[str]) -> None:
        """`who` is a test, or a worker where it is not known which of its tests it was."""
        self._leaks += [(who, one) for one in what]

    def kept(self, test: str, lease: str) -> None:
        """The state in which the test failed is a lease of its own."""
        self._kept.append((test, lease))

    @property
    def has_kept(self) -> bool:
        return bool(self._kept)

    def as_dict(self) -> dict[str, Any]:
        """In the plain values that xdist carries."""
        return {
            "waits": dict(self._waits),
            "lost": dict(self._lost),
            "migrated": dict(self._migrated),
            "resets": (self._resets, self._resets_us, self._rebuilds),
            "leaks": list(self._leaks),
            "kept": list(self._kept),
        }

    def as_report(self) -> dict[str, Any]:
        """For --berth-report."""
        return {
            "leases": [
                {
                    "worker": worker,
                    "wait_ms": round(wait, 3),
                    "lost": self._lost.get(worker),
                    "migrated": self._migrated.get(worker, (None, 0))[0],
                    "migrated_seconds": round(self._migrated.get(worker, (None, 0))[1], 3),
                }
                for worker, wait in sorted(self._waits.items())
            ],
            "resets": self._resets,
            "resets_ms": self._resets_us / 1000,
            "rebuilds": self._rebuilds,
            "leaks": [{"by": who, "what": what} for who, what in self._leaks],
            "kept": [{"test": test, "lease": lease} for test, lease in self._kept],
        }

    def merge(self, other: Mapping[str, Any] | None) -> None:
        if other:
            self._waits.update(other["waits"])
            self._lost.update(other["lost"])
            self._migrated.update(other["migrated"])
            resets, us, rebuilds = other["resets"]
            self._resets += resets
            self._resets_us += us
            self._rebuilds += rebuilds
            self._leaks += [(who, what) for who, what in other["leaks"]]
            self._kept += [(test, lease) for test, lease in other["kept"]]

    def _line(self) -> str:
        parts = [_counted(len(self._waits), "lease"), f"wait {max(self._waits.values()):.0f} ms"]
        parts += self._migrations()
        if self._resets:
            each = self._resets_us / self._resets / 1000
            parts.append(f"{_counted(self._resets, 'reset')} ({each:.1f} ms each)")
        if self._rebuilds:
            parts.append(_counted(self._rebuilds, "rebuild"))
        if self._leaks:
            parts.append(_counted(len(self._leaks), "leak"))
        if self._kept:
            parts.append(f"{_counted(len(self._kept), 'state')} kept")
        return "berth: " + ", ".join(parts)

    def _migrations(self) -> list[str]:
        """What became of the template, or of each worker's own migrations."""
        times: dict[str, list[float]] = {}
        for how, seconds in self._migrated.values():
            times.setdefault(how, []).append(seconds)
        if "built" in times:
            return [f"template built in {max(times['built']):.1f} s"]
        if "own" in times:
            own = times["own"]
            return [f"{_counted(len(own), 'migration')} ({max(own):.1f} s)"]
        return ["template reused"] if times else []

    def show(self, reporter: pytest.TerminalReporter) -> None:
        if self._waits and reporter.verbosity >= 0:
            reporter.write_line(self._line())
        for worker, why in sorted(self._lost.items()):
            reporter.write_line(
                f"berth: {worker} lost its lease before the end, its results mean little: {why}",
                yellow=True,
            )
        for who, what in self._leaks:
            reporter.write_line(f"berth: left outside of its lease by {who}: {what}", yellow=True)
        if any("::" not in who for who, _ in self._leaks):
            reporter.write_line("berth: with -o berth_leaks=test this names the test", yellow=True)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
