# SPDX-License-Identifier: MIT
"""Many processes that do the same thing at the same moment, without a Python start for each."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from harness import places, process
from harness.wait import LONG  # noqa: F401  (then everything is repeated 20 times, and the rates are told)

HERE = Path(__file__).resolve().parent
APPS = HERE / "apps"

# What those that race on the same tables and types die of; which it is depends on who comes first.
RACE = (
    "pg_type_typname_nsp_index",
    "pg_class_relname_nsp_index",
    "already exists",
    "duplicate key",
    "deadlock",
    "does not exist",
    "concurrently",
)


class Racers:
    """One process that has imported what the contestants need, and forks them when told."""

    def __init__(self):
        self.process = process.spawn(
            [sys.executable, HERE / "racers_main.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, (places.TESTS, HERE, APPS)))},
        )

    def race(self, n: int, what: str, *args) -> list[str | None]:
        """n processes call contestants.what(start, number, *args): None or the error of each."""
        return self.all_of([[what, *args]] * n)

    def all_of(self, calls: list[list]) -> list[str | None]:
        """As race(), with a call for each process."""
        self.process.stdin.write(json.dumps(calls) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"the racers ended with {self.process.wait(10)}"
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def losers(outcomes: list[str | None]) -> list[str]:
    return [error for error in outcomes if error]
