# SPDX-License-Identifier: MIT
"""The wall clock of a whole suite under pytest -n 4, by how its tests are kept apart."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psycopg
from bench import application
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_rounds
from harness import places
from harness.daemon import Daemon
from psycopg.conninfo import make_conninfo

TITLE = "A suite of 400 tests"
ABOUT = (
    "From the start of `pytest -n 4` to its end; 40 tables, each test writes into two of them and asks "
    "back. *RESET*: each test begins with one, in a lease of a sealed template. Against the same tests "
    "without anything between them (in such a lease, too); with a database from a template for each test, "
    "as pytest-postgresql does it; and with a schema for each worker, which create_all and drop_all make "
    "and drop statement by statement, and nothing between the tests."
)

SUITE = Path(__file__).resolve().parent.parent / "suite"
TABLES = 40


def run(stage: Stage, daemon: Daemon, way: str, count: int) -> float:
    """Seconds."""
    where = places.new_dir("suite")
    for file in SUITE.glob("*.py"):
        shutil.copy(file, where)
    env = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "PG", "PYTEST_"))}
    env |= {
        "BENCH_WAY": way,
        "BENCH_COUNT": str(count),
        "BENCH_TABLES": str(TABLES),
        "BENCH_DSN": stage.pg.dsn("postgres"),
        "BENCH_SOCKET": str(daemon.socket),
        "BENCH_TESTS": str(places.TESTS),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    argv = [sys.executable, "-m", "pytest", "-q", "-n", "4", "-p", "no:cacheprovider", where]
    began = time.monotonic()
    done = subprocess.run(argv, env=env, cwd=where, capture_output=True, text=True, timeout=600)
    took = time.monotonic() - began
    if done.returncode or f"{count} passed" not in done.stdout:
        raise RuntimeError(f"the suite failed ({way}): {done.stdout[-1500:]}")
    shutil.rmtree(where, ignore_errors=True)
    return took


def make_template(stage: Stage) -> None:
    with stage.pg.connect() as admin:
        admin.execute("CREATE DATABASE hand_template")
    dsn = make_conninfo(stage.pg.dsn("postgres"), dbname="hand_template")
    with psycopg.connect(dsn, autocommit=True) as session:
        session.execute(";".join(application.statements(TABLES)))


AGAINST = {
    "nothing": "nothing between tests",
    "database": "a database a test",
    "create_all": "create_all and drop_all a worker",
}


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    make_template(stage)
    rounds: dict[str, list] = {way: [] for way in AGAINST}
    try:
        with stage.daemon(pool_schemas=1, pool_redis=1, redis_url=None) as daemon:
            run(stage, daemon, "reset", 20)  # seals the template
            for _ in sizes.suite:
                ours = run(stage, daemon, "reset", sizes.suite_tests)
                for way in AGAINST:
                    rounds[way].append((ours, run(stage, daemon, way, sizes.suite_tests)))
    finally:
        with stage.pg.connect() as admin:
            admin.execute("DROP DATABASE hand_template WITH (FORCE)")
    return [
        of_rounds("RESET a test", against, "wall clock", "s", rounds[way])
        for way, against in AGAINST.items()
    ]
