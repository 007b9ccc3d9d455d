# SPDX-License-Identifier: MIT
"""How long a worker that was killed in a transaction leaves something behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import contextmanager
from multiprocessing import get_context

import psycopg
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_rounds, row
from harness.daemon import Daemon
from harness.resp import Client

TITLE = "The end of a killed worker"
ABOUT = (
    "From SIGKILL of a worker with an open transaction (a table made, rows written) until its "
    "schema, its role and its sessions are gone, and until its Redis user is. Against the same by "
    "hand, begun at the moment of the kill on a session that is open already: NOLOGIN, "
    "pg_terminate_backend until none is left, DROP SCHEMA, DROP OWNED, DROP ROLE."
)

WORK = "BEGIN; CREATE TABLE t AS SELECT generate_series(1, 1000) AS n; CREATE INDEX ON t (n)"


def hold_lease(socket, number: int) -> tuple[dict, list]:
    client = Client(socket)
    lease = client.acquire(f"w{number}", run="kill", redis="acl")
    connection = psycopg.connect(lease.dsn, autocommit=True)
    connection.execute(WORK)
    return {"name": lease.schema, "redis_user": lease.redis_user}, [client, connection]


def hold_role(dsn: str, name: str) -> tuple[dict, list]:
    connection = psycopg.connect(dsn, autocommit=True)
    connection.execute(WORK)
    return {"name": name}, [connection]


def wait_for_death(hold: Callable, args: tuple, ours, theirs) -> None:
    """The child: holds what it must until it is killed, or until we are gone."""
    ours.close()
    what, keep = hold(*args)
    theirs.send(what)
    theirs.poll(None)
    del keep


@contextmanager
def victim(hold: Callable, *args):
    """A child that has said what it holds; (process, what it said)."""
    fork = get_context("fork")
    ours, theirs = fork.Pipe()
    child = fork.Process(target=wait_for_death, args=(hold, args, ours, theirs), daemon=True)
    child.start()
    theirs.close()
    try:
        if not ours.poll(30):
            raise RuntimeError("the worker that is to be killed does not start")
        yield child, ours.recv()
    finally:
        child.kill()
        child.join()
        ours.close()


def until(gone: Callable[[], bool], began: float) -> float:
    """Seconds from `began` until gone()."""
    while not gone():
        if time.monotonic() > began + 20:
            raise RuntimeError("what a killed worker had is still there after 20 s")
        time.sleep(0.0002)
    return time.monotonic() - began


def kill_holder(stage: Stage, daemon: Daemon, number: int) -> tuple[float, float]:
    """Seconds until the slot is gone, and until the Redis user is."""
    with victim(hold_lease, daemon.socket, number) as (child, lease):
        began = time.monotonic()
        os.kill(child.pid, signal.SIGKILL)
        slot = until(lambda: not traces(stage, lease["name"]), began)
        redis = until(lambda: lease["redis_user"] not in stage.redis.users(), began)
    return slot, redis


def traces(stage: Stage, name: str) -> int:
    return stage.pg.one(
        "SELECT (SELECT count(*) FROM pg_namespace WHERE nspname = %s)"
        " + (SELECT count(*) FROM pg_roles WHERE rolname = %s)"
        " + (SELECT count(*) FROM pg_stat_activity WHERE usename = %s)",
        name,
        name,
        name,
    )


def end_by_hand(stage: Stage, name: str) -> None:
    stage.pg.sql(f"ALTER ROLE {name} NOLOGIN")
    while stage.pg.one(
        "WITH theirs AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE usename = %s)"
        " SELECT count(pg_terminate_backend(pid)) FROM theirs",
        name,
    ):
        time.sleep(0.0002)
    stage.pg.sql(f"DROP SCHEMA {name} CASCADE")
    stage.pg.sql(f"DROP OWNED BY {name} CASCADE")
    stage.pg.sql(f"DROP ROLE {name}")


def kill_role_user(stage: Stage, number: int) -> float:
    name = f"hand_{number}"
    stage.pg.sql(f"CREATE ROLE {name} LOGIN PASSWORD 'known'")
    stage.pg.sql(f"CREATE SCHEMA {name} AUTHORIZATION {name}")
    with victim(hold_role, stage.pg.dsn(name, password="known"), name) as (child, _):
        began = time.monotonic()
        os.kill(child.pid, signal.SIGKILL)
        end_by_hand(stage, name)
        return time.monotonic() - began


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    slots, users, hands = [], [], []
    with stage.daemon(pool_schemas=4, pool_redis=4) as daemon:
        for number in sizes.kills:
            slot, user = kill_holder(stage, daemon, number)
            hands.append(kill_role_user(stage, number) * 1e3)
            slots.append(slot * 1e3)
            users.append(user * 1e3)
    found = []
    for what, ours in (("schema, role, sessions gone", slots), ("Redis user gone too", users)):
        both = list(zip(ours, hands, strict=True))
        found.append(of_rounds(what, "by hand", "median", "ms", both))
        found.append(row(what, "by hand", "worst", "ms", max(ours), max(hands), n=len(ours)))
    return found
