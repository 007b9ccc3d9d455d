# SPDX-License-Identifier: MIT
"""ACQUIRE and RELEASE of a lease that the pool has ready: the main job, when all goes well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.probe import Result, probe
from bench.sizes import Sizes
from bench.stage import Stage, wait_full
from bench.stats import of_durations
from harness.daemon import Daemon

TITLE = "Warm ACQUIRE and RELEASE"
ABOUT = (
    "One connection, leases that the pool has ready, against the bare echo of as many bytes. "
    "*busy*: pair after pair, so that each finds berthd building what the one before it took and "
    "dropping what it gave back, PostgreSQL at work on the same cores. *quiet*: each request is "
    "made when berthd has nothing else to do (the usual case: a worker asks once). *alone*: "
    "PostgreSQL and Redis are stopped (SIGSTOP) meanwhile, all leases are acquired, then all are "
    "released: what berthd itself needs. A pair is the sum of its two requests."
)


@contextmanager
def stopped(stage: Stage) -> Iterator[None]:
    stage.pg.pause()
    stage.redis.pause()
    try:
        yield
    finally:
        stage.redis.resume()
        stage.pg.resume()


def ask(stage: Stage, daemon: Daemon, how: str, redis: str, count: int) -> Result:
    if how != "alone":
        return probe(daemon.socket, {"busy": "pairs"}.get(how, how), count, redis=redis)
    with stopped(stage):
        return probe(daemon.socket, "hold", count, redis=redis)


def rows(how: str, redis: str, rounds: list[tuple[Result, Result]]) -> list[dict]:
    found = []
    for step in ("acquire", "release"):
        request, reply = rounds[0][0].bytes[step]
        found += of_durations(
            f"{how}, REDIS {redis}: {step.upper()}",
            f"echo {request} → {reply} bytes",
            [(ours.ns[step], base.ns[step]) for ours, base in rounds],
        )
    pairs = [(ours.pairs, base.pairs) for ours, base in rounds]
    return found + of_durations(f"{how}, REDIS {redis}: the pair", "both echoes", pairs)


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    plans = {"quiet": "quiet", "busy": "pairs", "alone": "hold"}
    ways = [(how, redis) for redis in ("none", "acl") for how in plans]
    rounds: dict[tuple, list] = {way: [] for way in ways}
    with stage.daemon(pool_schemas=sizes.pool, pool_redis=sizes.pool_redis) as daemon:
        for _ in sizes.warm:
            for how, redis in ways:
                count = sizes.quiet if how == "quiet" else sizes.pool
                if redis == "acl":
                    count = min(count, sizes.pool_redis)
                ours = ask(stage, daemon, how, redis, count)
                wait_full(daemon)
                rounds[how, redis].append((ours, stage.echo.like(ours, plans[how], count)))
    return [row for (how, redis), seen in rounds.items() for row in rows(how, redis, seen)]
