# SPDX-License-Identifier: MIT
"""Daemons that share a PostgreSQL and a Redis never collide, and clear up after each other."""

import time

import pytest

from harness import eventually
from harness.leftovers import Leftovers
from harness.process import alive
from harness.resp import ReplyError, as_map
from harness.wait import SLOW, ms, stays

QUICK = {"runner_grace_ms": ms(1000), "heartbeat_ms": 200}


@pytest.fixture(scope="session")
def pg(plain_pg):
    """Neither is a superuser: each drops what is the other's as a member of its roles."""
    return plain_pg


@pytest.fixture
def two(make_daemon):
    return make_daemon(**QUICK), make_daemon(**QUICK)


def runner_of(lease) -> str:
    return lease.lease.split("-")[0]


def cleared(daemon, runner: str) -> bool:
    """True when neither server knows anything of that runner any more."""
    found = daemon.pg.made() + daemon.pg.registry() + daemon.redis.left()
    assert [x for x in found if runner in x] == []
    return True


def test_two_runners_never_give_the_same_thing(two):
    leases = []
    for daemon in two:
        client = daemon.client()
        leases += [client.acquire(f"gw{i}") for i in range(10)]
    assert len({x.lease for x in leases}) == 20
    assert len({x.schema for x in leases}) == 20
    assert len({x.redis_db for x in leases}) == 20
    assert len({runner_of(x) for x in leases}) == 2


def test_each_runner_knows_the_other(two):
    ids = {runner_of(d.client().acquire("gw0")) for d in two}
    for daemon in two:
        client = daemon.client()
        eventually(
            lambda client=client: (
                ids == {v for r in client("RUNNERS") for v in as_map(r).values() if v in ids}
            )
        )


def test_a_name_held_at_the_other_runner_is_in_use(two):
    one, other = two
    one.client().acquire("gw0", name="test_exact")
    client = other.client()
    with pytest.raises(ReplyError) as e:
        client("ACQUIRE", "gw0", "NAME", "test_exact", "WAIT", "5000")
    assert e.value.code == "INUSE" and "test_exact" in e.value.message


def test_a_killed_runner_is_cleared_by_the_other(two):
    one, other = two
    client = one.client()
    leases = [
        client.acquire("gw0"),
        client.acquire("gw1", kind="database"),
        client.acquire("gw2", redis="index", name="test_exact"),
        client.acquire("gw3", detach=True),
    ]
    for lease in leases:
        one.sql(lease).execute("CREATE TABLE t (a int)")
        one.kv(lease).set("k", "v")
    dead = runner_of(leases[0])

    one.kill()

    eventually(lambda: cleared(other, dead) and cleared(other, "test_exact"), 20)
    for lease in leases:
        assert other.redis.db(lease.redis_db).dbsize() == 0
    assert other.client().acquire("gw9", name="test_exact").state == "held"


def test_a_killed_runner_is_not_touched_before_the_grace(make_daemon):
    slow = {"runner_grace_ms": ms(3000), "heartbeat_ms": 200}
    one, other = make_daemon(**slow), make_daemon(**slow)
    lease = one.client().acquire("gw0")
    other.ready()
    one.kill()
    stays(lambda: other.pg.schema_exists(lease.schema), 1.5)
    assert any(x.startswith(f"berth:runner:{runner_of(lease)}=") for x in other.redis.meta())
    eventually(lambda: cleared(other, runner_of(lease)), 20)


def test_private_servers_of_a_killed_runner_die_with_it(two):
    one, other = two
    lease = one.client().acquire("gw0", redis="private")
    (pid,) = one.private_servers()
    one.kill()
    eventually(lambda: not alive(pid))
    eventually(lambda: cleared(other, runner_of(lease)), 20)


def test_a_runner_that_starts_after_the_crash_clears_up_too(make_daemon):
    one = make_daemon(**QUICK)
    lease = one.client().acquire("gw0")
    one.sql(lease).execute("CREATE TABLE t (a int)")
    one.kill()

    other = make_daemon(**QUICK)

    eventually(lambda: cleared(other, runner_of(lease)), 20)


