# SPDX-License-Identifier: MIT
"""The process behind Racers: forks a child for each call, lets all begin at once."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback

import contestants

SECONDS = 60  # then a child that still waits for something is ended, and that is its error


def child(number: int, what: str, args: list, ready: int, go: int, result: int) -> None:
    def start() -> None:
        os.write(ready, b".")
        os.read(go, 1)  # the end of the pipe, for everybody at once

    signal.alarm(SECONDS)
    try:
        getattr(contestants, what)(start, number, *args)
    except BaseException as e:
        os.write(result, describe(e).encode())
    os._exit(0)


def describe(e: BaseException) -> str:
    """One line that says enough; SystemExit comes from programs that print why."""
    if isinstance(e, SystemExit) or not str(e):
        return f"{type(e).__name__}: {e.args}"
    if os.environ.get("RACERS_TRACE"):
        traceback.print_exc()
    return " ".join(f"{type(e).__name__}: {e}".split())[:600]


def run(calls: list[list]) -> list[str | None]:
    ready, says_ready = os.pipe()
    go, says_go = os.pipe()
    children = []
    for number, (what, *args) in enumerate(calls):
        outcome, result = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(says_go)
            child(number, what, args, says_ready, go, result)
        os.close(result)
        children.append((pid, outcome))
    os.close(says_ready)
    os.close(go)
    waiting = len(children)
    while waiting and (came := os.read(ready, waiting)):
        waiting -= len(came)
    os.close(says_go)
    os.close(ready)
    return [collect(*one) for one in children]


def collect(pid: int, outcome: int) -> str | None:
    with os.fdopen(outcome) as f:
        said = f.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return said or (f"ended with {status}" if status else None)


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
