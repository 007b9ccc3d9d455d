# SPDX-License-Identifier: MIT
"""--berth-report: what berth did for each test, as JSON; in JUnit files it stands as properties.

The process that runs a test notes it in the test's user_properties, which pytest carries into JUnit
files, and xdist to the controller; whoever has the terminal writes the file.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_berth.report import Tally

_PREFIX = "berth_"
_VERSION = 1


class Recorder:
    """Gathers the tests' properties and writes them with the tally's counts."""

    def __init__(self, path: str, tally: Tally) -> None:
        self._path = os.path.abspath(path)
        self._tally = tally
        self._tests: dict[str, dict[str, Any]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        new = {"test": report.nodeid, "worker": "", "outcome": "passed", "seconds": 0.0}
        test = self._tests.setdefault(report.nodeid, new)
        test["seconds"] += report.duration
        test["worker"] = _worker(report)
        if report.outcome != "passed" and test["outcome"] != "failed":
            test["outcome"] = report.outcome
        for name, value in report.user_properties:
            if name.startswith(_PREFIX):
                test[name[len(_PREFIX) :]] = value

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        whole = {
            "version": _VERSION,
            **self._tally.as_report(),
            "tests": [{**t, "seconds": round(t["seconds"], 6)} for t in self._tests.values()],
        }
        try:
            with open(self._path, "w", encoding="utf-8") as file:
                json.dump(whole, file, indent=1)
                file.write("\n")
        except OSError as e:
            terminalreporter.write_line(f"berth: no report: {e}", red=True)


def _worker(report: pytest.TestReport) -> str:
    node: Any = getattr(report, "node", None)
    return node.gateway.id if node is not None else "master"
