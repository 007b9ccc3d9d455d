# SPDX-License-Identifier: MIT
"""What may be seen of a lease without changing it: DIFF, LEAKS; and COPY, which keeps it for a look."""

import psycopg
import pytest

from harness import eventually
from harness.resp import ReplyError, as_map
from templates.house import run_sql, same
from templates.shapes import SHOP


# With the lesser rights; a superuser sees no less.
pytestmark = pytest.mark.parametrize("shared_house", ["plain"], indirect=True)


def refused(client, *words) -> str:
    with pytest.raises(ReplyError) as e:
        client(*words)
    return e.value.code


def diff(client, lease) -> dict:
    """{table: (rows then, rows now, written)}"""
    rows = [as_map(row) for row in client("DIFF", lease.lease)]
    return {row.table: (row.rows_then, row.rows_now, row.written) for row in rows}


@pytest.fixture
def bare(client):
    return client.acquire("gw0", run="look")


def test_the_tables_that_differ_are_told_with_their_rows(client, bare):
    run_sql(bare.dsn, "CREATE TABLE t AS SELECT generate_series(1, 5) AS n; CREATE TABLE gone (n int)")
    run_sql(bare.dsn, 'CREATE TABLE "Odd ""one" (n int); CREATE TABLE quiet AS SELECT 1 AS n')
    assert diff(client, bare) == {
        "gone": (None, 0, 0), "t": (None, 5, 5), '"Odd ""one"': (None, 0, 0), "quiet": (None, 1, 1)
    }  # fmt: skip

    client("BASELINE", bare.lease)
    assert diff(client, bare) == {}
    run_sql(bare.dsn, "DELETE FROM t WHERE n = 1; UPDATE t SET n = 20 WHERE n = 2")
    run_sql(bare.dsn, 'INSERT INTO "Odd ""one" VALUES (1), (2)', "DROP TABLE gone; CREATE TABLE new (n int)")
    seen = {"t": (5, 4, 1), '"Odd ""one"': (0, 2, 2), "gone": (0, None, 0), "new": (None, 0, 0)}
    assert diff(client, bare) == seen
    with psycopg.connect(bare.dsn) as other:  # what is not committed is not there, and not waited for
        other.execute("INSERT INTO t VALUES (7)")
        assert diff(client, bare) == seen
        other.execute("LOCK TABLE t")
        assert refused(client, "DIFF", bare.lease) == "PGERR"

    client("RESET", bare.lease)
    assert diff(client, bare) == {}
    run_sql(bare.dsn, "INSERT INTO t VALUES (8)")
    assert diff(client, bare) == {"t": (5, 6, 1)}


def test_what_a_role_has_elsewhere_is_seen(house, client, bare):
    def leaks():
        return {(row.kind, row.what, row.state) for row in map(as_map, client("LEAKS", bare.lease))}

    run_sql(bare.dsn, *SHOP)
    eventually(lambda: leaks() == set())  # a session takes a moment to go
    other = client.acquire("gw1", run="look")
    run_sql(other.dsn, "SELECT lo_create(4711)")
    house.pg.sql(f"GRANT CREATE ON SCHEMA public TO {bare.role}")
    try:
        run_sql(bare.dsn, "CREATE TABLE public.stray (n int)", "CREATE TYPE public.kind AS ENUM ('a')")
        run_sql(bare.dsn, "CREATE TABLE mine (n int)", "BEGIN; INSERT INTO mine VALUES (1); PREPARE TRANSACTION 'look-1'")
        with psycopg.connect(bare.dsn, autocommit=True) as session:
            session.execute("CREATE TEMP TABLE passing (n int)")
            session.execute("SELECT pg_advisory_lock(42), pg_advisory_lock(1, 2)")
            wanted = {
                ("object", "table public.stray", None), ("object", "type public.kind", None),
                ("prepared", "look-1", None),
                ("advisory", "42", None), ("advisory", "1, 2", None),
                ("session", "SELECT pg_advisory_lock(42), pg_advisory_lock(1, 2)", "idle"),
            }  # fmt: skip
            eventually(lambda: leaks() == wanted)
        run_sql(bare.dsn, "ROLLBACK PREPARED 'look-1'", "DROP TABLE public.stray; DROP TYPE public.kind")
    finally:
        house.pg.sql(f"REVOKE ALL ON SCHEMA public FROM {bare.role}")
    eventually(lambda: leaks() == set())


def test_a_copy_is_the_same_and_lives_by_itself(house, client, bare):
    run_sql(bare.dsn, *SHOP)
    kept = client.acquire("kept", run="look")
    with psycopg.connect(bare.dsn) as session:  # a test in the midst of its transaction
        session.execute("INSERT INTO visits VALUES ('de')")
        assert client("COPY", bare.lease, kept.lease) == "OK"
    before = house.full_state(kept)
    assert diff(client, kept) == {}

    client("RESET", bare.lease)
    same(before, house.full_state(kept))
    run_sql(kept.dsn, "DELETE FROM journal; DROP TABLE visits")
    client("RESET", kept.lease)
    same(before, house.full_state(kept))


def test_what_cannot_be_copied_or_looked_into_is_refused(client, bare):
    run_sql(bare.dsn, "CREATE TABLE t (n int)")
    kept = client.acquire("kept", run="look")
    client("COPY", bare.lease, kept.lease)
    assert refused(client, "COPY", bare.lease, kept.lease) == "PGERR"  # it is not empty any more
    assert refused(client, "COPY", bare.lease, "nobody") == "NOLEASE"
    database = client.acquire("base", run="look", kind="database")
    assert refused(client, "COPY", database.lease, kept.lease) == "USAGE"
    assert refused(client, "DIFF", database.lease) == "USAGE"
    eventually(lambda: client("LEAKS", database.lease) == [])
    run_sql(bare.dsn, "SELECT lo_create(0)")
    assert refused(client, "COPY", bare.lease, kept.lease) == "BUILDFAILED"
