# SPDX-License-Identifier: MIT
"""The registry is dropped, damaged, copied, or of another version: it is said, or made again; what lives stays."""

import subprocess
from contextlib import closing

import psycopg
import pytest

from harness import eventually, places
from harness.leftovers import all_orphans, orphans, told
from harness.pg_server import DAEMON, PgServer
from harness.resp import ReplyError
from harness.wait import ms, stays

QUICK = {"runner_grace_ms": ms(1000), "heartbeat_ms": 100, "pool_schemas": 1, "pool_redis": 1}


@pytest.fixture(scope="module")
def hurt_pg():
    with closing(PgServer()) as server:
        yield server


@pytest.fixture
def start(make_daemon, hurt_pg):
    return lambda **kw: make_daemon(pg=hurt_pg, **(QUICK | kw))


def runner_of(lease) -> str:
    return lease.lease.split("-")[0]


def why_not(daemon, *words) -> str:
    """What ACQUIRE is refused with, once that has these words."""

    def asked() -> str:
        client = daemon.client()
        client.send("ACQUIRE", "gw-probe", "REDIS", "none")
        answer = client.read_any()
        client.close()
        assert isinstance(answer, ReplyError) and answer.code == "UNAVAILABLE", answer
        assert not [w for w in words if w not in answer.message], answer
        return answer.message

    return eventually(asked, 20)


def written(pg, lease) -> bool:
    there = "SELECT 1 FROM berth.slot s JOIN berth.lease l ON l.slot = s.name WHERE l.id = %s AND s.fence = %s"
    return bool(
        pg.one("SELECT to_regclass('berth.lease')") and pg.sql(there, lease.lease, lease.fence)
    )


def usable(lease) -> bool:
    """What was written into it is there, and its holder may still come and write."""
    with psycopg.connect(lease.dsn) as session:
        session.execute("INSERT INTO t VALUES (2)")
        return session.execute("SELECT min(a) FROM t").fetchone() == (1,)


def test_every_runner_writes_down_again_what_is_its_own(start, hurt_pg):
    """The third one cannot: nobody drops what it had before somebody says so."""
    one, other, third = start(), start(), start()
    leases = [
        (one, one.client().acquire("gw0", name="test_exact")),
        (other, other.client().acquire("gw1", kind="database")),
        (other, other.client().acquire("gw2", detach=True, ttl=ms(60000))),
    ]
    dead = third.client().acquire("gw3")
    third.pause()
    for daemon, lease in leases:
        daemon.sql(lease).execute("CREATE TABLE t AS SELECT 1 AS a")

    hurt_pg.sql("DROP SCHEMA berth CASCADE")
    third.kill()

    for _, lease in leases:
        eventually(lambda lease=lease: written(hurt_pg, lease), 20)
    assert one.log.has(event="registry.lost") and other.log.has(event="registry.lost")
    assert one.client().acquire("gw9", wait=20000).state == "held"
    highest = max(lease.fence for _, lease in leases)
    assert hurt_pg.one("SELECT nextval('berth.fence')") > highest
    with pytest.raises(ReplyError, match="INUSE"):
        other.client()("ACQUIRE", "gw8", "NAME", "test_exact", "WAIT", "5000")
    client = one.client()
    found = eventually(lambda: [x for x in orphans(client) if x.name == dead.schema], 20)
    assert {x["class"] for x in found} == {"stamped"} and {x.runner for x in found} == {
        runner_of(dead)
    }
    dropped = {}

    def dropped_at_last() -> bool:
        dropped.update(told(all_orphans(client, "DROP")))
        return dropped[f"schema {dead.schema}"] == "dropped"

    eventually(dropped_at_last, 20)
    assert all(runner_of(dead) in what for what in dropped), dropped
    for daemon, lease in leases:
        assert usable(lease)
        client("RELEASE", lease.lease) if daemon is one else other.client()("RELEASE", lease.lease)
    eventually(lambda: not hurt_pg.role_exists("test_exact"), 20)
    eventually(lambda: runner_of(dead) not in str(one.redis.left()), 20)


