# SPDX-License-Identifier: MIT
"""Running somebody's test suite as they would, and counting what came of it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from harness.places import REPO

BERTH = os.environ.get("BERTH", str(REPO / "build" / "bin" / "berth"))


@dataclass(frozen=True)
class Run:
    """One run of pytest: how many tests passed, how many did not, and all that it printed."""

    passed: int
    wrong: int
    status: int
    output: str

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.wrong} wrong, exit status {self.status}\n{self.output}"


def clean_environment(**more: str) -> dict[str, str]:
    """This process' environment without what leads to a server or a daemon, and *more*."""
    ours = ("BERTH_", "PG", "PYTEST_", "DATABASE_URL", "REDIS_URL")
    return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | more


def run_pytest(command: list[str], report: Path, *, cwd: Path, env: dict[str, str]) -> Run:
    """Run *command*, which is pytest or something around it; the counts come from its report."""
    report.unlink(missing_ok=True)
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", f"--junitxml={report}"],
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    passed = wrong = 0
    for case in ElementTree.parse(report).iter("testcase") if report.exists() else ():
        bad = any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
        passed, wrong = passed + (not bad), wrong + bad
    return Run(passed, wrong, done.returncode, done.stdout)
