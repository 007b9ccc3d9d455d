# SPDX-License-Identifier: MIT
"""A queue that is empty, and workers that are processes of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from processes import Worker, until, writing
from rq import Queue

from mailing.servers import database, queue


@pytest.fixture(autouse=True)
def clean() -> Iterator[None]:
    """What berth_reset = test does with --berth: it is not needed then."""
    yield
    if "BERTH_LEASE" not in os.environ:
        with database() as db:
            db.execute("TRUNCATE deliveries, issues, subscribers RESTART IDENTITY")
        queue().connection.flushdb()


@pytest.fixture
def jobs() -> Iterator[Queue]:
    jobs = queue()
    yield jobs
    jobs.connection.close()


@pytest.fixture
def workers() -> Iterator[list[Worker]]:
    """Those that a test has started. None outlives it, nor does what PostgreSQL does for them."""
    started: list[Worker] = []
    yield started
    for worker in started:
        worker.end()
    until(lambda: writing() == 0)


@pytest.fixture
def worker(workers: list[Worker]) -> Worker:
    workers.append(Worker())
    return workers[-1]


@pytest.fixture
def work_off(workers: list[Worker]) -> Callable[[], None]:
    """work_off(): a worker runs all jobs there are, and ends."""

    def work_off() -> None:
        workers.append(Worker("--burst"))
        workers[-1].finish()

    return work_off
