# SPDX-License-Identifier: MIT
"""Who waits, waits in a fair queue, and knows its place in it."""

import time

import pytest

from harness import eventually
from harness.resp import ReplyError, as_map
from harness.wait import SLOW


@pytest.fixture
def narrow(make_daemon, make_redis):
    """A berthd whose Redis has two databases to lease (1 and 2): the third asker must wait."""
    return make_daemon(redis=make_redis(databases=4))


def queued(client, worker, **options):
    """Asks without WAIT, and is queued."""
    lease = client.acquire(worker, wait=None, **options)
    assert lease.state == "queued", lease
    return lease


def two_holders(daemon):
    client = daemon.client()
    return client, [client.acquire(f"holder{i}", run="old") for i in range(2)]


def test_when_everything_is_leased_the_next_is_queued_and_knows_why(narrow):
    two_holders(narrow)
    client = narrow.client()
    lease = queued(client, "gw0")
    assert lease.position == 1 and lease.why
    eventually(lambda: "edis" in client.lease(lease.lease).why)
    for field in ("dsn", "host", "port", "user", "password", "redis_url", "redis_db", "redis_user"):
        assert lease[field] is None, field


def test_the_queued_one_is_granted_when_somebody_releases(narrow):
    holder, leases = two_holders(narrow)
    client = narrow.client()
    waiting = queued(client, "gw0")

    holder("RELEASE", leases[0].lease)

    lease = client.lease(waiting.lease, wait=10000)
    assert lease.state == "held" and lease.lease == waiting.lease and lease.why is None
    assert narrow.sql(lease).execute("SELECT current_schema").fetchone() == (lease.schema,)
    assert narrow.kv(lease).dbsize() == 0


def test_wait_blocks_until_the_lease_is_held(narrow):
    holder, leases = two_holders(narrow)
    client = narrow.client()
    client.send("ACQUIRE", "gw0", "WAIT", "30000")
    eventually(lambda: holder.leases("RUN", "default"))
    holder("RELEASE", leases[1].lease)
    lease = as_map(client.read())
    assert lease.state == "held"


def test_wait_is_over_when_its_time_is_over(narrow):
    two_holders(narrow)
    client = narrow.client()
    began = time.monotonic()
    lease = client.acquire("gw0", wait=300)
    took = time.monotonic() - began
    assert lease.state == "queued"
    assert 0.29 <= took < 2 * SLOW
    began = time.monotonic()
    assert client.lease(lease.lease, wait=200).state == "queued"
    assert 0.19 <= time.monotonic() - began < 2 * SLOW


def test_positions_count_from_one_and_move_up(narrow):
    holder, leases = two_holders(narrow)
    client = narrow.client()
    waiting = [queued(client, f"gw{i}") for i in range(4)]
    assert [client.lease(x.lease).position for x in waiting] == [1, 2, 3, 4]

    client("RELEASE", waiting[1].lease)
    assert [client.lease(x.lease).position for x in (waiting[0], *waiting[2:])] == [1, 2, 3]
    holder("RELEASE", leases[0].lease)
    eventually(lambda: client.lease(waiting[0].lease).state == "held")
    assert [client.lease(x.lease).position for x in (waiting[0], *waiting[2:])] == [0, 1, 2]


def test_asking_again_keeps_the_place(narrow):
    two_holders(narrow)
    client, other = narrow.client(), narrow.client()
    first, second = queued(client, "gw0"), queued(client, "gw1")
    for again in (client, other):
        assert again.acquire("gw0", wait=None).position == 1
    assert client.lease(second.lease).position == 2
    assert client.lease(first.lease).lease == first.lease


def test_a_run_with_many_workers_does_not_starve_another(narrow):
    holder, leases = two_holders(narrow)
    client = narrow.client()
    for i in range(5):
        queued(client, f"gw{i}", run="greedy")
    queued(client, "gw0", run="late")

    order = []
    for done in leases:
        holder("RELEASE", done.lease)
        new = eventually(
            lambda: [
                x
                for x in client.leases()
                if x.state == "held" and x.run != "old" and (x.run, x.worker) not in order
            ]
        )
        order += [(x.run, x.worker) for x in new]

    assert ("late", "gw0") in order, f"after two releases: {order}"


def test_workers_of_one_run_are_served_in_their_order(narrow):
    holder, leases = two_holders(narrow)
    client = narrow.client()
    waiting = [queued(client, f"gw{i}") for i in range(3)]
    holder("RELEASE", leases[0].lease)
    assert client.lease(waiting[0].lease, wait=10000).state == "held"
    holder("RELEASE", leases[1].lease)
    assert client.lease(waiting[1].lease, wait=10000).state == "held"
    assert client.lease(waiting[2].lease).state == "queued"


def test_who_hangs_up_leaves_the_queue(narrow):
    holder, leases = two_holders(narrow)
    gone, client = narrow.client(), narrow.client()
    queued(gone, "gone")
    waiting = queued(client, "gw0")
    assert waiting.position == 2

    gone.close()

    eventually(lambda: client.lease(waiting.lease).position == 1)
    assert [x.worker for x in client.leases("RUN", "default")] == ["gw0"]
    holder("RELEASE", leases[0].lease)
    assert client.lease(waiting.lease, wait=10000).state == "held"


