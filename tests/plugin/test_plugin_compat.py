# SPDX-License-Identifier: MIT
"""A suite written against pytest-postgresql and pytest-redis, on leases; without these packages."""

from __future__ import annotations

import pytest

CONFTEST = """
    from pathlib import Path

    from psycopg import connect
    from pytest_berth.compat import factories

    HERE = Path(__file__).parent


    def add_bob(host, port, user, dbname, password):
        with connect(host=host, port=port, user=user, dbname=dbname, password=password) as db:
            db.execute("INSERT INTO users VALUES ('bob')")


    users_proc = factories.postgresql_proc(port=None, load=[HERE / "users.sql", add_bob])
    users = factories.postgresql("users_proc")
    other_users = factories.postgresql("users_proc", dbname="other")
    more_proc = factories.postgresql_noproc(depends_on="users_proc", load=["loads:add_carol"])
    more = factories.postgresql("more_proc")
    numbers = factories.redisdb("redis_proc", dbnum=3, decode=True)
    proc_6380 = factories.redis_proc(port=6380)
    noproc_6380 = factories.redis_noproc(port=6380)
    here = factories.redisdb("proc_6380")
    there = factories.redisdb("noproc_6380")
"""
LOADS = """
    import psycopg


    def add_carol(**where):
        with psycopg.connect(**where) as db:
            db.execute("INSERT INTO users VALUES ('carol')")
"""
TESTS = """
    import psycopg
    import pytest
    from pytest_berth.compat.postgresql import DatabaseJanitor


    def names(db):
        return [name for (name,) in db.execute("SELECT name FROM users ORDER BY 1")]


    @pytest.mark.parametrize("again", range(3))
    def test_each_test_finds_what_was_loaded(users, again):
        assert names(users) == ["ann", "bob"]
        users.execute("INSERT INTO users VALUES ('zoe')")
        users.execute("CREATE TABLE notes (id int)")
        users.commit()


    def test_a_second_name_is_a_second_database(users, other_users, more):
        users.execute("DELETE FROM users")
        users.commit()
        assert names(other_users) == ["ann", "bob"] and names(more) == ["ann", "bob", "carol"]


    @pytest.mark.parametrize("again", range(2))
    def test_the_default_one_is_empty(postgresql, postgresql_proc, again):
        found = postgresql.execute("SELECT to_regclass('users'), to_regclass('mine')").fetchone()
        assert found == (None, None)
        postgresql.execute("CREATE TABLE mine (id int)")
        postgresql.commit()
        assert postgresql_proc.running() and postgresql_proc.version.major >= 13
        assert postgresql.info.dbname == postgresql_proc.dbname


    def test_a_transaction_that_was_left_open(users_proc, users):
        left = psycopg.connect(
            host=users_proc.host, port=users_proc.port, user=users_proc.user,
            password=users_proc.password, dbname=users_proc.dbname, options=users_proc.options,
        )
        left.execute("LOCK users")
        test_a_transaction_that_was_left_open.left = left


    def test_stands_in_nobodys_way(users):
        assert names(users) == ["ann", "bob"]


    def test_a_janitor_makes_it_fresh(users_proc):
        given = {"user": users_proc.user, "host": users_proc.host, "port": users_proc.port}
        with DatabaseJanitor(**given, dbname=users_proc.dbname, version=15, password="") as janitor:
            with janitor.cursor() as cursor:
                cursor.execute("DELETE FROM users")
                janitor.load("loads.add_carol")
                assert names(cursor) == ["carol"]
        with pytest.raises(pytest.UsageError, match="has one database"):
            DatabaseJanitor(**given, dbname="another").init()


    @pytest.mark.parametrize("again", range(2))
    def test_redis_is_empty(redisdb, redis_proc, numbers, again):
        assert redisdb.keys() == [] and numbers.keys() == []
        redisdb.set("a", "1")
        numbers.set("a", "2")
        assert (redisdb.get("a"), numbers.get("a")) == (b"1", "2")
        assert redis_proc.unixsocket or (redis_proc.host and redis_proc.port)


    def test_one_port_is_one_server(here, there, redisdb):
        here.set("a", "1")
        assert there.get("a") == b"1" and redisdb.get("a") is None
"""


@pytest.fixture
def suite(project):
    project.write("conftest.py", CONFTEST)
    project.write("loads.py", LOADS)
    project.write("users.sql", "CREATE TABLE users (name text);\nINSERT INTO users VALUES ('ann');\n")
    project.write("test_suite.py", TESTS)
    return project


INI = """
    addopts = -p pytest_berth.compat
    pythonpath = .
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_a_suite_runs_on_leases(suite, daemon, workers):
    suite.ini(INI)
    suite.options += ["--berth", f"--berth-socket={daemon.ready().socket}", "-n", str(workers)]

    suite.run().passed(12)


def test_a_database_is_loaded_again_for_each_test(suite, daemon):
    suite.ini(f"{INI}    berth_kind = database\n")
    suite.options += ["--berth", f"--berth-socket={daemon.ready().socket}"]

    suite.write("test_suite.py", TESTS[: TESTS.index("def test_a_transaction")])

    suite.run().passed(6)


ASYNC = """
    import pytest
    from pytest_berth.compat import factories

    pytestmark = pytest.mark.asyncio
    numbers_async = factories.redisdb_async("redis_proc", dbnum=3, decode=True)
    users_async = factories.postgresql_async("users_proc", isolation_level=4)


    @pytest.mark.parametrize("again", range(2))
    async def test_each_test_finds_what_was_loaded(postgresql_async, users_async, again):
        found = await users_async.execute(
            "SELECT array_agg(name ORDER BY 1), current_setting('transaction_isolation') FROM users"
        )
        assert await found.fetchone() == (["ann", "bob"], "serializable")
        await users_async.execute("DELETE FROM users")
        await users_async.commit()
        await postgresql_async.execute("CREATE TABLE mine (id int)")
        await postgresql_async.commit()


    @pytest.mark.parametrize("again", range(2))
    async def test_redis_is_empty(redisdb_async, numbers_async, again):
        assert await redisdb_async.keys() == [] and await numbers_async.keys() == []
        await redisdb_async.set("a", "1")
        await numbers_async.set("a", "2")
        assert (await redisdb_async.get("a"), await numbers_async.get("a")) == (b"1", "2")
"""


def test_asynchronous_fixtures_run_under_pytest_asyncio(suite, daemon):
    suite.take_from_aside("asyncio")
    suite.ini(f"{INI}    asyncio_default_fixture_loop_scope = function\n")
    suite.options += ["--berth", f"--berth-socket={daemon.ready().socket}"]
    suite.write("test_suite.py", ASYNC)

    suite.run().passed(4)


def test_asynchronous_fixtures_say_what_they_need(suite, daemon):
    suite.ini(INI)
    suite.options += ["--berth", f"--berth-socket={daemon.ready().socket}"]
    suite.write("test_suite.py", "def test_one(postgresql_async): pass\n")

    assert "this fixture is asynchronous: install pytest-asyncio" in suite.run().both
