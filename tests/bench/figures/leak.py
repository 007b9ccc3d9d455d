# SPDX-License-Identifier: MIT
"""A leak of months, cleared under the settings that PostgreSQL comes with."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import row
from harness.cli import Cli
from harness.daemon import Daemon
from harness.leftovers import Leftovers, tables_of
from harness.pg_server import PgServer
from harness.wait import eventually

TITLE = "A large leak"
ABOUT = (
    "Leaked schemas of 40 tables with their roles (as under *Orphans*), cleared by `berth orphans "
    "--drop` on a PostgreSQL with 100 connections and 64 locks a transaction, which is interrupted "
    "by Ctrl-C after a tenth of them and begun again. Against a loop by hand over a hundred of "
    "them, from which its time for all is reckoned."
)

BY_HAND = 100


def make(pg: PgServer, names: list[str], tables: int) -> None:
    stamp = Leftovers(pg).stamp()
    with pg.connect() as connection:
        for name in names:
            connection.execute(
                f"CREATE ROLE {name} LOGIN PASSWORD 'x'; COMMENT ON ROLE {name} IS '{stamp}';"
                f"CREATE SCHEMA {name} AUTHORIZATION {name}; {tables_of(name, tables)}"
                f"COMMENT ON SCHEMA {name} IS '{stamp}'"
            )


def schemas(pg: PgServer) -> int:
    return pg.one(r"SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'test\_leak\_%'")


def by_hand(pg: PgServer, names: list[str]) -> float:
    """Schemas a second."""
    began = time.monotonic()
    with pg.connect() as connection:
        for name in names:
            connection.execute(f"DROP SCHEMA {name} CASCADE")
            connection.execute(f"DROP ROLE {name}")
    return len(names) / (time.monotonic() - began)


def by_berth(pg: PgServer, berth: Cli) -> float:
    """Seconds, with the interruption."""
    began, first = time.monotonic(), schemas(pg)
    one = berth.start("orphans", "--drop", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: schemas(pg) < first * 0.9, 3600)
    os.kill(one.pid, signal.SIGINT)
    one.wait()
    assert schemas(pg) > 0, "it was to be interrupted"
    while (before := schemas(pg)) > 0:
        argv = berth.argv("orphans", "--drop")
        subprocess.run(argv, env=berth.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        assert schemas(pg) < before, "nothing more is dropped"
    return time.monotonic() - began


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    count, tables = sizes.leak
    pg = PgServer(max_connections=100, autovacuum_naptime="1min")
    names = [f"test_leak_{i}" for i in range(count)]
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda n: make(pg, names[n::2], tables), range(2)))
        base = by_hand(pg, names[:BY_HAND])
        daemon = Daemon(pg, None).start().ready()
        berth = Cli(daemon.socket)
        took = by_berth(pg, berth)
        berth.close()
        stage.wrong += daemon.finish() + [f"left: {x}" for x in pg.made()]
    finally:
        pg.close()
    dropped = count - BY_HAND
    what = f"{dropped:,} schemas of {tables} tables"
    return [
        row(what, "a loop by hand", "a second", "", dropped / took, base),
        row(what, "a loop by hand", "all of it", "s", took, dropped / base),
    ]