def test_a_table_that_is_missing_is_named_with_the_way_out(start, hurt_pg):
    daemon = start()
    lease = daemon.client().acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t AS SELECT 1 AS a")

    hurt_pg.sql("DROP TABLE berth.slot CASCADE")
    why_not(daemon, "damaged", "no slot", "DROP SCHEMA berth CASCADE")
    hurt_pg.sql("DROP SCHEMA berth CASCADE")

    eventually(lambda: written(hurt_pg, lease), 20)
    assert daemon.running() and usable(lease)


def test_rows_that_are_deleted_are_nobodys_and_are_not_dropped_by_anybody(start, hurt_pg):
    one, other = start(), start()
    lease = one.client().acquire("gw0")
    other.ready()
    one.sql(lease).execute("CREATE TABLE t AS SELECT 1 AS a")

    hurt_pg.sql("DELETE FROM berth.slot WHERE runner = %s", runner_of(lease))
    stays(lambda: usable(lease), 0.5)
    hurt_pg.sql("DELETE FROM berth.slot WHERE runner = %s", runner_of(lease))
    hurt_pg.sql("DELETE FROM berth.runner WHERE id = %s", runner_of(lease))

    one.expected_exit = 75
    assert one.process.wait(20) == 75 and one.log.has(event="runner.fenced")
    stays(lambda: hurt_pg.schema_exists(lease.schema), 1)
    eventually(lambda: runner_of(lease) not in str(other.redis.left()), 20)
    hurt_pg.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", lease.role
    )

    def gone() -> bool:
        all_orphans(other.client(), "DROP")
        return not [x for x in hurt_pg.made() if runner_of(lease) in x]

    eventually(gone, 20)


def test_a_version_that_it_does_not_know_is_said_and_nothing_is_touched(start, hurt_pg):
    daemon = start()
    lease = daemon.client().acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t AS SELECT 1 AS a")

    hurt_pg.sql("UPDATE berth.meta SET version = 99")

    why_not(daemon, "version 99", "upgrade")
    late = start()
    why_not(late, "version 99", "upgrade")
    hurt_pg.sql("UPDATE berth.meta SET version = 4")
    assert late.client().acquire("gw1", wait=20000).state == "held"
    assert usable(lease)


OLDER = {
    3: "ALTER TABLE berth.slot DROP COLUMN role; ALTER TABLE berth.template DROP COLUMN role;",
    2: "ALTER TABLE berth.meta DROP COLUMN home;",
}


@pytest.mark.parametrize("version", OLDER)
def test_an_older_registry_is_upgraded(start, hurt_pg, version):
    start().ready().leave()
    newer = "".join(sql for since, sql in OLDER.items() if since >= version)
    hurt_pg.sql(f"{newer} UPDATE berth.meta SET version = {version}")
    assert start().client().acquire("gw0").state == "held"
    assert hurt_pg.one("SELECT version FROM berth.meta") == 4


def test_a_registry_that_was_restored_elsewhere_buries_nobody(start, hurt_pg):
    """In another database all the locks are free, and the heartbeats are old."""
    one = start()
    leases = [one.client().acquire("gw0"), one.client().acquire("gw1", kind="database")]
    for lease in leases:
        one.sql(lease).execute("CREATE TABLE t AS SELECT 1 AS a")
    hurt_pg.sql(f"CREATE DATABASE copy OWNER {DAEMON}")
    dump = [places.pg_bindir() / "pg_dump", "-n", "berth", hurt_pg.dsn("postgres")]
    text = subprocess.run(dump, check=True, capture_output=True).stdout
    restore = [places.pg_bindir() / "psql", "-qXo", "/dev/null", hurt_pg.dsn("postgres", "copy")]
    subprocess.run(restore, input=text, check=True)
    other = start(pg_dsn=hurt_pg.dsn(db="copy"))

    why_not(other, "copy", "DROP SCHEMA berth CASCADE")

    stays(lambda: all(usable(lease) for lease in leases), 1.5)
    hurt_pg.sql("DROP SCHEMA berth CASCADE", db="copy")
    lease = other.client().acquire("gw0", wait=20000)
    assert lease.dbname == "copy" and all(usable(lease) for lease in leases)
    assert [x for x in all_orphans(other.client(), "DROP") if x.action == "dropped"] == []
    assert all(usable(lease) for lease in leases)
    other.hang_up()
    other.leave()
    hurt_pg.sql("DROP DATABASE copy WITH (FORCE)")
