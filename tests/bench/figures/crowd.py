# SPDX-License-Identifier: MIT
"""ACQUIRE while many connections are open: one after another, and all at the same moment."""

from __future__ import annotations

from bench.probe import Result, probe
from bench.sizes import Sizes
from bench.stage import Stage, wait_full
from bench.stats import of_durations, of_rounds

PLANS = {"in turn": "turns", "at once": "crowd"}

TITLE = "ACQUIRE among many connections"
ABOUT = (
    "N connections, each acquires a lease of its own out of a pool that has them all ready (REDIS "
    "none), against the bare echo with as many connections and bytes. *in turn*: one connection "
    "after another. *at once*: all requests are sent before any reply is read, so that most of an "
    "ACQUIRE's time is its wait for those before it; *all hold* is the time from the first request "
    "to the last reply."
)


def rows(count: int, how: str, rounds: list[tuple[Result, Result]]) -> list[dict]:
    request, reply = rounds[0][0].bytes["acquire"]
    what = f"{count} connections, {how}"
    against = f"echo {request} → {reply} bytes"
    found = of_durations(what, against, [(o.ns["acquire"], b.ns["acquire"]) for o, b in rounds])
    if how == "at once":
        spans = [(ours.span_ns / 1e6, base.span_ns / 1e6) for ours, base in rounds]
        found.append(of_rounds(what, against, "all hold", "ms", spans))
    return found


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    rounds: dict[tuple, list] = {(n, how): [] for n in sizes.crowds for how in sizes.crowd_ways}
    with stage.daemon(pool_schemas=max(sizes.crowds)) as daemon:
        for _ in sizes.crowd:
            for count, how in rounds:
                ours = probe(daemon.socket, PLANS[how], count, redis="none")
                wait_full(daemon)
                rounds[count, how].append((ours, stage.echo.like(ours, PLANS[how], count)))
    return [row for (count, how), seen in rounds.items() for row in rows(count, how, seen)]
