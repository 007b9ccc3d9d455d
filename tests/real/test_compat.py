# SPDX-License-Identifier: MIT
"""A suite written against pytest-postgresql and pytest-redis passes with these installed, as it is.

What it imports of theirs is ours by then, and so is what their plugins have made of it.
"""

from __future__ import annotations

import re

import pytest

from conftest import Suite

pytestmark = pytest.mark.timeout(900)

FILES = {
    "schema.sql": "CREATE TABLE users (name text PRIMARY KEY);\n",
    "conftest.py": """
from pathlib import Path

from pytest_postgresql import factories
from pytest_redis import factories as redis_factories

users_proc = factories.postgresql_proc(port=None, load=[Path(__file__).parent / "schema.sql"])
users = factories.postgresql("users_proc")
cache = redis_factories.redisdb("redis_proc", decode=True)
""",
    "test_users.py": """
import pytest
from pytest_postgresql.janitor import DatabaseJanitor


@pytest.mark.parametrize("again", range(8))
def test_users(users, cache, again):
    users.execute("INSERT INTO users VALUES ('ann')")
    users.commit()
    assert cache.incr("users") == 1


@pytest.mark.parametrize("again", range(4))
def test_the_plugins_own_fixtures(postgresql, redisdb, again):
    postgresql.execute("CREATE TABLE users (name text)")
    postgresql.commit()
    assert redisdb.keys() == []
    redisdb.set("a", "1")


def test_a_janitor(users_proc):
    proc = {"user": users_proc.user, "host": users_proc.host, "port": users_proc.port}
    with DatabaseJanitor(**proc, dbname=users_proc.dbname, password=users_proc.password) as janitor:
        with janitor.cursor() as cursor:
            assert cursor.execute("SELECT count(*) FROM users").fetchone() == (0,)
""",
}


def test_what_the_suite_imports_leads_to_leases(place, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    suite = Suite(tmp_path, place / "venv" / "bin" / "python")

    run = suite.run_with_berth("addopts = -p pytest_berth.compat\n", 2, "-v")

    assert (run.passed, run.wrong, run.status) == (13, 0, 0), run
    assert re.search(r"^berth: \d+ leases, .* resets", run.output, re.M), run
