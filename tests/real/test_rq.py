# SPDX-License-Identifier: MIT
"""A published suite on Redis passes on four workers, as it is, with a Redis server for each.

Each of its test classes takes the first of the databases 4 to 16 of localhost:6379 that is empty,
and flushes it; some of its jobs take another one. On one server, workers take the same one between
two tests: so `berth_redis = private`. With `acl`, where there is one database, all tests pass but
one whose job wants a second one (TestWorkerSubprocess.test_run_scheduled_access_self).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.wait import LONG

pytestmark = pytest.mark.timeout(900)

INI = """
addopts = --strict-markers
filterwarnings = ignore
markers =
    slow
    ssl_test
berth_redis = private
berth_env =
    REDIS_URL=
    LEAD_TO={redis_url}
"""

# The rest waits for workers' timeouts, more than a minute in all.
QUICK = {"test_queue.py": 63, "test_job.py": 65, "test_registry.py": 53, "test_commands.py": 6}
ALL, SKIPPED = 784, 19  # slow ones, and some on TLS


@pytest.fixture
def suite(published):
    return published("rq")


@pytest.fixture
def lead() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).parent / "lead")}


def test_it_passes_with_a_server_for_each_worker(suite, lead):
    files = ["tests"] if LONG else [f"tests/{name}" for name in QUICK]

    run = suite.run_with_berth(INI, 4, *files, tcp=True, **lead)

    expected = (ALL, SKIPPED) if LONG else (sum(QUICK.values()), 0)
    assert (run.passed, run.wrong, run.status) == (*expected, 0), run


@pytest.mark.skipif(not LONG, reason="shows what is known; BERTH_TEST_LONG=1")
def test_four_workers_on_one_server_break_each_other(suite, lead, redis_server):
    runs = (suite.run("-n", "4", "tests", **lead, LEAD_TO=redis_server.url(tcp=True)) for _ in range(3))

    assert any(run.wrong > SKIPPED for run in runs)
