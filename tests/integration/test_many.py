# SPDX-License-Identifier: MIT
"""Two hundred workers ask at the same moment, and each gets something of its own."""

import json
import os
import subprocess
import sys
import threading

import psycopg
import pytest

from harness import eventually, places, process
from harness.resp import as_map
from harness.wait import SLOW

WORKERS = 200


@pytest.fixture
def wide(make_daemon, make_redis, request):
    """A berthd on a Redis with a database for everybody."""
    return make_daemon(redis=make_redis(databases=256), **getattr(request, "param", {}))


def crowd(daemon, count, runs=4):
    return process.spawn(
        [sys.executable, "-m", "harness.crowd", daemon.socket, count, runs],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(places.TESTS)},
    )


def all_but(daemon, slots) -> list[str]:
    """What is there beyond the pool's schemas and their roles."""
    made = daemon.pg.made()
    assert len(made) <= 2 * slots, made
    return [x for x in made if x.split()[0] not in ("schema", "role")]


@pytest.mark.parametrize(
    "wide", [{}, {"pool_schemas": 0, "pool_redis": 0}], indirect=True, ids=["pool", "no pool"]
)
def test_200_processes_acquire_at_once(wide):
    people = crowd(wide, WORKERS)
    try:
        leases = [as_map(json.loads(people.stdout.readline())) for _ in range(WORKERS)]
        assert {x.state for x in leases} == {"held"}
        assert len({x.lease for x in leases}) == WORKERS
        assert len({x.schema for x in leases}) == WORKERS
        assert len({x.redis_db for x in leases}) == WORKERS
        assert len(wide.client().leases()) == WORKERS
        for lease in leases[:: WORKERS // 20]:
            with psycopg.connect(lease.dsn) as session:
                assert session.execute("SELECT current_schema").fetchone() == (lease.schema,)
    finally:
        people.stdin.close()
        people.stdout.close()
        people.wait(60 * SLOW)
    eventually(lambda: wide.client().leases() == [])
    slots = int(as_map(wide.client()("CONFIG", "GET", "pool_schemas")).pool_schemas)
    eventually(lambda: not all_but(wide, slots), 20)


def test_200_connections_of_one_process(wide):
    clients = [wide.client(120) for _ in range(WORKERS)]
    for client in clients:
        assert client("PING") == "PONG"
    for i, client in enumerate(clients):
        client.send("ACQUIRE", f"gw{i}", "WAIT", "90000")
    leases = [as_map(client.read()) for client in clients]
    assert {x.state for x in leases} == {"held"}
    assert len({x.schema for x in leases}) == len({x.redis_db for x in leases}) == WORKERS


def test_200_workers_share_62_databases_in_turn(daemon):
    """More workers than Redis databases: everybody is served, nobody together with another."""
    held: dict[int, str] = {}
    lock = threading.Lock()
    overlaps, served = [], []

    def work(n):
        client = daemon.client(120)
        lease = client.acquire(f"gw{n}", run=f"run{n % 5}", wait=90000)
        with lock:
            if lease.state != "held" or lease.redis_db in held:
                overlaps.append((lease.state, lease.redis_db, held.get(lease.redis_db)))
            held[lease.redis_db] = lease.lease
        with lock:
            held.pop(lease.redis_db, None)
            served.append(n)
        client("RELEASE", lease.lease)
        client.close()

    threads = [threading.Thread(target=work, args=[n]) for n in range(WORKERS)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert overlaps == []
    assert sorted(served) == list(range(WORKERS))


def test_twenty_databases_at_once(daemon):
    clients = [daemon.client(120) for _ in range(20)]
    for i, client in enumerate(clients):
        client.send("ACQUIRE", f"gw{i}", "KIND", "database", "WAIT", "90000")
    leases = [as_map(client.read()) for client in clients]
    assert {x.state for x in leases} == {"held"}
    assert len({x.dbname for x in leases}) == 20
