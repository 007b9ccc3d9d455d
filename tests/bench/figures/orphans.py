# SPDX-License-Identifier: MIT
"""How fast leaked schemas are dropped."""

from __future__ import annotations

import time

import psycopg
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_rounds
from harness.leftovers import Leftovers, all_orphans
from harness.resp import Client
from harness.wait import eventually

TITLE = "Orphans dropped a second"
ABOUT = (
    "Leaked schemas with their roles, dropped by `ORPHANS DROP` (two at a time, as the setting "
    "`drops` has it; each looked at in the transaction that drops it), against a loop by hand on a "
    "session that is open: DROP SCHEMA … CASCADE, DROP ROLE, one after another. Tables have a "
    "serial key, an index and a reference to the table before."
)

GRACE_MS = 1000


def by_hand(connection: psycopg.Connection, names: list[str]) -> float:
    """Schemas a second."""
    began = time.monotonic()
    for name in names:
        connection.execute(f"DROP SCHEMA {name} CASCADE")
        connection.execute(f"DROP ROLE {name}")
    return len(names) / (time.monotonic() - began)


def by_berth(client: Client, names: list[str]) -> float:
    began = time.monotonic()
    rows = all_orphans(client, "DROP")
    took = time.monotonic() - began
    left = [row for row in rows if row.action != "dropped"]
    assert len(rows) == 2 * len(names) and not left, left
    return len(names) / took


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    leftovers = Leftovers(stage.pg)
    rounds: dict[int, list[tuple[float, float]]] = {}
    up = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) * 1000"
    with stage.daemon(pool_schemas=0, runner_grace_ms=GRACE_MS, heartbeat_ms=200) as daemon:
        client = daemon.client(timeout=60)
        eventually(lambda: stage.pg.one(up) > GRACE_MS, 20)
        with stage.pg.connect() as connection:
            connection.execute("SET client_min_messages = warning")
            for _ in sizes.orphans:
                for tables, count in sizes.leaked:
                    ours = [f"test_leaked_{i}" for i in range(count)]
                    theirs = [f"hand_{i}" for i in range(count)]
                    for name in (*theirs, *ours):
                        leftovers.schema(name, tables=tables)
                    for name in theirs:
                        stage.pg.sql(f"COMMENT ON SCHEMA {name} IS NULL")
                        stage.pg.sql(f"COMMENT ON ROLE {name} IS NULL")
                    base = by_hand(connection, theirs)
                    rounds.setdefault(tables, []).append((by_berth(client, ours), base))
    return [
        of_rounds(f"schemas of {tables} tables", "a loop by hand", "a second", "", seen)
        for tables, seen in rounds.items()
    ]
