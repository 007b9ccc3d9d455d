# SPDX-License-Identifier: MIT
"""A template from its first builder to a slot that is reset and handed out again."""

from __future__ import annotations

import random

import psycopg
import pytest
from harness.resp import as_map
from harness.wait import eventually

DDL = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TABLE users (id serial PRIMARY KEY, name text NOT NULL, mood mood DEFAULT 'ok');
CREATE TABLE posts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
                    owner int REFERENCES users ON DELETE CASCADE, t text);
INSERT INTO users (name) VALUES ('ann'), ('bob');
INSERT INTO posts (owner, t) VALUES (1, 'first');
"""


@pytest.fixture
def key(request):
    """Templates outlive daemons, and the server is shared: each test has a key of its own."""
    return f"{request.node.name}-{random.getrandbits(32):x}"


def connect(lease):
    return psycopg.connect(lease.dsn, autocommit=True)


def build(client, worker: str, key: str, ddl: str = DDL, **options):
    """Acquires as the first, migrates, seals; the lease as it is afterwards."""
    lease = as_map(client.acquire(worker, template=key, **options))
    assert lease.state == "building"
    with connect(lease) as sql:
        sql.execute(ddl)
    client("TEMPLATE", "SEAL", lease.lease)
    return as_map(client("LEASE", lease.lease))


def test_the_first_to_ask_builds_and_the_others_get_what_was_sealed(daemon, key):
    one, other = daemon.client(), daemon.client()
    first = as_map(one.acquire("gw0", template=key))
    queued = as_map(other("ACQUIRE", "gw1", "TEMPLATE", key))

    assert (first.state, queued.state, queued.dsn) == ("building", "queued", None)
    eventually(lambda: "worker gw0" in (as_map(other("LEASE", queued.lease)).builder or ""))
    with connect(first) as sql:
        sql.execute(DDL)
    sealed = as_map(one("TEMPLATE", "SEAL", first.lease))
    assert (sealed.key, sealed.tables, sealed.rows) == (key, 2, 3)

    second = as_map(other("LEASE", queued.lease, "WAIT", "30000"))
    assert second.state == "held"
    for lease in (as_map(one("LEASE", first.lease)), second):
        with connect(lease) as sql:
            assert sql.execute("SELECT name, mood FROM users ORDER BY id").fetchall() == [
                ("ann", "ok"),
                ("bob", "ok"),
            ]
            assert sql.execute("SELECT nextval('users_id_seq')").fetchone() == (3,)
            assert sql.execute("SELECT owner, t FROM posts").fetchall() == [(1, "first")]


def test_a_reset_brings_back_rows_and_definitions(daemon, key):
    client = daemon.client()
    lease = build(client, "gw0", key)
    with connect(lease) as sql:
        for deed, rebuilt in [
            ("SELECT 1", 0),
            ("INSERT INTO users (name) VALUES ('eve')", 0),
            ("UPDATE users SET name = 'x' WHERE id = 1", 0),
            ("DELETE FROM users", 0),
            ("TRUNCATE users CASCADE", 0),
            ("CREATE TABLE more ()", 1),
            ("ALTER TABLE users DROP COLUMN mood", 1),
        ]:
            sql.execute(deed)
            result = as_map(client("RESET", lease.lease))
            assert result.rebuilt == rebuilt, deed
            assert sql.execute("SELECT id, name, mood FROM users ORDER BY id").fetchall() == [
                (1, "ann", "ok"),
                (2, "bob", "ok"),
            ], deed
            assert sql.execute("SELECT owner, t FROM posts").fetchall() == [(1, "first")], deed


def test_a_baseline_is_what_a_reset_brings_back(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    with connect(lease) as sql:
        sql.execute(DDL)
        assert client("BASELINE", lease.lease) == "OK"
        sql.execute("DELETE FROM users")
        assert as_map(client("RESET", lease.lease)).rebuilt == 0
        assert sql.execute("SELECT count(*) FROM users").fetchone() == (2,)


def test_a_released_slot_is_handed_out_again_clean(daemon, key):
    client = daemon.client()
    first = build(client, "gw0", key)
    with connect(first) as sql:
        sql.execute("INSERT INTO users (name) VALUES ('eve')")
    client("RELEASE", first.lease)
    eventually(
        lambda: any(
            as_map(s).name == first.schema and as_map(s).state == "free" for s in client("SLOTS")
        )
    )

    again = as_map(client.acquire("gw0", template=key))

    assert again.schema == first.schema
    assert again.fence > first.fence and again.password != first.password
    with pytest.raises(psycopg.OperationalError):
        connect(first)
    with connect(again) as sql:
        assert sql.execute("SELECT count(*) FROM users").fetchone() == (2,)


def test_a_database_can_be_a_template_too(daemon, key):
    client, other = daemon.client(), daemon.client()
    lease = build(client, "gw0", key, kind="database")
    second = as_map(other.acquire("gw1", template=key, kind="database"))

    for held, connection in ((lease, client), (second, other)):
        with connect(held) as sql:
            assert sql.execute("SELECT count(*) FROM users").fetchone() == (2,)
            sql.execute("DROP TABLE posts; DELETE FROM users")
        assert as_map(connection("RESET", held.lease)).rebuilt == 1
        with connect(held) as sql:
            assert sql.execute("SELECT count(*) FROM users, posts").fetchone() == (2,)
    client("RELEASE", lease.lease)
    other("RELEASE", second.lease)
    assert client("TEMPLATE", "DROP", key) == "OK"
