# SPDX-License-Identifier: MIT
"""What was measured and what on, without names of hosts or paths."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from datetime import date
from pathlib import Path

from bench.probe import DIR
from harness import places


def said(*argv) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, timeout=10).stdout.strip()
    except OSError:
        return ""


def cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.machine()


def memory_gib() -> int:
    total = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M)
    return round(int(total[1]) / 1024 / 1024)


def buildtype() -> str:
    options = DIR.parent.parent / "meson-info" / "intro-buildoptions.json"
    if not options.exists():
        return "unknown"
    return {o["name"]: o["value"] for o in json.loads(options.read_text())}["buildtype"]


def version(*argv) -> str:
    found = re.search(r"\d+(\.\d+)+", said(*argv))
    return found[0] if found else "unknown"


def facts() -> dict[str, str | int | float]:
    return {
        "date": date.today().isoformat(),
        "commit": said("git", "-C", places.REPO, "describe", "--always", "--dirty") or "unknown",
        "build": buildtype(),
        "cores": len(os.sched_getaffinity(0)),
        "cpu": cpu(),
        "memory_gib": memory_gib(),
        "kernel": re.match(r"[\d.]+", platform.release())[0],
        "postgresql": version(places.pg_bindir() / "postgres", "--version"),
        "redis": version("redis-server", "--version"),
        "load_before": round(os.getloadavg()[0], 1),
    }
