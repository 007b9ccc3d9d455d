# SPDX-License-Identifier: MIT
"""Enums beside code that makes and drops the same types and knows nothing of any lock."""

import threading

import psycopg
import pytest

from harness import eventually
from test_enums import LOCK, drop_enums, enums, refused


@pytest.fixture(autouse=True)
def no_enums_afterwards(pg):
    yield
    drop_enums(pg)


@pytest.fixture
def racer(pg):
    """A session with a transaction open, which has made the type and not yet said how it ends."""
    with pg.connect() as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TYPE public.color AS ENUM ('red')")
        yield connection


def waits_for_a_transaction(pg) -> bool:
    return pg.one("SELECT count(*) FROM pg_locks WHERE locktype = 'transactionid' AND NOT granted")


def test_a_racer_that_commits_first_has_made_it(daemon, pg, racer):
    """Its 23505 comes when it commits, for nobody could see the type before."""
    client = daemon.ready().client()
    client.send("ENUM", "ENSURE", "color", "red")
    eventually(lambda: waits_for_a_transaction(pg))

    racer.execute("COMMIT")

    assert client.read() == "exists"
    assert not daemon.log.has(event="enum.ensure", outcome="created")


def test_a_racer_that_rolls_back_has_not(daemon, pg, racer):
    client = daemon.ready().client()
    client.send("ENUM", "ENSURE", "color", "red")
    eventually(lambda: waits_for_a_transaction(pg))

    racer.execute("ROLLBACK")

    assert client.read() == "created"


def test_a_racer_with_other_labels_is_drift(daemon, pg, racer):
    client = daemon.ready().client()
    client.send("ENUM", "ENSURE", "color", "blue")
    eventually(lambda: waits_for_a_transaction(pg))

    racer.execute("COMMIT")

    with pytest.raises(Exception, match="DRIFT .* lacks 'blue'"):
        client.read()


@pytest.mark.berthd(enum_wait_ms=600)
def test_a_racer_that_does_not_end_is_named_and_the_lock_is_not_blamed(daemon, pg, racer):
    client = daemon.ready().client()

    e = refused(client, "ENUM", "ENSURE", "color", "red")

    assert e.code == "TIMEOUT" and f"pid {racer.info.backend_pid} " in str(e)
    assert "transaction" in str(e) and str(LOCK) not in str(e)
    racer.execute("COMMIT")
    assert client("ENUM", "ENSURE", "color", "red") == "exists"


def test_types_that_come_and_go_all_the_time_are_never_drift(daemon, pg):
    """As suites do that drop and create all for each test, in public."""
    client = daemon.ready().client()
    stop = threading.Event()
    passing = ("42710", "23505", "40P01", "42704", "XX000")

    def race():
        with pg.connect(pg.dsn()) as session:  # whoever appends must own it
            while not stop.is_set():
                for statement in (
                    "DROP TYPE IF EXISTS public.color",
                    "CREATE TYPE public.color AS ENUM ('red')",
                ):
                    try:
                        session.execute(statement)
                    except psycopg.errors.Error as e:
                        assert e.sqlstate in passing, e

    racers = [threading.Thread(target=race) for _ in range(2)]
    for one in racers:
        one.start()
    try:
        for _ in range(300):
            assert client("ENUM", "ENSURE", "color", "red") in ("created", "exists")
            assert client("ENUM", "APPEND", "color", "red") in ("created", "exists", "appended")
    finally:
        stop.set()
        for one in racers:
            one.join()


def test_a_database_that_is_serializable_by_default_is_no_trouble(make_daemon, pg):
    """A snapshot from before the lock would not show what the one before it has made."""
    pg.sql("ALTER DATABASE app SET default_transaction_isolation = 'serializable'")
    try:
        client = make_daemon().ready().client()
        with pg.connect() as helper:
            helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
            client.send("ENUM", "ENSURE", "color", "red")
            eventually(
                lambda: pg.one(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                )
            )
            helper.execute("CREATE TYPE public.color AS ENUM ('red')")
            helper.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        assert client.read() == "exists"
        assert enums(client) == {"color": ["red"]}
    finally:
        pg.sql("ALTER DATABASE app RESET default_transaction_isolation")
