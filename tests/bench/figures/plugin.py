# SPDX-License-Identifier: MIT
"""What pytest-berth costs every pytest run where it is installed and not asked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_rounds, row
from harness import places

TITLE = "The plugin when it is not asked for"
ABOUT = (
    "A whole `pytest` run of one test in a suite that does not say --berth, against the same with "
    "`-p no:berth`, which does not even import the plugin; and what importing it adds, by Python's "
    "own count (the goal is less than 5 ms)."
)


def run(project: str, *options: str) -> float:
    """Seconds of a pytest run."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH", "PYTEST"))}
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    began = time.monotonic()
    subprocess.run(argv, cwd=project, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def importing() -> float:
    """Milliseconds, in a process that has pytest already."""
    argv = [sys.executable, "-X", "importtime", "-c", "import pytest, pytest_berth.plugin"]
    told = subprocess.run(argv, check=True, capture_output=True, text=True).stderr
    us = re.search(r"\|\s+(\d+) \|\s+pytest_berth\.plugin$", told, re.MULTILINE)
    assert us, told
    return int(us[1]) / 1000


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    project = places.new_dir("plugin")
    (project / "test_one.py").write_text("def test_one(): pass\n")
    run(project)
    rounds = [(run(project) * 1e3, run(project, "-p", "no:berth") * 1e3) for _ in sizes.plugin]
    return [
        of_rounds("a run of one test", "-p no:berth", "median", "ms", rounds),
        row("importing it", "", "best", "ms", min(importing() for _ in range(5)), 0),
    ]