def test_a_living_runner_is_not_ended_by_a_restart_of_postgresql(make_daemon, own_pg):
    """Every advisory lock is free for a moment then: the lock alone proves nothing."""
    daemons = [make_daemon(pg=own_pg, **QUICK) for _ in range(2)]
    leases = [d.client().acquire("gw0") for d in daemons]
    for daemon, lease in zip(daemons, leases):
        daemon.sql(lease).execute("CREATE TABLE t AS SELECT 1 AS a")

    own_pg.restart()

    for daemon, lease in zip(daemons, leases):
        stays(lambda d=daemon, x=lease: d.client().lease(x.lease).state == "held", 1.5)
        assert daemon.sql(lease).execute("SELECT a FROM t").fetchone() == (1,)


def test_nobody_is_dead_because_postgresql_was_away_longer_than_the_grace(make_daemon, own_pg):
    """Nobody could say that he lives meanwhile; who is back first must not bury the others."""
    grace = {"runner_grace_ms": ms(3000), "heartbeat_ms": 200}
    first, late = make_daemon(pg=own_pg, **grace), make_daemon(pg=own_pg, **grace)
    client = late.client()
    lease = client.acquire("gw0", redis="none")
    late.sql(lease).execute("CREATE TABLE t AS SELECT 1 AS a")
    first.client().acquire("gw0")

    own_pg.stop()
    time.sleep(3.5 * SLOW)  # longer than the grace
    late.pause()
    own_pg.start()
    try:
        assert first.client().acquire("gw1", wait=30000).state == "held"
    finally:
        late.resume()

    stays(lambda: client.lease(lease.lease).state == "held", 1.5)
    assert late.sql(lease).execute("SELECT a FROM t").fetchone() == (1,)
    assert late.client().acquire("gw2", wait=30000).state == "held"


def test_nobody_loses_his_redis_because_redis_was_frozen_longer_than_the_grace(
    make_daemon, own_redis
):
    grace = {"runner_grace_ms": ms(3000), "heartbeat_ms": 200}
    first = make_daemon(redis=own_redis, **grace)
    late = make_daemon(redis=own_redis, **grace)
    client = late.client()
    lease = client.acquire("gw0", redis="acl")
    late.kv(lease).set("who", "mine")
    first.client().acquire("gw0")

    own_redis.pause()
    time.sleep(3.5 * SLOW)  # longer than the grace
    late.pause()
    own_redis.resume()
    try:
        assert first.client().acquire("gw1", wait=30000).state == "held"
    finally:
        late.resume()

    stays(lambda: client.lease(lease.lease).state == "held", 1.5)
    assert late.kv(lease).get("who") == "mine"


def test_a_frozen_runner_that_wakes_up_does_no_harm(make_daemon):
    """It was declared dead; its late words must not touch what others got since.

    A frozen daemon still holds its advisory lock, and so is not dead for others: here its
    connections to PostgreSQL are cut too, as when the network or the machine goes.
    """
    one, other = make_daemon(**QUICK), make_daemon(**QUICK)
    client = one.client()
    old = client.acquire("gw0", name="test_exact")
    one.kv(old).set("who", "old")
    one.pause()
    try:
        cut = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = 'berthd' AND application_name LIKE %s"
        )
        assert other.pg.sql(cut, f"%{runner_of(old)}%"), "nothing to cut"
        eventually(lambda: not other.pg.role_exists("test_exact"), 20)
        new = other.client().acquire("gw1", name="test_exact")
        other.sql(new).execute("CREATE TABLE t AS SELECT 'new' AS who")
        others = [other.client().acquire(f"more{i}") for i in range(20)]
        for lease in [new, *others]:
            other.kv(lease).set("who", lease.lease)
    finally:
        one.resume()
    try:
        client("RELEASE", old.lease)
    except (ReplyError, EOFError, ConnectionResetError):
        pass  # told that it is too late, or nothing at all
    client.close()

    def unharmed() -> bool:
        assert other.sql(new).execute("SELECT who FROM t").fetchone() == ("new",)
        return all(other.kv(x).get("who") == x.lease for x in [new, *others])

    stays(unharmed, 1)
    if one.running():
        fresh = one.client().acquire("gw5", wait=30000)
        assert fresh.redis_db not in {x.redis_db for x in [new, *others]}
    else:
        one.expected_exit = 75
    eventually(lambda: cleared(other, runner_of(old)), 20)


