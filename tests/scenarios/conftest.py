# SPDX-License-Identifier: MIT
"""What the scenarios share: databases to spoil, a daemon that knows them, racing processes."""

from __future__ import annotations

import itertools
import os
import sys

import pytest
from harness.cli import Cli
from harness.pg_server import DAEMON
from racers import APPS, LONG, Racers, losers

sys.path.insert(0, str(APPS))  # as the applications find themselves

collect_ignore = ["apps"]  # its tests are what a scenario runs
ENUMS = (
    "SELECT typname FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace"
    " WHERE typtype = 'e' AND nspname = 'public'"
)


@pytest.fixture(scope="session")
def racers():
    all_of_them = Racers()
    yield all_of_them
    all_of_them.close()


@pytest.fixture
def new_database(pg):
    """new_database() → the name of an empty database, gone at the end."""
    made = []
    count = itertools.count()

    def make() -> str:
        name = f"empty_{next(count)}"
        pg.sql(f"CREATE DATABASE {name} OWNER {DAEMON}", db="postgres")
        made.append(name)
        return name

    yield make
    for name in made:
        forget_admin(pg, name)
        pg.sql(f"DROP DATABASE {name} WITH (FORCE)", db="postgres")


def forget_admin(pg, database: str) -> None:
    """The harness keeps a connection to each database that was asked something."""
    connection = pg._admin.pop(database, None)
    if connection:
        connection.close()


@pytest.fixture(autouse=True)
def nothing_shared_afterwards(pg):
    """Shared enums and tables, and what the gate remembers, would be there for the next test."""
    yield
    for (name,) in pg.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
        pg.sql(f'DROP TABLE public."{name}" CASCADE')
    for (name,) in pg.sql(ENUMS):
        pg.sql(f'DROP TYPE public."{name}" CASCADE')
    if pg.one("SELECT to_regclass('berth.gate') IS NOT NULL"):
        pg.sql("DELETE FROM berth.gate")


@pytest.fixture
def daemon(make_daemon):
    """A berthd whose leases have no Redis: these stories are PostgreSQL's."""
    return make_daemon(redis_default="none").ready()


@pytest.fixture
def berth(daemon):
    """The command line, with the Python of the tests, its alembic and the clinic at hand."""
    cli = Cli(daemon.socket)
    cli.env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), cli.env["PATH"]])
    cli.env["PYTHONDONTWRITEBYTECODE"] = "1"
    yield cli
    cli.close()


def tell(request, rate: str) -> None:
    """Into what -s shows, and into the results' XML."""
    print(rate)
    request.node.user_properties.append(("rate", rate))


@pytest.fixture
def fails_without_berth(request):
    """fails_without_berth(attempt, …): attempt() → errors; some attempt must have some.

    Each error has one of the expected texts; one of all has `must`. Shortly: at most 8 attempts
    until that is so. BERTH_TEST_LONG=1: 20, and the rate is told.
    """

    def demonstrate(attempt, *expected: str, must: str = "") -> list[str]:
        failed, attempts, errors = 0, 0, []
        while attempts < 20 if LONG else attempts < 8 and not any(must in e for e in errors):
            found = losers(attempt())
            attempts += 1
            failed += bool(found)
            errors += found
        rate = f"{failed} of {attempts} runs fail without berth"
        tell(request, rate)
        for error in errors:
            assert any(text in error for text in expected), f"failed of something else: {error}"
        assert failed, "it did not fail: the demonstration shows nothing"
        assert any(must in error for error in errors), f"no {must!r} in {errors}"
        return errors

    return demonstrate


@pytest.fixture
def passes_with_berth(request):
    """passes_with_berth(attempt): attempt() → errors; never any. Shortly twice, long 20."""

    def demonstrate(attempt, times: int = 2) -> None:
        times = 20 if LONG else times
        for i in range(times):
            assert losers(attempt()) == [], f"attempt {i + 1}"
        tell(request, f"{times} of {times} runs pass with berth")

    return demonstrate
