# SPDX-License-Identifier: MIT
"""Workers as processes, and what is to be known of them from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
from rq.job import Job
from rq.results import Result

from mailing.servers import DATABASE_URL

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it does not come true"
        time.sleep(0.01)


def result_of(job: Job) -> Result:
    """When it has one."""
    result = job.latest_result(timeout=int(PATIENCE))
    assert result is not None
    return result


def writing() -> int:
    """How many other sessions of ours are in a transaction."""
    with psycopg.connect(DATABASE_URL, autocommit=True) as db:
        row = db.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user"
            " AND datname = current_database() AND pid <> pg_backend_pid()"
            " AND xact_start IS NOT NULL"
        ).fetchone()
    return int((row or (0,))[0])


class Worker:
    """``python -m mailing work``, and what it forks."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "mailing", "work", *arguments], cwd=ROOT, start_new_session=True
        )

    def finish(self) -> None:
        """Waits until it has run all jobs (--burst)."""
        assert self._process.wait(PATIENCE) == 0

    def kill(self) -> None:
        """It alone: what it has forked goes on."""
        self._process.kill()
        self._process.wait()

    def family(self) -> list[int]:
        """It and what it has forked, which RQ puts into process groups of their own."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                state, _, _, session, *_ = stat.read_text().rpartition(")")[2].split()
                if int(session) == self._process.pid and state != "Z":
                    found.append(int(stat.parent.name))
        return found

    def end(self) -> None:
        """With everything that it has forked."""
        while family := self.family():
            for pid in family:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.01)
        self._process.wait()
