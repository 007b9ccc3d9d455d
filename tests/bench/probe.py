# SPDX-License-Identifier: MIT
"""probe.c and echo.c as Python sees them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import places, process
from harness.wait import eventually

# Compiled beside the berthd that is measured.
DIR = places.BERTHD.resolve().parent.parent / "tests" / "bench"

KINDS = ("ping", "acquire", "release")


@dataclass
class Result:
    """What one run of probe saw: durations in ns by kind, sizes in bytes, the whole time in ns."""

    ns: dict[str, list[int]]
    bytes: dict[str, list[int]]
    span_ns: int

    @property
    def pairs(self) -> list[int]:
        return [a + r for a, r in zip(self.ns["acquire"], self.ns["release"], strict=True)]

    @property
    def echo(self) -> str:
        """What probe must be told to have the same bytes echoed."""
        return ",".join(f"{k}:{q}:{r}" for k, (q, r) in self.bytes.items() if q)


def probe(
    socket: Path,
    plan: str,
    count: int,
    *,
    run: str = "bench",
    held: Callable[[], object] | None = None,
    detach: bool = False,
    **options,
) -> Result:
    """One plan of probe.c; held() is called while all leases of hold, turns and crowd are held.

    options: redis=, wait= (ms), seconds=, echo= (Result.echo).
    """
    argv = [DIR / "probe", "--run", run, *(["--detach"] if detach else [])]
    argv += [x for k, v in options.items() if v is not None for x in (f"--{k}", v)]
    child = process.spawn(
        [*argv, socket, plan, count],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        line = child.stdout.readline()
        if line.startswith("held"):
            if held:
                held()
            child.stdin.write("go on\n")
            child.stdin.flush()
            line = child.stdout.readline()
        error = child.stderr.read()
    if child.returncode:
        raise RuntimeError(f"probe {plan} {count}: exit status {child.returncode}: {error.strip()}")
    said = json.loads(line)
    return Result(
        {k: said[k]["ns"] for k in KINDS}, {k: said[k]["bytes"] for k in KINDS}, said["span_ns"]
    )


class Echo:
    """The bare echo on a socket of its own."""

    def __init__(self):
        self.socket = places.new_dir("e") / "e.sock"
        self.process = process.spawn([DIR / "echo", self.socket])
        eventually(self.socket.exists, 5, "the echo listens")

    def like(self, seen: Result, plan: str, count: int, **options) -> Result:
        """The same plan with the same bytes."""
        return probe(self.socket, plan, count, echo=seen.echo, **options)

    def close(self) -> None:
        process.stop(self.process)
