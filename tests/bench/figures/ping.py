# SPDX-License-Identifier: MIT
"""PING: what the protocol and the event loop cost by themselves."""

from __future__ import annotations

from bench.probe import probe
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_durations

TITLE = "PING"
ABOUT = "One connection, one PING after another, against the bare echo of as many bytes."


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    rounds = []
    with stage.daemon() as daemon:
        for _ in sizes.ping:
            ours = probe(daemon.socket, "ping", sizes.pings)
            base = stage.echo.like(ours, "ping", sizes.pings)
            rounds.append((ours.ns["ping"], base.ns["ping"]))
    request, reply = ours.bytes["ping"]
    return of_durations("PING", f"echo {request} → {reply} bytes", rounds)