def test_who_is_killed_while_waiting_gets_nothing(narrow):
    holder, leases = two_holders(narrow)
    worker = narrow.spawn_worker()
    worker.tell("acquire", "gw0", wait=60000)
    eventually(lambda: holder.leases("RUN", "default"))

    worker.kill()

    eventually(lambda: not holder.leases("RUN", "default"))
    for lease in leases:
        holder("RELEASE", lease.lease)
    fresh = [narrow.client().acquire(f"fresh{i}") for i in range(2)]
    assert {x.state for x in fresh} == {"held"}


def test_the_place_is_kept_while_one_of_those_who_asked_stays(narrow):
    two_holders(narrow)
    one, two = narrow.client(), narrow.client()
    lease = queued(one, "gw0")
    queued(two, "gw0")
    one.close()
    eventually(lambda: two.leases("RUN", "default")[0].connections == 1)
    assert two.lease(lease.lease).position == 1


def test_release_leaves_the_queue(narrow):
    two_holders(narrow)
    client = narrow.client()
    lease = queued(client, "gw0")
    assert client("RELEASE", lease.lease) == "OK"
    with pytest.raises(ReplyError, match="NOLEASE"):
        client("LEASE", lease.lease)


def test_schema_and_redis_are_granted_together_or_not_at_all(narrow):
    """Whoever waits for Redis holds no schema meanwhile."""
    two_holders(narrow)
    client = narrow.client()
    for i in range(3):
        queued(client, f"gw{i}")
    for i in range(3):
        client.acquire(f"named{i}", name=f"test_waiting_{i}", wait=None)

    slots = [as_map(s) for s in client("SLOTS")]
    held = [s for s in slots if "held" in [str(v).lower() for v in s.values()]]
    assert len(held) == 2
    for x in client.leases("RUN", "default"):
        assert x.redis_db is None, x


def test_a_named_lease_whose_schema_is_there_waits_for_redis_like_others(narrow):
    two_holders(narrow)
    client = narrow.client()
    lease = client.acquire("gw0", name="test_named", wait=None)
    eventually(lambda: narrow.pg.schema_exists("test_named"))
    seen = eventually(lambda: _queued(client.lease(lease.lease)), 5)
    assert seen.position == 1 and "edis" in seen.why


def _queued(lease):
    return lease if lease.state == "queued" else None


def test_who_needs_no_redis_does_not_wait_for_it(narrow):
    two_holders(narrow)
    client = narrow.client()
    queued(client, "gw0")
    lease = client.acquire("gw1", redis="none")
    assert lease.state == "held"


@pytest.mark.berthd(max_leases=3, pool_schemas=1, pool_redis=1)
def test_max_leases_is_a_limit_that_says_what_to_do(daemon):
    client = daemon.client()
    for i in range(3):
        client.acquire(f"gw{i}")
    with pytest.raises(ReplyError) as e:
        lease = client.acquire("gw3", wait=300)
        assert lease.state != "held", "a fourth lease, with max_leases 3"
        raise ReplyError(f"LIMIT queued: {lease.why} 3")
    assert e.value.code == "LIMIT" and "3" in e.value.message
    client("RELEASE", "default/gw0")
    eventually(lambda: client.acquire("gw3").state == "held")


@pytest.mark.berthd(max_leases_uid=2, pool_schemas=1, pool_redis=1)
def test_the_leases_of_one_uid_are_limited(daemon):
    client = daemon.client()
    client.acquire("gw0"), client.acquire("gw1")
    with pytest.raises(ReplyError) as e:
        client.acquire("gw2", wait=300)
    assert e.value.code == "LIMIT" and "2" in e.value.message
    assert client.acquire("gw0").state == "held"


def test_a_wait_does_not_hold_up_other_sessions_and_keeps_the_order_of_its_own(narrow):
    two_holders(narrow)
    client = narrow.client()
    client.send("ACQUIRE", "gw0", "WAIT", "400")
    client.send("PING", "after")
    began = time.monotonic()
    other = narrow.client()
    assert other("PING") == "PONG"
    assert time.monotonic() - began < 0.3 * SLOW
    assert as_map(client.read()).state == "queued"
    assert client.read() == "after"


def test_a_later_asker_with_a_shorter_wait_does_not_disturb_the_longer_one(narrow):
    holder, leases = two_holders(narrow)
    one, two = narrow.client(), narrow.client()
    one.send("ACQUIRE", "gw0", "WAIT", "30000")
    eventually(lambda: holder.leases("RUN", "default"))
    assert two.acquire("gw0", wait=100).state == "queued"
    holder("RELEASE", leases[0].lease)
    assert as_map(one.read()).state == "held"


def test_many_waiters_are_all_served_in_the_end(narrow):
    clients = [narrow.client() for _ in range(30)]
    for i, client in enumerate(clients):
        client.send("ACQUIRE", f"gw{i}", "RUN", f"run{i % 3}", "WAIT", "60000")
    served = set()
    while len(served) < 30:
        for i, client in enumerate(clients):
            if i in served:
                continue
            client.sock.settimeout(0.01)
            try:
                lease = as_map(client.read())
            except TimeoutError:
                continue
            assert lease.state == "held"
            client.sock.settimeout(30)
            assert client("RELEASE", lease.lease) == "OK"
            served.add(i)
