# SPDX-License-Identifier: MIT
"""The Python client and a real berthd: every verb that has a method."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import fields

import berth
import psycopg
import pytest
import redis

from harness import eventually
from harness.resp import Client as RawClient
from harness.wait import SLOW


@pytest.fixture
def client(daemon):
    with berth.connect(daemon.ready().socket) as client:
        yield client


def test_a_lease_is_usable_as_it_is(client, daemon):
    lease = client.acquire("gw0", run="r1", label="a test")

    with psycopg.connect(lease.dsn) as connection:
        assert connection.execute("SELECT current_schema").fetchone() == (lease.schema,)
    with redis.Redis.from_url(lease.redis_url) as kv:
        assert kv.set("a", 1)
    assert (lease.run, lease.worker, lease.state, lease.kind) == ("r1", "gw0", "held", "schema")
    assert (lease.redis, lease.position, lease.why) == ("acl", 0, None)
    assert client.acquire("gw0", run="r1").id == lease.id


@pytest.mark.parametrize("version", [2, 3])
def test_every_field_of_the_protocol_is_an_attribute(daemon, version):
    with berth.connect(daemon.socket, resp=version) as client, RawClient(daemon.socket) as raw:
        lease = client.acquire("gw0")
        row = raw.leases()[0]
        wire = raw.lease(lease.id)

    assert ["lease" if f.name == "id" else f.name for f in fields(lease)] == list(wire)
    assert ["lease" if f.name == "id" else f.name for f in fields(berth.LeaseRow)] == list(row)
    for f in fields(lease):
        if f.name != "expires_ms":
            assert getattr(lease, f.name) == wire["lease" if f.name == "id" else f.name]


def test_kind_name_and_redis_are_granted_as_asked(client):
    database = client.acquire("gw0", kind="database", redis="none")
    named = client.acquire("gw1", name="test_gw1", redis="index")

    assert (database.kind, database.schema, database.redis) == ("database", "public", "none")
    assert database.redis_url is None
    assert database.redis_db is None
    assert (named.schema, named.user, named.redis) == ("test_gw1", "test_gw1", "index")
    with pytest.raises(berth.InUseError):
        client.acquire("gw2", name="test_gw1")


def test_closing_the_client_ends_its_leases(daemon, client):
    with berth.connect(daemon.socket) as other:
        lease = other.acquire("gw0")

    eventually(lambda: client.leases() == [])
    eventually(lambda: not daemon.pg.schema_exists(lease.schema))
    with pytest.raises(berth.NoLeaseError):
        client.get(lease)


def test_a_lease_is_found_renewed_and_released_by_value_by_id_and_by_name(client):
    lease = client.acquire("gw0", run="r1", detach=True, ttl=60)

    for name in (lease, lease.id, "r1/gw0"):
        assert client.get(name).schema == lease.schema
        assert 60 < client.renew(name, ttl=120) <= 120
    client.release("r1/gw0")
    assert client.leases(run="r1") == []


def test_a_detached_lease_outlives_its_client_and_is_attached_by_its_fence(daemon, client):
    with berth.connect(daemon.socket) as other:
        lease = other.acquire("gw0", ttl=60)
        other.detach(lease)

    assert client.attach(lease).schema == lease.schema
    assert client.attach(lease.id, lease.fence).fence == lease.fence
    with pytest.raises(berth.StaleError):
        client.attach(lease, lease.fence + 1)
    with pytest.raises(TypeError, match="fence"):
        client.attach(lease.id)
    client.release(lease)


def test_leases_are_listed_without_secrets(client):
    lease = client.acquire("gw0", run="r1", label="mine")
    client.acquire("gw1", run="r2")

    (row,) = client.leases(run="r1")
    assert (row.id, row.worker, row.schema, row.label) == (lease.id, "gw0", lease.schema, "mine")
    assert (row.pid, row.uid, row.connections) == (os.getpid(), os.getuid(), 1)
    assert len(client.leases()) == len(client.leases(uid=os.getuid())) == 2
    assert lease.password not in repr(client.leases())


def test_the_daemon_tells_about_itself(client):
    client.ping()
    info = client.info()
    config = client.config("ttl*")

    assert client.server["proto"] == 3
    assert "uptime_ms" in info or len(info) > 5
    assert client.info("server").items() <= info.items() or client.info("server")
    assert config["ttl_ms"] == "300000"
    assert client.config("redis_url") == {"redis_url": "***"}


def test_any_other_request_can_be_sent(client):
    assert client.command("ECHO", b"\xff\r\n") == "\udcff\r\n"
    with pytest.raises(berth.RequestError):
        client.command("NOSUCHVERB")
    with pytest.raises(berth.UsageError):
        client.acquire("gw0", kind="cluster")
    with pytest.raises(berth.LimitError):
        client.acquire("gw0", ttl=10 * 365 * 86400)
    client.ping()


@pytest.fixture
def narrow(make_daemon, make_redis):
    """A berthd whose Redis has one database to lease: the second asker must wait."""
    return make_daemon(redis=make_redis(databases=3))


def test_waiting_ends_when_a_place_is_free_or_the_time_is_over(narrow):
    with berth.connect(narrow.socket) as holder, berth.connect(narrow.socket) as client:
        first = holder.acquire("gw0")
        waiting = client.request("gw1")
        assert isinstance(waiting, berth.Waiting)
        assert waiting.state in ("queued", "building")

        began = time.monotonic()
        with pytest.raises(berth.WaitTimeoutError, match="gw1 is still queued at position 1"):
            client.acquire("gw1", wait=0.3)
        assert 0.25 < time.monotonic() - began < 5 * SLOW
        waiting = client.get(waiting, wait=0.05)
        assert "edis" in waiting.why

        told = []
        timer = threading.Timer(1.5, holder.release, [first])
        timer.start()
        lease = client.acquire("gw1", wait=20 * SLOW, on_wait=told.append)
        timer.join()

        assert lease.id == waiting.id
        assert told
        assert all("edis" in why for why in told)
        assert client.get(waiting, wait=1).fence == lease.fence


def test_a_server_that_is_away_is_waited_for(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg)
    own_pg.stop()
    with berth.connect(daemon.socket) as client:
        with pytest.raises(berth.UnavailableError):
            client.acquire("gw0", wait=0.3)

        found = []
        told = []
        options = {"wait": 30 * SLOW, "on_wait": told.append}
        thread = threading.Thread(target=lambda: found.append(client.acquire("gw0", **options)))
        thread.start()
        eventually(lambda: told)
        own_pg.start()
        thread.join()
        assert found[0].state == "held"
        assert "PostgreSQL" in told[0]


def test_a_daemon_that_ends_is_told(daemon):
    with berth.connect(daemon.ready().socket, reattach=0.2) as client:
        client.acquire("gw0")
        daemon.stop()

        with pytest.raises(berth.UnreachableError, match="no daemon took its place within 0.2 s"):
            client.ping()
