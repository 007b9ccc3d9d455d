# SPDX-License-Identifier: MIT
"""A published test suite that nobody here wrote passes on four workers, as it is, with berth.

It is fetched from the package registry when this runs; nothing of it is in the repository, and
none of its files is changed. It needs a database for each worker: it creates an extension and a
schema called "another", and looks for its tables in the whole catalog.
"""

from __future__ import annotations

import pytest

from harness.wait import LONG

pytestmark = pytest.mark.timeout(900)

TESTS = 134

# How its conftest is told of a database. It writes postgresql://USER:PASSWORD@localhost/DB, so the
# server's address goes behind the name, where it overrules the host.
ADDRESS = """
berth_kind = {kind}
berth_env =
    SQLALCHEMY_SEARCHABLE_TEST_USER={{user}}
    SQLALCHEMY_SEARCHABLE_TEST_PASSWORD={{password}}
    SQLALCHEMY_SEARCHABLE_TEST_DB={{dbname}}?host={{host}}&port={{port}}
"""


@pytest.fixture(scope="module")
def suite(published):
    return published("sqlalchemy-searchable")


@pytest.fixture
def one_database(pg) -> dict[str, str]:
    """A database of a plain server, and the variables by which the suite finds it."""
    pg.sql("CREATE DATABASE searchable", db="postgres")
    yield {
        "SQLALCHEMY_SEARCHABLE_TEST_USER": "postgres",
        "SQLALCHEMY_SEARCHABLE_TEST_DB": f"searchable?host={pg.dir}&port={pg.port}",
    }
    pg.sql("DROP DATABASE searchable WITH (FORCE)", db="postgres")


@pytest.mark.skipif(not LONG, reason="that it passes by itself is no news of berth's")
def test_it_passes_in_one_process_without_berth(suite, one_database):
    run = suite.run("tests", **one_database)

    assert (run.passed, run.wrong, run.status) == (TESTS, 0, 0), run


def test_four_workers_on_one_database_break_each_other(suite, one_database):
    run = suite.run("tests", "-n", "4", "--maxfail=1", **one_database)

    assert run.wrong > 0, run


@pytest.mark.parametrize("workers", [0, 4] if LONG else [4])
def test_it_passes_with_a_database_for_each_worker(suite, workers):
    run = suite.run_with_berth(ADDRESS.format(kind="database"), workers, "tests")

    assert (run.passed, run.wrong, run.status) == (TESTS, 0, 0), run


def test_a_schema_for_each_worker_is_not_enough(suite):
    run = suite.run_with_berth(ADDRESS.format(kind="schema"), 4, "tests", "--maxfail=1")

    assert run.passed == 0, run
    assert 'permission denied to create extension "hstore"' in run.output, run
