# SPDX-License-Identifier: MIT
"""The example breaks on four workers without berth, whatever it starts from, and never with it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from harness.places import REPO
from harness.wait import LONG
from runs import BERTH, clean_environment

pytestmark = pytest.mark.timeout(900)

# Which of them it is depends on who comes first.
RACES = ("pg_type_typname_nsp_index", "DuplicateObject", "UndefinedTable", "DeadlockDetected")


def demonstrate(script: str, runs: int) -> str:
    """Run one of the example's scripts; what it printed, if its runs went as it says they go."""
    done = subprocess.run(
        [f"./{script}", str(runs)],
        cwd=REPO / "examples" / "docsearch",
        env=clean_environment(BERTH=BERTH, PYTHON=sys.executable),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_without_berth_one_process_passes_and_four_workers_fail():
    runs = 3 if LONG else 1

    printed = demonstrate("without_berth.sh", runs)

    assert f"{runs} of {runs} runs with -n 4 failed" in printed
    assert any(kind in printed for kind in RACES), printed


@pytest.mark.skipif(not LONG, reason="the stage `examples` runs it once")
def test_with_berth_four_workers_pass_every_time():
    runs = 20

    assert f"{runs} of {runs} runs with -n 4 --berth passed" in demonstrate("with_berth.sh", runs)
