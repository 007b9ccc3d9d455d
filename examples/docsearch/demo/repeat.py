# SPDX-License-Identifier: MIT
"""Runs the test suite again and again and says how often it passed, and what went wrong.

    python demo/repeat.py --runs 10            four workers share DATABASE_URL and REDIS_URL
    python demo/repeat.py --runs 10 --berth    four workers, each with a lease

Without --berth every run begins in one of the states in which people find their test database,
in turn: empty, left behind by a run that was killed, and migrated by hand before. The tests are
run once without parallel workers first, which must pass. Exit status: 0 if all was as expected:
every run with berth passed, every parallel run without it failed.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

import psycopg

ROOT = Path(__file__).resolve().parent.parent
STATES = ("empty", "left behind", "migrated before")
LONGEST_RUN_SECONDS = 300

_UNIQUE = re.compile(r'unique constraint "(\w+)"')
_POSTGRES = re.compile(r"psycopg\.errors\.(\w+)")


@dataclass
class Result:
    """How one run went."""

    passed: int = 0
    wrong: int = 0
    seconds: float = 0.0
    kinds: Counter[str] = field(default_factory=Counter)

    @property
    def good(self) -> bool:
        return self.passed > 0 and self.wrong == 0

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.kinds.most_common(5))
        return f"{self.passed:4} passed {self.wrong:4} wrong {self.seconds:6.1f} s  {kinds}"


def run(arguments: Sequence[str], environment: dict[str, str]) -> Result:
    """Run pytest once and read what it reports."""
    with tempfile.TemporaryDirectory() as directory:
        report, output = Path(directory) / "report.xml", Path(directory) / "output"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        started = time.monotonic()
        status = run_group([*command, f"--junitxml={report}", *arguments], environment, output)
        result = read_report(report) if report.exists() else Result()
        result.seconds = time.monotonic() - started
        if status != 0 and result.wrong == 0:
            result.wrong = 1
            result.kinds["hung" if status is None else f"exit status {status}"] += 1
            print(output.read_text(errors="replace")[-4000:], file=sys.stderr)
    return result


def run_group(command: list[str], environment: dict[str, str], output: Path) -> int | None:
    """Run *command* and whatever it starts; return its status, or None if it took too long."""
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        return process.wait(LONGEST_RUN_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def read_report(path: Path) -> Result:
    """Count the tests in a JUnit report, and the kinds of errors by the exceptions' names."""
    result = Result()
    for case in ElementTree.parse(path).iter("testcase"):
        problems = [*case.iter("failure"), *case.iter("error")]
        if problems:
            result.wrong += 1
            result.kinds[kind_of(problems[0].text or "")] += 1
        else:
            result.passed += 1
    return result


def kind_of(text: str) -> str:
    """Name an error: PostgreSQL's own name for it, else that of the exception that ended the test.

    The last line of what pytest writes is ``file:line: Exception``.
    """
    if unique := _UNIQUE.search(text):
        return f"UniqueViolation {unique[1]}"
    if postgres := _POSTGRES.search(text):
        return postgres[1]
    return text.strip().rpartition(" ")[2] or "unknown"


def prepared(state: str) -> dict[str, str]:
    """Bring the shared database into *state*; return the environment for pytest."""
    environment = dict(os.environ)
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS public CASCADE")
        connection.execute("CREATE SCHEMA public")
    if state != "empty":
        alembic = [sys.executable, "-m", "alembic", "upgrade", "head"]
        subprocess.run(alembic, cwd=ROOT, check=True, stderr=subprocess.DEVNULL)
    if state == "migrated before":
        environment["DOCSEARCH_REUSE_DB"] = "1"
    return environment


def without_berth(runs: int, workers: int) -> bool:
    serial = run([], prepared("empty"))
    print(f"{'one process':24} {serial}", flush=True)
    results = []
    for number, state in zip(range(1, runs + 1), itertools.cycle(STATES)):
        results.append(run(["-n", str(workers)], prepared(state)))
        print(f"run {number}, {state:16} {results[-1]}", flush=True)
    failed = sum(not result.good for result in results)
    print(f"\n{failed} of {runs} runs with -n {workers} failed; what went wrong:")
    show(sum((result.kinds for result in results), Counter()))
    return serial.good and failed == runs


def with_berth(runs: int, workers: int) -> bool:
    results = []
    for number in range(1, runs + 1):
        results.append(run(["-n", str(workers), "--berth"], dict(os.environ)))
        print(f"run {number:3} {results[-1]}", flush=True)
    passed = sum(result.good for result in results)
    print(f"\n{passed} of {runs} runs with -n {workers} --berth passed")
    show(sum((result.kinds for result in results), Counter()))
    return passed == runs


def show(kinds: Counter[str]) -> None:
    for kind, count in kinds.most_common():
        print(f"{count:6} {kind}")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=6)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--berth", action="store_true")
    options = parser.parse_args()
    repeat = with_berth if options.berth else without_berth
    return 0 if repeat(options.runs, options.workers) else 1


if __name__ == "__main__":
    sys.exit(main())
