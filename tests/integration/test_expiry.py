# SPDX-License-Identifier: MIT
"""How long a lease lives: with its connections, detached, renewed, kept, never too long."""

import time

import pytest

from harness import eventually
from harness.resp import ReplyError, as_map
from harness.wait import SLOW, ms, stays


@pytest.fixture(scope="session")
def pg(plain_pg):
    """Ended by force, by a berthd that is no superuser."""
    return plain_pg


def ended(daemon, lease) -> bool:
    """True once nobody has the lease any more and its slot is gone."""
    assert lease.lease not in [x.lease for x in daemon.client().leases()]
    return not daemon.pg.role_exists(lease.role) and not daemon.pg.schema_exists(lease.schema)


def refused(client, *words) -> ReplyError:
    with pytest.raises(ReplyError) as e:
        client(*words)
    return e.value


# Attached: as long as a connection.


def test_a_lease_ends_when_its_connection_closes(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    client.close()
    eventually(lambda: ended(daemon, lease))
    assert daemon.log.has(event="lease.end", lease=lease.lease, why="holder gone")


def test_of_several_connections_the_last_counts(daemon):
    clients = [daemon.client() for _ in range(3)]
    lease = [c.acquire("gw0") for c in clients][0]
    watcher = daemon.client()
    for left in (2, 1):
        clients.pop().close()
        eventually(lambda left=left: watcher.leases()[0].connections == left)
        assert watcher.lease(lease.lease).state == "held"
    clients.pop().close()
    eventually(lambda: ended(daemon, lease))


def test_asking_twice_on_one_connection_counts_once(daemon):
    client, watcher = daemon.client(), daemon.client()
    lease = client.acquire("gw0")
    client.acquire("gw0")
    client("ATTACH", lease.lease, lease.fence)
    assert watcher.leases()[0].connections == 1
    client.close()
    eventually(lambda: ended(daemon, lease))


def test_looking_at_a_lease_does_not_hold_it(daemon):
    client, watcher = daemon.client(), daemon.client()
    lease = client.acquire("gw0")
    watcher.lease(lease.lease)
    watcher("RENEW", lease.lease)
    client.close()
    eventually(lambda: ended(daemon, lease))


@pytest.mark.berthd(ttl_ms=ms(300))
def test_an_attached_lease_is_not_ended_by_its_ttl(daemon):
    client = daemon.client()
    lease = client.acquire("gw0", ttl=ms(200))
    stays(lambda: client.lease(lease.lease).state == "held", 1)


@pytest.mark.berthd(ttl_max_ms=ms(700))
def test_the_hard_maximum_ends_even_an_attached_lease(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    assert 0 < lease.expires_ms <= ms(700)
    session = daemon.sql(lease)
    eventually(lambda: ended(daemon, lease), 5)
    with pytest.raises(Exception, match="terminat|closed"):
        session.execute("SELECT 1")
    assert refused(client, "LEASE", lease.lease).code == "NOLEASE"
    assert client.acquire("gw0").state == "held"


@pytest.mark.berthd(ttl_max_ms=ms(1000))
def test_renew_cannot_go_beyond_the_hard_maximum(daemon):
    client = daemon.client()
    began = time.monotonic()
    lease = client.acquire("gw0", detach=True, ttl=ms(400))

    def refuses():
        try:
            assert client("RENEW", lease.lease, "TTL", ms(900)) <= ms(1000)
            return False
        except ReplyError as e:
            return e.code == "NOLEASE"

    eventually(refuses, 5)
    assert time.monotonic() - began < 3 * SLOW


def test_the_time_left_is_of_the_hard_maximum_while_attached(make_daemon):
    daemon = make_daemon(ttl_ms=ms(5000), ttl_max_ms=ms(60000))
    lease = daemon.client().acquire("gw0")
    assert ms(50000) < lease.expires_ms <= ms(60000)


# Detached: as long as its time.


def test_a_detached_lease_outlives_its_connection_until_its_ttl(daemon):
    client = daemon.client()
    lease = client.acquire("gw0", detach=True, ttl=ms(900))
    assert 0 < lease.expires_ms <= ms(900)
    client.close()
    watcher = daemon.client()
    assert watcher.lease(lease.lease).state == "held"
    assert watcher.leases()[0].connections == 0
    assert daemon.sql(lease).execute("SELECT current_schema").fetchone() == (lease.schema,)
    began = time.monotonic()
    eventually(lambda: ended(daemon, lease))
    assert time.monotonic() - began > 0.3
    assert daemon.log.has(event="lease.end", lease=lease.lease)


@pytest.mark.berthd(ttl_ms=ms(400))
def test_without_ttl_a_detached_lease_has_the_configured_one(daemon):
    lease = daemon.client().acquire("gw0", detach=True)
    assert 0 < lease.expires_ms <= ms(400)
    eventually(lambda: ended(daemon, lease), 5)


def test_renew_starts_the_time_again(daemon):
    client = daemon.client()
    lease = client.acquire("gw0", detach=True, ttl=ms(700))
    began = time.monotonic()
    while time.monotonic() - began < 1.5 * SLOW:
        left = client("RENEW", lease.lease)
        assert ms(500) < left <= ms(700)
        time.sleep(0.05)  # a heartbeat of the client's
    eventually(lambda: ended(daemon, lease), 5)


def test_renew_takes_a_new_time(daemon):
    client = daemon.client()
    lease = client.acquire("gw0", detach=True, ttl=ms(60000))
    assert ms(99000) < client("RENEW", lease.lease, "TTL", ms(100000)) <= ms(100000)
    assert ms(99000) < client.lease(lease.lease).expires_ms <= ms(100000)
    assert client("RENEW", "default/gw0", "TTL", ms(200)) <= ms(200)
    eventually(lambda: ended(daemon, lease), 5)


def test_detach_lets_go_of_the_connection(daemon):
    client = daemon.client()
    lease = client.acquire("gw0", ttl=ms(60000))
    assert client("DETACH", lease.lease) == "OK"
    assert client("DETACH", lease.lease) == "OK"
    client.close()
    watcher = daemon.client()
    eventually(lambda: watcher.leases()[0].connections == 0)
    stays(lambda: watcher.lease(lease.lease).state == "held", 0.3)
    assert watcher.lease(lease.lease).expires_ms <= ms(60000)
    assert watcher("RELEASE", lease.lease) == "OK"


def test_while_somebody_is_attached_a_detached_lease_does_not_expire(daemon):
    lease = daemon.client().acquire("gw0", detach=True, ttl=ms(600))
    daemon.hang_up()
    client = daemon.client()
    mine = client("ATTACH", lease.lease, lease.fence)
    assert as_map(mine).dsn == lease.dsn
    stays(lambda: client.lease(lease.lease).state == "held", 0.9)
    assert client.lease(lease.lease).expires_ms > ms(60000)
    client.close()
    watcher = daemon.client()
    eventually(lambda: watcher.leases()[0].connections == 0)
    assert watcher.lease(lease.lease).state == "held", "what was detached stays detached"
    eventually(lambda: ended(daemon, lease), 5)


def test_attach_binds_to_a_second_connection(daemon):
    first, second = daemon.client(), daemon.client()
    lease = first.acquire("gw0")
    second("ATTACH", lease.lease, lease.fence)
    first.close()
    watcher = daemon.client()
    eventually(lambda: watcher.leases()[0].connections == 1)
    assert watcher.lease(lease.lease).state == "held"
    second.close()
    eventually(lambda: ended(daemon, lease))


@pytest.mark.parametrize("off", [-1, 1, 1000000])
def test_attach_with_another_fence_is_stale(daemon, off):
    client = daemon.client()
    lease = client.acquire("gw0")
    error = refused(client, "ATTACH", lease.lease, lease.fence + off)
    assert error.code == "STALE"
    assert client.lease(lease.lease).state == "held"


def test_attach_to_what_is_gone_is_no_lease(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    client("RELEASE", lease.lease)
    assert refused(client, "ATTACH", lease.lease, lease.fence).code == "NOLEASE"


# Given back, or kept.


def test_release_by_one_ends_it_for_all_and_their_sessions_go_on(daemon):
    one, two = daemon.client(), daemon.client()
    lease = one.acquire("gw0")
    two.acquire("gw0")
    assert one("RELEASE", lease.lease) == "OK"
    eventually(lambda: ended(daemon, lease))
    assert refused(two, "LEASE", lease.lease).code == "NOLEASE"
    assert two.acquire("gw0").lease != lease.lease


def test_release_ends_the_sessions_that_the_worker_forgot(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    session, kv = daemon.sql(lease), daemon.kv(lease)
    session.execute("CREATE TABLE t (a int)")
    kv.set("k", "v")
    client("RELEASE", lease.lease)
    eventually(lambda: ended(daemon, lease))
    assert daemon.redis.db(lease.redis_db).dbsize() == 0


def test_release_keep_pins_the_state_for_a_look(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t AS SELECT 42 AS a")
    daemon.kv(lease).set("k", "v")

    assert client("RELEASE", lease.lease, "KEEP", ms(60000)) == "OK"
    client.close()

    watcher = daemon.client()
    eventually(lambda: watcher.leases()[0].connections == 0)
    assert daemon.sql(lease).execute("SELECT a FROM t").fetchone() == (42,)
    assert daemon.kv(lease).get("k") == "v"
    assert 0 < watcher.leases()[0].expires_ms <= ms(60000)
    assert watcher("RELEASE", lease.lease) == "OK"
    eventually(lambda: ended(daemon, lease))


def test_what_is_kept_goes_when_its_time_is_over(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    client("RELEASE", lease.lease, "KEEP", ms(400))
    assert daemon.pg.schema_exists(lease.schema)
    eventually(lambda: ended(daemon, lease), 5)


@pytest.mark.berthd(ttl_max_ms=ms(500))
def test_keep_is_bounded_too(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    assert refused(client, "RELEASE", lease.lease, "KEEP", 86400000).code == "LIMIT"
    eventually(lambda: ended(daemon, lease), 5)


# A moment to come back.


@pytest.mark.berthd(grace_ms=ms(700))
def test_within_the_grace_the_same_lease_can_be_had_again(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t AS SELECT 1 AS a")
    client.close()
    watcher = daemon.client()
    eventually(lambda: watcher.leases()[0].connections == 0)

    back = daemon.client()
    assert back.acquire("gw0").lease == lease.lease
    stays(lambda: watcher.lease(lease.lease).state == "held", 1)
    assert daemon.sql(lease).execute("SELECT a FROM t").fetchone() == (1,)
    back.close()
    eventually(lambda: ended(daemon, lease), 5)


@pytest.mark.berthd(grace_ms=ms(400))
def test_when_the_grace_is_over_the_lease_is(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    client.close()
    watcher = daemon.client()
    assert watcher.lease(lease.lease).state == "held"
    eventually(lambda: ended(daemon, lease), 5)


@pytest.mark.berthd(grace_ms=ms(30000))
def test_a_release_does_not_wait_for_the_grace(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    client("RELEASE", lease.lease)
    eventually(lambda: ended(daemon, lease), 5)
