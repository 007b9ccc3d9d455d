# SPDX-License-Identifier: MIT
"""Leases a second when they are taken and given back without a pause: how fast slots are made."""

from __future__ import annotations

import time
from multiprocessing import get_context

import psycopg
from bench.probe import probe
from bench.sizes import Sizes
from bench.stage import Stage, wait_full
from bench.stats import of_rounds
from harness.daemon import Daemon
from psycopg import sql

TITLE = "Leases a second"
ABOUT = (
    "N clients, each acquires and releases again and again; the pool holds 8 schemas, so slots are "
    "built and dropped as fast as they are asked for. Against as many psycopg clients, each with a "
    "session of its own, that create and drop the same by hand: a database from template1; or a "
    "role and its schema in one transaction, and their drop in another, the role with a password "
    "(SCRAM with PostgreSQL's 4096 iterations) as a lease has one, or without. All are empty."
)

DATABASE = "CREATE DATABASE … TEMPLATE and DROP"
SCHEMA = "CREATE ROLE PASSWORD, SCHEMA and DROP"
BARE_SCHEMA = "CREATE ROLE, SCHEMA and DROP"


def database(connection: psycopg.Connection, name: sql.Identifier) -> None:
    connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template1").format(name))
    connection.execute(sql.SQL("DROP DATABASE {}").format(name))


def schema(connection: psycopg.Connection, name: sql.Identifier, login: str) -> None:
    with connection.transaction():
        connection.execute(sql.SQL("CREATE ROLE {} " + login).format(name))
        connection.execute(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(name, name))
    with connection.transaction():
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(name))
        connection.execute(sql.SQL("DROP ROLE {}").format(name))


MAKERS = {
    DATABASE: database,
    SCHEMA: lambda c, name: schema(c, name, "LOGIN PASSWORD 'f47ac10b58cc4372a5670e02b2c3d479'"),
    BARE_SCHEMA: lambda c, name: schema(c, name, "LOGIN"),
}


def client(dsn: str, kind: str, number: int, seconds: float, barrier, results) -> None:
    done = 0
    with psycopg.connect(dsn, autocommit=True) as connection:
        barrier.wait()
        began = time.monotonic()
        while time.monotonic() < began + seconds:
            MAKERS[kind](connection, sql.Identifier(f"hand_{number}_{done}"))
            done += 1
        results.put(done / (time.monotonic() - began))


def by_hand(stage: Stage, kind: str, clients: int, seconds: float) -> float:
    """How many a second."""
    fork = get_context("fork")
    barrier, results = fork.Barrier(clients), fork.Queue()
    dsn = stage.pg.dsn("postgres")
    children = [
        fork.Process(target=client, args=(dsn, kind, n, seconds, barrier, results), daemon=True)
        for n in range(clients)
    ]
    for child in children:
        child.start()
    rate = sum(results.get(timeout=seconds + 30) for _ in children)
    for child in children:
        child.join()
    return rate


def leases(daemon: Daemon, clients: int, redis: str, seconds: float) -> float:
    """How many a second."""
    seen = probe(daemon.socket, "loop", clients, redis=redis, wait=30000, seconds=seconds)
    return len(seen.ns["release"]) / (seen.span_ns / 1e9)


def counted(clients: int) -> str:
    return f"{clients} client{'s' if clients > 1 else ''}"


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    rounds: dict[tuple, list] = {}
    for _ in sizes.sustained:
        for clients in sizes.clients:
            with stage.daemon(pool_schemas=8, pool_redis=8) as daemon:
                schemas = leases(daemon, clients, "none", sizes.sustained_s)
                wait_full(daemon)
                both = leases(daemon, clients, "acl", sizes.sustained_s)
            for kind in MAKERS:
                base = by_hand(stage, kind, clients, sizes.sustained_s)
                rounds.setdefault((clients, "none", kind), []).append((schemas, base))
            rounds.setdefault((clients, "acl", "the same with REDIS none"), []).append(
                (both, schemas)
            )
    return [
        of_rounds(f"{counted(clients)}, REDIS {redis}", against, "a second", "", seen)
        for (clients, redis, against), seen in rounds.items()
    ]
