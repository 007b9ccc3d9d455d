# SPDX-License-Identifier: MIT
"""What berthd needs when nobody asks it anything."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from bench.figures.memory import resident
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import row
from harness.daemon import Daemon

TITLE = "Idle"
ABOUT = (
    "berthd with a full pool and no client, for some seconds: its processor time as seconds in an hour, how "
    "often its thread was woken up a second (voluntary context switches), and its resident memory; against "
    "redis-server, just as idle, on the same machine at the same time."
)


def spent(pid: int) -> tuple[float, int]:
    """Processor seconds, and voluntary context switches, so far."""
    stat = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
    switches = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"), int(switches[1])


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    with stage.daemon() as daemon:
        daemon.hang_up()
        return idle(daemon, stage.redis.process.pid, sizes.idle_s)


def idle(daemon: Daemon, other: int, seconds: float) -> list[dict]:
    before = spent(daemon.pid), spent(other)
    time.sleep(seconds)
    after = spent(daemon.pid), spent(other)
    (cpu, woken), (cpu_other, woken_other) = (
        (b[0] - a[0], b[1] - a[1]) for a, b in zip(before, after, strict=True)
    )
    hour = 3600 / seconds
    status = Path(f"/proc/{other}/status").read_text()
    memory = int(re.search(r"^VmRSS:\s+(\d+) kB", status, re.M)[1])
    return [
        row("processor", "redis-server", "seconds an hour", "s", cpu * hour, cpu_other * hour),
        row("wake-ups", "redis-server", "a second", "", woken / seconds, woken_other / seconds),
        row("memory", "redis-server", "resident", "KiB", resident(daemon, "VmRSS"), memory),
    ]
