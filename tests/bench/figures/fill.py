# SPDX-License-Identifier: MIT
"""Slots built a second from a template, against psql that replays the same DDL."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from bench import application
from bench.figures.reset import held
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_rounds
from harness import places
from harness.daemon import Daemon
from harness.resp import as_map, encode, acquire_words

TITLE = "Slots built from a template"
ABOUT = (
    "So many leases of a sealed template are asked for at once while the pool has none: slots a second "
    "until the last is held, each with a role and password of its own. Against psql, as many schemas in as "
    "many processes as berthd builds at a time, each with all statements sent in one query "
    "(`\\;`), which is its fastest way; no role is made."
)

AT_A_TIME = 4


def by_berth(daemon: Daemon, tables: int, count: int) -> float:
    """Slots a second."""
    with daemon.client() as client:
        began = time.monotonic()
        for n in range(count):
            client.send_raw(encode(*acquire_words(f"f{n}", run="fill", template=f"bench-{tables}", redis="none")))
        leases = [as_map(client.read()) for _ in range(count)]
        for lease in leases:
            assert client.lease(lease.lease, 120000).state == "held"
        took = time.monotonic() - began
        for lease in leases:
            client("RELEASE", lease.lease)
    return count / took


def replay(stage: Stage, tables: int, name: str) -> None:
    texts = [f"CREATE SCHEMA {name}", f"SET search_path = {name}", *application.statements(tables)]
    subprocess.run(
        [places.pg_bindir() / "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-d", stage.pg.dsn("postgres")],
        input="\\;\n".join(texts) + ";\n",
        check=True,
        text=True,
        stdout=subprocess.DEVNULL,
    )


def by_psql(stage: Stage, tables: int, count: int) -> float:
    names = [f"hand_{n}" for n in range(count)]
    began = time.monotonic()
    with ThreadPoolExecutor(AT_A_TIME) as several:
        list(several.map(lambda name: replay(stage, tables, name), names))
    took = time.monotonic() - began
    for name in names:
        stage.pg.sql(f"SET client_min_messages = warning; DROP SCHEMA {name} CASCADE")
    return count / took


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    rounds: dict[int, list] = {}
    for tables in sizes.reset_tables:
        count = max(4, sizes.fill // tables)
        for _ in sizes.reset:
            with stage.daemon(pool_schemas=0, builds=AT_A_TIME, redis_url=None) as daemon:
                with daemon.client() as client:
                    lease = held(client, tables, 99)
                    ours = by_berth(daemon, tables, count)
                    client("RELEASE", lease.lease)
            rounds.setdefault(tables, []).append((ours, by_psql(stage, tables, count)))
    return [
        of_rounds(f"{tables} tables", "psql, one query a schema", "a second", "", seen)
        for tables, seen in rounds.items()
    ]
