# SPDX-License-Identifier: MIT
"""A test worker as a process of its own: told what to do through a pipe, and killed like one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress

from harness import places, process
from harness.resp import Map
from harness.wait import SLOW


class WorkerFailed(Exception):
    """What the worker was told to do raised; the text is "Type: message"."""


class Worker:
    def __init__(self, socket):
        self.children: list[int] = []  # processes that outlive it, as psql does
        self.process = process.spawn(
            [sys.executable, "-m", "harness.worker_main", socket],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(places.TESTS)},
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def tell(self, what: str, *args, **kw) -> None:
        """Says what to do; hear() gives the outcome."""
        self.process.stdin.write(json.dumps([what, args, kw]) + "\n")
        self.process.stdin.flush()

    def hear(self):
        line = self.process.stdout.readline()
        if not line:
            raise WorkerFailed(f"the worker ended with {self.process.wait(10 * SLOW)}")
        ok, value = json.loads(line)
        if not ok:
            raise WorkerFailed(value)
        return value

    def do(self, what: str, *args, **kw):
        self.tell(what, *args, **kw)
        return self.hear()

    def acquire(self, worker: str = "gw0", **options) -> Map:
        return Map(self.do("acquire", worker, **options))

    def command(self, *words):
        return self.do("command", *words)

    def sql(self, text: str):
        """Runs text in the worker's one session of its slot (autocommit; BEGIN works)."""
        return self.do("sql", text)

    def redis(self, *words):
        return self.do("redis", *words)

    def child(self, *argv: str, stdin: str = "") -> int:
        """A child with the lease's environment, which stays when the worker is gone; its pid."""
        pid = self.do("child", list(argv), stdin)
        self.children.append(pid)
        return pid

    def psql(self, text: str) -> int:
        """psql runs text and stays connected."""
        return self.child("psql", "-qAt", stdin=text)

    def kill(self, sig: int = signal.SIGKILL) -> None:
        self.process.send_signal(sig)
        self.process.wait()

    def close(self) -> None:
        """Ends the worker and everything it left."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.stdout.close()
        for pid in self.children:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
