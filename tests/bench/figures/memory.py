# SPDX-License-Identifier: MIT
"""Resident memory of berthd, empty and with many leases."""

from __future__ import annotations

import re
from pathlib import Path

from bench.probe import probe
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import row
from harness.daemon import Daemon

TITLE = "Memory"
ABOUT = (
    "Resident memory of berthd (VmRSS) with leases of a schema and a Redis user each, against "
    "itself before, when its pool was full and nobody had a lease. A lease's bytes are the growth "
    "of its private memory (RssAnon) divided by their number, sessions included where each lease "
    "has a connection."
)


def resident(daemon: Daemon, what: str) -> int:
    """In KiB."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(re.search(rf"^{what}:\s+(\d+) kB", status, re.M)[1])


def holding(stage: Stage, how: str, count: int) -> list[dict]:
    with stage.daemon(pool_schemas=8, pool_redis=4) as daemon:
        before = {k: resident(daemon, k) for k in ("VmRSS", "RssAnon")}
        after = {}
        plan, more = ("hold", {"detach": True}) if how == "detached" else ("crowd", {})
        probe(
            daemon.socket,
            plan,
            count,
            redis="acl",
            wait=60000,
            held=lambda: after.update({k: resident(daemon, k) for k in before}),
            **more,
        )
    each = (after["RssAnon"] - before["RssAnon"]) * 1024 / count
    what = f"{count} leases, {how}"
    return [
        row(what, "no lease", "resident", "KiB", after["VmRSS"], before["VmRSS"]),
        row(what, "no lease", "bytes a lease", "", each, 0),
    ]


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    ways = ("detached", "a connection each")
    return [row for how in ways for row in holding(stage, how, sizes.leases)]
