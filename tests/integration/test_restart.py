# SPDX-License-Identifier: MIT
"""berthd dies or is replaced, and the next one on its socket goes on with what it had granted."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import psycopg
import pytest

from harness import eventually
from harness.resp import ReplyError, as_map
from harness.wait import ms, stays

QUICK = {"runner_grace_ms": ms(2000), "heartbeat_ms": 200}


def journal(daemon):
    return daemon.socket.with_name(daemon.socket.name + ".journal")


def restart(daemon):
    """SIGKILL, and another one on the same socket; workers keep their sessions, clients lose theirs."""
    daemon.kill()
    daemon.expected_exit = 0
    daemon.start()
    return daemon


def free_slots(client, kind="schema"):
    rows = [as_map(r) for r in client("SLOTS")]
    return {r["name"] for r in rows if r["state"] == "free" and r["kind"] == kind}


def refused(call, *words):
    with pytest.raises(ReplyError) as e:
        call(*words)
    return e.value


def test_a_lease_survives_with_all_that_is_in_it(make_daemon):
    daemon = make_daemon()
    lease = daemon.client().acquire("gw0", label="mine")
    database = daemon.client().acquire("gw1", kind="database", redis="none")
    session = daemon.sql(lease)
    session.execute("CREATE TABLE t AS SELECT 42 AS a")
    session.execute("CREATE TEMP TABLE still_the_same_session (a int)")
    daemon.sql(database).execute("CREATE TABLE u AS SELECT 43 AS a")
    daemon.kv(lease).set("k", "v")

    restart(daemon)

    client = daemon.client()
    for one in (lease, database):
        back = client.attach(one)
        same = ("lease", "run", "worker", "schema", "dsn", "fence", "redis_url", "redis_db", "kind")
        assert [getattr(back, x) for x in same] == [getattr(one, x) for x in same]
    assert client.acquire("gw0").lease == lease.lease
    assert [x.label for x in client.leases() if x.lease == lease.lease] == ["mine"]
    assert session.execute("SELECT count(*) FROM still_the_same_session").fetchone() == (0,)
    with psycopg.connect(lease.dsn) as anew:
        assert anew.execute("SELECT a FROM t").fetchone() == (42,)
    assert daemon.kv(lease).get("k") == "v"


def test_who_does_not_come_back_in_time_has_lost_it(make_daemon):
    daemon = make_daemon(reattach_ms=ms(300))
    lease = daemon.client().acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t (a int)")
    restart(daemon)
    eventually(lambda: daemon.log.has(event="lease.end", lease=lease.lease, why="holder gone"))
    eventually(lambda: not daemon.pg.schema_exists(lease.schema))
    assert refused(daemon.client(), "ATTACH", lease.lease, lease.fence).code == "NOLEASE"


def test_a_detached_lease_keeps_its_time(make_daemon):
    daemon = make_daemon(reattach_ms=1)
    client = daemon.client()
    lease = client.acquire("gw0", detach=True, ttl=ms(60000))
    restart(daemon)
    client = daemon.client()
    eventually(lambda: daemon.log.has(event="adopt.done"))
    left = int(as_map(client("LEASE", lease.lease))["expires_ms"])
    assert 0 < left <= ms(60000)
    client("RELEASE", lease.lease)


def test_free_slots_are_handed_out_by_the_next_one(make_daemon):
    daemon = make_daemon(pool_schemas=4, pool_databases=1)
    client = daemon.client()
    eventually(lambda: len(free_slots(client)) == 4 and free_slots(client, "database"))
    before = free_slots(client) | free_slots(client, "database")
    restart(daemon)
    client = daemon.client()
    eventually(lambda: free_slots(client) | free_slots(client, "database") == before)
    lease = client.acquire("gw0")
    assert lease.schema in before
    daemon.sql(lease).execute("CREATE TABLE t (a int)")


def test_the_one_that_is_told_to_hand_over_leaves_everything(make_daemon):
    daemon = make_daemon()
    client = daemon.client()
    lease = client.acquire("gw0")
    assert client("SHUTDOWN", "HANDOVER") == "OK"
    assert daemon.process.wait(10) == 0
    assert daemon.pg.schema_exists(lease.schema)
    daemon.start()
    assert daemon.client().attach(lease).dsn == lease.dsn


def test_whoever_was_buried_meanwhile_begins_anew(make_daemon):
    one, other = make_daemon(**QUICK), make_daemon(**QUICK)
    lease = one.client().acquire("gw0")
    one.kill()
    eventually(lambda: not one.pg.schema_exists(lease.schema), 20)
    one.expected_exit = 0
    one.start()
    eventually(lambda: one.log.has(event="runner.fenced"))
    client = eventually(lambda: one.start_seen().client())
    new = client.acquire("gw0", wait=20000)
    assert new.lease.split("-")[0] != lease.lease.split("-")[0]
    assert refused(client, "ATTACH", lease.lease, lease.fence).code == "NOLEASE"
    one.sql(new).execute("CREATE TABLE t (a int)")
    assert other.running()


def test_a_lease_that_was_not_granted_yet_gives_its_id_to_nobody(make_daemon):
    daemon = make_daemon()
    client = daemon.client()
    assert client.acquire("gw0", template="no").state == "building"
    waiting = as_map(client("ACQUIRE", "gw1", "TEMPLATE", "no"))["lease"]
    restart(daemon)
    client = daemon.client()
    ids = {client.acquire(f"gw{i}", run="b").lease for i in range(5)}
    assert waiting not in ids
    assert refused(client, "LEASE", waiting).code == "NOLEASE"


@pytest.mark.parametrize("damage", ["torn", "garbage", "boot"])
def test_only_a_whole_journal_of_this_boot_is_believed(make_daemon, damage):
    daemon = make_daemon(**QUICK)
    lease = daemon.client().acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t (a int)")
    daemon.kill()
    text = journal(daemon).read_bytes()
    if damage == "torn":
        journal(daemon).write_bytes(text + b"*3\r\n$3\r\nPUT\r\n$9\r\nlease/x-")
    elif damage == "garbage":
        journal(daemon).write_bytes(text[:200] + b"\0\0\0\0" + text[204:])
    else:
        boot = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
        journal(daemon).write_bytes(text.replace(boot, boot[::-1]))
    daemon.expected_exit = 0
    daemon.start()
    if damage == "torn":
        assert daemon.client().attach(lease).dsn == lease.dsn
        return
    assert daemon.log.has(event="journal.ignored")
    assert refused(daemon.client(), "ATTACH", lease.lease, lease.fence).code == "NOLEASE"
    eventually(lambda: not daemon.pg.schema_exists(lease.schema), 20)
    dead = lease.lease.split("-")[0]
    eventually(lambda: not [x for x in daemon.redis.left() if dead in x], 20)


def test_the_journal_is_its_owners_alone_and_goes_in_the_end(make_daemon):
    daemon = make_daemon()
    lease = daemon.client().acquire("gw0")
    seen = journal(daemon).stat()
    assert stat.S_IMODE(seen.st_mode) == 0o600 and seen.st_uid == os.geteuid()
    assert lease.password.encode() in journal(daemon).read_bytes()
    assert lease.password not in daemon.log.path.read_text()
    daemon.hang_up()
    assert daemon.stop() == 0
    assert not journal(daemon).exists()


def test_a_journal_that_cannot_be_written_is_said_and_nothing_is_handed_over(make_daemon):
    daemon = make_daemon(start=False)
    journal(daemon).mkdir()
    daemon.start()
    client = daemon.client()
    lease = client.acquire("gw0")
    assert daemon.log.has(event="journal.lost")
    e = refused(client, "SHUTDOWN", "HANDOVER")
    assert e.code == "UNAVAILABLE" and "journal" in e.message
    assert as_map(client("LEASE", lease.lease))["state"] == "held"
    journal(daemon).rmdir()


def build(daemon, key, *statements):
    """Builds and seals a template; its first lease, of a client that stays."""
    client = daemon.client()
    lease = client.acquire("builder", template=key)
    if lease.state == "building":
        for statement in statements:
            daemon.sql(lease).execute(statement)
        client("TEMPLATE", "SEAL", lease.lease)
    return client.lease(lease.lease, wait=20000)


def rows(daemon, lease):
    return daemon.sql(lease).execute("SELECT array_agg(a ORDER BY a) FROM t").fetchone()[0]


def test_a_lease_of_a_template_is_reset_exactly_by_the_next_one(make_daemon):
    daemon = make_daemon()
    lease = build(daemon, "restart", "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)")
    daemon.sql(lease).execute("INSERT INTO t VALUES (3); CREATE TABLE u (a int)")
    restart(daemon)
    client = daemon.client()
    client.attach(lease)
    daemon.sql(lease).execute("DELETE FROM t WHERE a = 1")
    for _ in range(2):
        report = as_map(client("RESET", lease.lease))
        assert rows(daemon, lease) == [1, 2]
        daemon.sql(lease).execute("UPDATE t SET a = 5 WHERE a = 2")
    assert report["rebuilt"] == 0, "once it was built anew it is known again"
    assert daemon.sql(lease).execute("SELECT to_regclass('u')").fetchone() == (None,)


def test_free_slots_of_a_template_are_handed_out_and_reset_by_the_next_one(make_daemon):
    daemon = make_daemon()
    lease = build(daemon, "restart", "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (2)")
    client = daemon.client()
    second = client.acquire("gw1", template="restart")
    client("RELEASE", second.lease)
    eventually(lambda: second.schema in free_slots(client))
    before = free_slots(client)
    restart(daemon)
    client = daemon.client()
    client.attach(lease)
    eventually(lambda: free_slots(client) == before)
    again = client.acquire("gw2", template="restart")
    assert again.schema in before
    daemon.sql(again).execute("INSERT INTO t VALUES (3)")
    assert as_map(client("RESET", again.lease))["rebuilt"] == 0
    assert rows(daemon, again) == [1, 2]


def test_a_baseline_dies_with_its_berthd_and_nothing_else_is_taken_for_it(make_daemon):
    daemon = make_daemon()
    client = daemon.client()
    lease = client.acquire("gw0")
    session = daemon.sql(lease)
    session.execute("CREATE TABLE t AS SELECT 1 AS a")
    client("BASELINE", lease.lease)
    restart(daemon)
    client = daemon.client()
    client.attach(lease)
    e = refused(client, "RESET", lease.lease)
    assert e.code == "NOTEMPLATE" and "BASELINE" in e.message
    assert rows(daemon, lease) == [1]
    client("BASELINE", lease.lease)
    session.execute("INSERT INTO t VALUES (2)")
    client("RESET", lease.lease)
    assert rows(daemon, lease) == [1]


def test_an_empty_lease_is_emptied_by_the_next_one(make_daemon):
    daemon = make_daemon()
    lease = daemon.client().acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t (a int)")
    daemon.kv(lease).set("k", "v")
    restart(daemon)
    client = daemon.client()
    client.attach(lease)
    client("RESET", lease.lease)
    assert daemon.sql(lease).execute("SELECT to_regclass('t')").fetchone() == (None,)
    assert daemon.kv(lease).get("k") is None


def test_a_lease_of_a_builder_or_with_a_private_redis_ends_with_its_berthd(make_daemon):
    daemon = make_daemon()
    private = daemon.client().acquire("gw0", redis="private")
    builder = as_map(daemon.client()("ACQUIRE", "gw1", "TEMPLATE", "never", "WAIT", "20000"))
    assert builder["state"] == "building"
    restart(daemon)
    client = daemon.client()
    eventually(lambda: daemon.log.has(event="adopt.done"))
    for lease in (private.lease, builder["lease"]):
        assert refused(client, "LEASE", lease).code == "NOLEASE"
    eventually(lambda: not daemon.pg.schema_exists(private.schema))
    stays(lambda: daemon.running(), 0.2)


def test_a_lease_that_ends_meanwhile_keeps_the_others_waiting_for_nothing(make_daemon, own_pg):
    """Its slot is dropped while its template is still being read."""
    daemon = make_daemon(pg=own_pg)
    client = daemon.client()
    builder = client.acquire("gw0", template="t", redis="none")
    daemon.sql(builder).execute("CREATE TABLE t (a int)")
    client("TEMPLATE", "SEAL", builder.lease)
    client("RELEASE", builder.lease)
    lost, kept = client.acquire("gw1", template="t"), client.acquire("gw2", redis="none")
    daemon.kill()
    with own_pg.connect() as slow:
        slow.execute("BEGIN; LOCK TABLE berth.template_part")
        meta = daemon.redis.db(daemon.redis.meta_db)
        _, fence, *rest = meta.hget("berth:claims", lost.redis_db).split()
        meta.hset("berth:claims", lost.redis_db, f"ffffff {int(fence) + 1} {' '.join(rest)}")
        daemon.expected_exit = 0
        daemon.start()
        eventually(lambda: not own_pg.schema_exists(lost.schema))
    meta.hdel("berth:claims", lost.redis_db)
    assert daemon.log.has(event="lease.end", lease=lost.lease, why="redis slot lost")
    assert daemon.client().attach(kept).dsn == kept.dsn
    client = daemon.client()
    client("TEMPLATE", "DROP", "t")


# Holders that come back by themselves


@pytest.fixture
def cli(make_daemon):
    from harness.cli import Cli

    made = []

    def make(daemon):
        made.append(Cli(daemon.socket))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_the_leases_are_listed_before_postgresql_was_reached(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg, redis=None)
    lease = daemon.client().acquire("gw0", detach=True)
    daemon.kill()
    daemon.expected_exit = 0
    own_pg.stop()
    daemon.start()
    client = daemon.client()
    assert [x.dbname for x in client.leases()] == [None]
    for words in (["LEASE", lease.lease], ["RENEW", lease.lease], ["ACQUIRE", "gw0"], ["RESET", lease.lease]):
        assert refused(client, *words).code == "UNAVAILABLE"
    own_pg.start()
    assert client.acquire("gw0").dsn == lease.dsn
    client("RELEASE", lease.lease)


def held_by(daemon, run):
    return [x.lease for x in daemon.client().leases() if x.run == run and x.state == "held"]


def test_berth_exec_comes_back_to_its_lease(make_daemon, cli):
    daemon = make_daemon(reattach_ms=ms(4000))
    one = cli(daemon).start("exec", "--run", "r", "--", "sh", "-c", "echo $BERTH_SCHEMA; read x; echo end")
    schema = one.stdout.readline().strip()
    restart(daemon)
    assert "UNAVAILABLE" in one.stderr.readline()
    assert "the daemon is there again" in one.stderr.readline()
    assert held_by(daemon, "r")
    stays(lambda: held_by(daemon, "r"), 5)
    out, err = one.communicate("\n", timeout=20)
    assert (one.returncode, out, err) == (0, "end\n", "")
    eventually(lambda: not daemon.pg.schema_exists(schema))


def test_berth_exec_gives_its_lease_back_to_the_next_one(make_daemon, cli):
    """Its command ends while there is no daemon, so it never heard of the restart before."""
    daemon = make_daemon()
    one = cli(daemon).start("exec", "--run", "r", "--", "sh", "-c", "echo $BERTH_SCHEMA; read x")
    schema = one.stdout.readline().strip()
    daemon.kill()
    daemon.expected_exit = 0
    one.stdin.write("\n")
    one.stdin.flush()
    daemon.start()
    assert one.wait(20) == 0
    eventually(lambda: not daemon.pg.schema_exists(schema))
    assert daemon.log.has(event="lease.end", run="r", why="released")


def test_who_waits_in_the_queue_waits_on(make_daemon, cli):
    daemon = make_daemon()
    builder = daemon.client().acquire("gw0", template="long")
    assert builder.state == "building"
    one = cli(daemon).start("exec", "--run", "r", "--template", "long", "--build", "true", "--wait", "60s", "--", "echo", "end")
    eventually(lambda: [x for x in daemon.client().leases() if x.run == "r" and x.state == "queued"])
    restart(daemon)
    out, _ = one.communicate("", timeout=30)
    assert (one.returncode, out) == (0, "end\n"), "its turn to build came with the restart"


def test_berth_attach_comes_back_too(make_daemon, cli):
    daemon = make_daemon(reattach_ms=ms(2000))
    berth = cli(daemon)
    lease = berth.json("acquire", "--run", "r", "--ttl", "1h")
    one = berth.start("attach", lease["lease"], lease["fence"])
    eventually(lambda: [x.connections for x in daemon.client().leases()] == [1])
    restart(daemon)
    eventually(lambda: [x.connections for x in daemon.client().leases()] == [1])
    one.communicate("", timeout=20)
    assert one.returncode == 0
    berth.ok("release", lease["lease"])


def test_berth_shutdown_hands_over(make_daemon, cli):
    daemon = make_daemon()
    berth = cli(daemon)
    one = berth.start("exec", "--run", "r", "--", "sh", "-c", "echo; read x")
    one.stdout.readline()
    berth.ok("shutdown", "--handover")
    assert daemon.process.wait(10) == 0
    daemon.start()
    eventually(lambda: "again" in one.stderr.readline())
    assert held_by(daemon, "r")
    assert berth("shutdown", "--handover", "--now").returncode == 2
    one.communicate("\n", timeout=20)
