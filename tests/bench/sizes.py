# SPDX-License-Identifier: MIT
"""How much of everything is measured, in full and in short."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    limit_s: int = 270  # for all of it
    ping_rounds: int = 10
    pings: int = 3000
    pool: int = 600  # schemas kept ahead in `warm`
    pool_redis: int = 120
    warm_rounds: int = 7
    quiet: int = 100  # pairs, each of which waits until berthd is idle
    crowds: tuple[int, ...] = (64, 1000)
    crowd_ways: tuple[str, ...] = ("in turn", "at once")
    crowd_rounds: int = 3
    clients: tuple[int, ...] = (1, 4, 8)
    sustained_s: float = 2.0
    sustained_rounds: int = 2
    leases: int = 1000  # in `memory`
    cold: int = 3
    warm: int = 7
    kills: int = 50


FULL = Sizes()
QUICK = Sizes(
    limit_s=52,
    ping_rounds=3,
    pings=2000,
    pool=150,
    pool_redis=60,
    warm_rounds=3,
    quiet=25,
    crowd_rounds=1,
    crowd_ways=("at once",),
    clients=(1, 8),
    sustained_s=0.5,
    sustained_rounds=1,
    cold=1,
    warm=2,
    kills=10,
)
