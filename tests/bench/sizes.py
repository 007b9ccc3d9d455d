# SPDX-License-Identifier: MIT
"""How much of everything is measured, in full and in short."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Rounds:
    """So many rounds; on a busy machine those that begin within so many seconds, one at least."""

    most: int
    seconds: float

    def __iter__(self) -> Iterator[int]:
        began = time.monotonic()
        for n in range(self.most):
            if n and time.monotonic() > began + self.seconds:
                return
            yield n


@dataclass(frozen=True)
class Sizes:
    limit_s: int = 300  # for all of it
    ping: Rounds = Rounds(10, 5)
    pings: int = 3000
    warm: Rounds = Rounds(7, 50)
    pool: int = 600  # schemas kept ahead in `warm`
    pool_redis: int = 120
    quiet: int = 100  # pairs, each of which waits until berthd is idle
    crowd: Rounds = Rounds(3, 30)
    crowds: tuple[int, ...] = (64, 1000)
    crowd_ways: tuple[str, ...] = ("in turn", "at once")
    sustained: Rounds = Rounds(2, 20)
    clients: tuple[int, ...] = (1, 4, 8)
    sustained_s: float = 2.0
    leases: int = 1000  # in `memory`
    cold: Rounds = Rounds(3, 12)
    cached: Rounds = Rounds(7, 12)
    kills: Rounds = Rounds(50, 20)
    orphans: Rounds = Rounds(5, 15)
    leaked: tuple[tuple[int, int], ...] = ((5, 40), (40, 10), (200, 2))  # tables, schemas
    burials: Rounds = Rounds(5, 120)
    graces_ms: tuple[int, ...] = (2000, 15000)
    leak: tuple[int, int] = (5100, 40)  # schemas, tables
    leak_limit_s: int = 7200
    enums: Rounds = Rounds(15, 8)
    gate: Rounds = Rounds(15, 15)
    onces: int = 10  # of each program in a round of `gate`
    plugin: Rounds = Rounds(15, 20)
    templates_limit_s: int = 1500  # for all figures of templates
    reset: Rounds = Rounds(3, 120)  # of each number of tables
    reset_s: float = 0.5
    reset_tables: tuple[int, ...] = (5, 40, 200)
    fill: int = 400  # tables, in as many slots as that takes
    suite: Rounds = Rounds(3, 300)
    suite_tests: int = 400
    idle_s: float = 60.0
    hostile: Rounds = Rounds(3, 20)  # of each kind
    hostile_pool: int = 200


FULL = Sizes()
QUICK = Sizes(
    limit_s=55,
    ping=Rounds(3, 2),
    pings=2000,
    warm=Rounds(3, 6),
    pool=150,
    pool_redis=60,
    quiet=25,
    crowd=Rounds(1, 0),
    crowd_ways=("at once",),
    sustained=Rounds(1, 0),
    clients=(1, 8),
    sustained_s=0.5,
    cold=Rounds(1, 0),
    cached=Rounds(2, 2),
    kills=Rounds(10, 2),
    orphans=Rounds(1, 0),
    leaked=((5, 20), (40, 5)),
    burials=Rounds(2, 0),
    graces_ms=(2000,),
    leak=(200, 40),
    leak_limit_s=300,
    enums=Rounds(5, 1),
    gate=Rounds(5, 2),
    onces=5,
    plugin=Rounds(5, 5),
    templates_limit_s=170,
    reset=Rounds(1, 0),
    reset_s=0.2,
    reset_tables=(5, 40),
    fill=160,
    suite=Rounds(1, 0),
    suite_tests=100,
    idle_s=5.0,
    hostile=Rounds(1, 0),
    hostile_pool=60,
)
