# SPDX-License-Identifier: MIT
"""From nothing to the first lease: `berth run` against starting the servers by hand."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from bench.probe import DIR
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_rounds
from harness import places, process

TITLE = "Start to first lease"
ABOUT = (
    "From the start of `berth run` until its command holds a lease of a schema and a Redis user; "
    "*cold* with an empty cache, *warm* with the cached data directory. By hand, one after "
    "another, with the same comforts (fsync off, all in memory): initdb --no-sync, pg_ctl start, "
    "redis-server, then psql with CREATE ROLE and CREATE SCHEMA; against *warm*, a copy of a data "
    "directory that was kept takes initdb's place."
)

BERTH = Path(os.environ.get("BERTH", places.REPO / "build" / "bin" / "berth"))

FIRST_SQL = "CREATE ROLE first LOGIN PASSWORD 'first'; CREATE SCHEMA first AUTHORIZATION first"


class NotThere(Exception):
    """There is nothing to measure yet; the text says what is missing."""


def berth_run(cache: Path) -> float:
    """Seconds from its start to the first lease."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "PG"))}
    env |= {"XDG_CACHE_HOME": str(cache), "BERTHD": str(places.BERTHD.resolve())}
    first = f"exec '{DIR / 'probe'}' --wait 30000 \"$BERTH_SOCKET\" hold 1"
    began = time.monotonic_ns()
    ran = subprocess.run(
        process.tied([BERTH, "run", "--", "sh", "-c", first], "TERM"),
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    word, _, stamp = ran.stdout.partition(" ")
    if ran.returncode or word != "held":
        raise RuntimeError(f"berth run: exit status {ran.returncode}: {ran.stderr.strip()}")
    return (int(stamp) - began) / 1e9


def check_berth_run() -> None:
    if not BERTH.exists():
        raise NotThere("berth is not built yet")
    ran = subprocess.run([BERTH, "run", "--help"], capture_output=True, text=True)
    if ran.returncode or "--pg-bindir" not in ran.stdout:
        raise NotThere("this berth has no `run` yet")


@contextmanager
def own_dir():
    path = places.new_dir("hand")
    if os.geteuid() == 0:
        shutil.chown(path, "postgres", "postgres")
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def pg_tool(name: str, *argv, cwd: Path) -> None:
    subprocess.run(
        process.tied([places.pg_bindir() / name, *argv], user="postgres"),
        check=True,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=60,
    )


def initdb(path: Path) -> None:
    pg_tool("initdb", "-D", path / "data", "-U", "postgres", "-A", "trust", "--no-sync", cwd=path)


def start_redis(path: Path) -> subprocess.Popen:
    socket = path / "r.sock"
    server = process.spawn(
        ["redis-server", "--port", 0, "--unixsocket", socket, "--save", "", "--dir", path],
        stdout=subprocess.DEVNULL,
    )
    ping = ["redis-cli", "-s", socket, "PING"]
    while subprocess.run(ping, capture_output=True).stdout != b"PONG\n":
        time.sleep(0.002)
    return server


def by_hand(make_data: Callable[[Path], None]) -> float:
    """Seconds until there are a role and a schema of it, and a Redis."""
    with own_dir() as path:
        began = time.monotonic()
        make_data(path)
        options = f"-k {path} -c listen_addresses= -c fsync=off"
        pg_tool("pg_ctl", "-D", path / "data", "-w", "-s", "-o", options, "start", cwd=path)
        try:
            redis = start_redis(path)
            pg_tool("psql", "-h", path, "-U", "postgres", "-qc", FIRST_SQL, cwd=path)
            took = time.monotonic() - began
            process.stop(redis)
        finally:
            pg_tool("pg_ctl", "-D", path / "data", "-m", "immediate", "-s", "stop", cwd=path)
    return took


def copy_of(kept: Path) -> Callable[[Path], None]:
    return lambda path: subprocess.run(["cp", "-a", kept / "data", path / "data"], check=True)


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    check_berth_run()
    cold, warm = [], []
    with own_dir() as kept:
        for _ in sizes.cold:
            cache = places.new_dir("cache")
            cold.append((berth_run(cache) * 1e3, by_hand(initdb) * 1e3))
        initdb(kept)
        for _ in sizes.cached:
            warm.append((berth_run(cache) * 1e3, by_hand(copy_of(kept)) * 1e3))
    return [
        of_rounds("berth run, cold", "initdb and all by hand", "median", "ms", cold),
        of_rounds("berth run, warm", "copy and all by hand", "median", "ms", warm),
    ]
