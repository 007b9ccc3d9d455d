# SPDX-License-Identifier: MIT
"""What `berth once` adds to a command."""

from __future__ import annotations

import os
import time
from statistics import median

from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_rounds
from harness.cli import BERTH

TITLE = "The gate"
ABOUT = (
    "`berth once KEY -- true`, the whole process from its start to its end, in turns with the "
    "programs it is held against. *First run*: the key is new, so the command is run and its end "
    "recorded, two transactions; *done already*: one look."
)


def run(argv: list[str], env: dict[str, str]) -> float:
    """ms from the start of a program to its end."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    began = time.monotonic_ns()
    pid = os.posix_spawnp(argv[0], argv, env, file_actions=quiet)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    took = (time.monotonic_ns() - began) / 1e6
    assert status == 0, (argv, status)
    return took


def times(env: dict[str, str], number: int, each: int) -> dict[str, float]:
    """The median of each program's times, taken in turns."""
    ping = ["redis-cli", "-s", env["BERTH_SOCKET"], "PING"]
    took: dict[str, list[float]] = {}
    for i in range(each):
        once = [str(BERTH), "once", f"bench-{number}-{i}", "--", "true"]
        for name, argv in (("first", once), ("done", once), ("ping", ping), ("true", ["true"])):
            took.setdefault(name, []).append(run(argv, env))
    return {name: median(values) for name, values in took.items()}


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "PG"))}
    with stage.daemon() as daemon:
        env["BERTH_SOCKET"] = str(daemon.socket)
        rounds = [times(env, number, sizes.onces) for number in sizes.gate]
        daemon.pg.sql("DELETE FROM berth.gate")
    return [
        of_rounds(what, against, "time", "ms", [(one[ours], one[theirs]) for one in rounds])
        for ours, what in (("done", "berth once, done already"), ("first", "berth once, first run"))
        for theirs, against in (("ping", "redis-cli PING"), ("true", "true"))
    ]