def test_a_frozen_runner_is_not_dead_while_it_holds_its_lock(two):
    """PostgreSQL knows that it is there. Redis has no such lock: its databases go to others."""
    one, other = two
    client = one.client()
    lease, lost = client.acquire("gw0", redis="none"), client.acquire("gw1", redis="acl")
    other.ready()
    one.pause()
    try:
        stays(lambda: other.pg.schema_exists(lease.schema), 2.5)
    finally:
        one.resume()
    eventually(lambda: one.log.has(event="lease.end", lease=lost.lease, why="redis slot lost"))
    assert client.lease(lease.lease).state == "held"
    assert one.sql(lease).execute("SELECT current_schema").fetchone() == (lease.schema,)
    assert client.acquire("gw1", wait=30000).lease != lost.lease


def test_what_was_inherited_in_an_answer_that_got_lost_is_dropped_all_the_same(make_daemon):
    """The burial was committed, and the connection broke before its answer came."""
    other = make_daemon(**QUICK).ready()
    pg = other.pg
    Leftovers(pg).schema("test_dead01_1", tables=0)
    pg.sql(
        "INSERT INTO berth.slot (name, runner, kind, fence, built, state)"
        " SELECT 'test_dead01_1', id, 'schema', nextval('berth.fence'), true, 'inherited'"
        " FROM berth.runner ORDER BY started DESC LIMIT 1"
    )
    eventually(lambda: not pg.role_exists("test_dead01_1"), 20)
    assert not pg.schema_exists("test_dead01_1")
    assert pg.sql("SELECT 1 FROM berth.slot WHERE name = 'test_dead01_1'") == []


def test_a_build_makes_nothing_when_its_row_was_taken_over(make_daemon, own_pg):
    """Others buried it between its two transactions, while its worker's connection lived on."""
    client = make_daemon(pg=own_pg, redis=None, pool_schemas=0).ready().client()
    own_pg.sql(
        "CREATE FUNCTION berth.take_over() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN"
        " UPDATE berth.slot SET fence = nextval('berth.fence') WHERE name = NEW.name; RETURN NULL; END$$;"
        " CREATE TRIGGER take_over AFTER INSERT ON berth.slot FOR EACH ROW WHEN (NEW.name = 'test_taken')"
        " EXECUTE FUNCTION berth.take_over()"
    )
    with pytest.raises(ReplyError, match="fenced"):
        client.acquire("gw0", name="test_taken")
    assert not own_pg.role_exists("test_taken") and not own_pg.schema_exists("test_taken")
    own_pg.sql("DROP FUNCTION berth.take_over CASCADE; DELETE FROM berth.slot WHERE name = 'test_taken'")


def test_a_runner_that_leaves_properly_leaves_nothing_for_others(two):
    one, other = two
    lease = one.client().acquire("gw0")
    other.ready()
    gone = runner_of(lease)
    assert one.stop() == 0
    assert not [x for x in other.pg.made() if gone in x]
    assert not [x for x in other.pg.registry() if gone in x]
    assert not [x for x in other.redis.left() if gone in x]


def test_runners_with_different_prefixes_share_a_server(make_daemon):
    one, other = make_daemon(prefix="test_a_", **QUICK), make_daemon(prefix="test_b_", **QUICK)
    a, b = one.client().acquire("gw0"), other.client().acquire("gw0")
    assert a.schema.startswith("test_a_") and b.schema.startswith("test_b_")
