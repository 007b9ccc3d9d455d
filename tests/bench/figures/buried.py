# SPDX-License-Identifier: MIT
"""How long a runner that died leaves its leases behind."""

from __future__ import annotations

import time

import psycopg
from bench.sizes import Sizes
from bench.stage import MANY, Stage
from bench.stats import of_rounds, row
from harness.daemon import Daemon
from harness.wait import eventually

TITLE = "The end of a dead runner"
ABOUT = (
    "From SIGKILL of a berthd that does not come back until the last of its 100 leases is gone from "
    "PostgreSQL (schema, role, rows of the registry) and Redis (user, claim), each with a table of "
    "1,000 rows and a session that is open; another berthd on the same servers, two drops at a "
    "time. Against its grace period (`runner_grace_ms`, with a tenth of it as `heartbeat_ms`), "
    "before which nobody may touch anything."
)

LEASES = 100
WORK = "CREATE TABLE t AS SELECT generate_series(1, 1000) AS n"


def hold(daemon: Daemon) -> list[psycopg.Connection]:
    """Every lease of one connection, in use."""
    client = daemon.client(timeout=120)
    leases = [client.acquire(f"w{i}", run="bury", redis="acl", wait=60000) for i in range(LEASES)]
    sessions = [psycopg.connect(lease.dsn, autocommit=True) for lease in leases]
    for session in sessions:
        session.execute(WORK)
    return sessions


def left(stage: Stage, runner: str) -> list[str]:
    return [x for x in stage.pg.made() + stage.pg.registry() + stage.redis.left() if runner in x]


def bury(stage: Stage, grace_ms: int) -> float:
    """Milliseconds from the death to the end of the last thing."""
    settings = {"runner_grace_ms": grace_ms, "heartbeat_ms": grace_ms // 10, "pool_schemas": 0}
    doomed = Daemon(stage.pg, stage.redis, **(MANY | settings)).start()
    runner = doomed.client().info()["runner"]
    sessions = hold(doomed)
    began = time.monotonic()
    doomed.kill()
    eventually(lambda: not left(stage, runner), 120)
    took = time.monotonic() - began
    for session in sessions:
        session.close()
    doomed.hang_up()
    return took * 1e3


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    found = []
    for grace_ms in sizes.graces_ms:
        settings = {"runner_grace_ms": grace_ms, "heartbeat_ms": grace_ms // 10}
        with stage.daemon(pool_schemas=0, **settings):
            took = [(bury(stage, grace_ms), float(grace_ms)) for _ in sizes.burials]
        what = f"grace of {grace_ms / 1000:g} s"
        found.append(of_rounds(what, "the grace period", "median", "ms", took))
        worst = max(ms for ms, _ in took)
        found.append(row(what, "the grace period", "worst", "ms", worst, grace_ms, n=len(took)))
    return found
