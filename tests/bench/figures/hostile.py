# SPDX-License-Identifier: MIT
"""What clients that mean no good cost those who do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.figures.memory import resident
from bench.hostile import KINDS
from bench.probe import Result, probe
from bench.sizes import Sizes
from bench.stage import Stage, wait_full
from bench.stats import of_durations, row
from harness.daemon import Daemon
from harness.wait import eventually

TITLE = "Hostile clients"
ABOUT = (
    "ACQUIRE of a client that behaves, REDIS none, out of a full pool, while one process of each kind of hostile client "
    "is at work (tests/bench/hostile.py), against the same client alone; and what berthd's resident memory "
    "is then. The hostile one keeps a processor busy, and so does PostgreSQL: with two, part of the ratio is theirs. "
    "Limits are the defaults but for max_connections_uid, which all of these clients share."
)
TESTS = Path(__file__).resolve().parent.parent.parent


@contextmanager
def at_work(daemon: Daemon, kind: str) -> Iterator[None]:
    with daemon.client() as watcher:
        before = int(watcher.info("clients")["accepted"])
        one = subprocess.Popen(
            [sys.executable, "-m", "bench.hostile", kind, str(daemon.socket)], cwd=TESTS
        )
        try:
            eventually(lambda: int(watcher.info("clients")["accepted"]) > before + 10, 30)
            yield
        finally:
            one.kill()
            one.wait()


def ask(daemon: Daemon, count: int) -> Result:
    found = probe(daemon.socket, "pairs", count, redis="none")
    wait_full(daemon)
    return found


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    rows = []
    with stage.daemon(pool_schemas=sizes.hostile_pool, max_connections_uid=4000) as daemon:
        for kind in KINDS:
            rounds = []
            for _ in sizes.hostile:
                alone = ask(daemon, sizes.hostile_pool)
                before = resident(daemon, "VmRSS")
                with at_work(daemon, kind):
                    beside = probe(daemon.socket, "pairs", sizes.hostile_pool, redis="none")
                    after = resident(daemon, "VmRSS")
                wait_full(daemon)
                rounds.append((beside.ns["acquire"], alone.ns["acquire"]))
            rows += of_durations(f"ACQUIRE beside one that is {kind}", "alone", rounds)
            rows.append(row(f"memory beside one that is {kind}", "alone", "resident", "KiB", after, before))
    return rows
