# SPDX-License-Identifier: MIT
"""A runner without the rest of berthd: daemon/redis/ behind the lines that driver.c reads and writes."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import signal
import subprocess
import threading
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness import eventually, places, process
from harness.wait import SLOW

DRIVER = Path(
    os.environ.get(
        "REDIS_DRIVER", places.REPO / "build" / "tests" / "integration" / "redis_slots" / "redis_driver"
    )
)
WRAPPER = shlex.split(os.environ.get("BERTHD_WRAPPER", ""))


class Slot(dict):
    """What `claimed` said; `client()` is a tenant's."""

    __getattr__ = dict.__getitem__

    def client(self, **kw) -> redis.Redis:
        return redis.Redis.from_url(
            self.url, decode_responses=True, retry=Retry(NoBackoff(), 0), **kw
        )


class SlotRunner:
    """A driver process. Events are kept until somebody takes them."""

    def __init__(self, url: str, meta: int = 15, grace: int = 15000, heartbeat: int = 200, deadline: int = 5000, server="redis-server"):
        self.id = secrets.token_hex(3)
        self.dir = places.new_dir("runner")
        self.dir.chmod(0o711)
        self.log_path = self.dir.parent / f"{self.dir.name}.log"
        self.private = self.dir / "private"
        self.private.mkdir()
        self.private.chmod(0o711)
        argv = [*WRAPPER, DRIVER, url, self.id, meta, grace, heartbeat, deadline, self.private, server]
        with self.log_path.open("ab") as log:
            self.process = process.spawn(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, bufsize=1
            )
        self.killed = False
        self.events: list[dict] = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def _read(self) -> None:
        for line in self.process.stdout:
            with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()

    def log(self) -> str:
        return self.log_path.read_text()

    def say(self, *words) -> None:
        self.process.stdin.write(" ".join(words) + "\n")

    def take(self, event: str, tag: str | None = None, timeout: float = 10) -> dict:
        """The next such event, which is then gone."""

        def match():
            for e in self.events:
                if e["event"] == event and tag in (None, e.get("tag")):
                    return e
            return None

        with self.changed:
            found = self.changed.wait_for(match, timeout * SLOW)
            assert found, f"no {event} {tag or ''}; events: {self.events}; log: {self.log()[-6000:]}"
            self.events.remove(found)
            return found

    def has(self, event: str, tag: str | None = None) -> bool:
        with self.changed:
            return any(e["event"] == event and tag in (None, e.get("tag")) for e in self.events)

    def forget(self, event: str) -> None:
        with self.changed:
            self.events = [e for e in self.events if e["event"] != event]

    def up(self, timeout: float = 10) -> dict:
        return self.take("up", timeout=timeout)

    def claim(self, tag: str = "a", how: str = "claim") -> Slot:
        self.say(how, tag)
        return self.answer(tag)

    def answer(self, tag: str) -> Slot:
        """A claim's; a failure is an AssertionError with its message."""
        answered = lambda e: e["event"] in ("claimed", "failed") and e["tag"] == tag  # noqa: E731
        with self.changed:
            self.changed.wait_for(lambda: any(map(answered, self.events)), 20 * SLOW)
            found = next(filter(answered, self.events), None)
            assert found, f"no answer for {tag}; log: {self.log()[-6000:]}"
            self.events.remove(found)
        assert found["event"] == "claimed", found["message"]
        return Slot(found)

    def refused(self, tag: str = "a", how: str = "claim") -> dict:
        self.say(how, tag)
        return self.take("failed", tag, timeout=20)

    def end(self, tag: str = "a") -> None:
        """Returns before it is done; see ended()."""
        self.say("end", tag)

    def status(self) -> dict:
        self.say("status")
        return self.take("status")

    def ended(self, timeout: float = 10) -> None:
        eventually(lambda: self.status()["ending"] == 0, timeout)

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        self.killed = True
        self.process.kill()
        self.process.wait()

    def finish(self) -> int:
        """Quits in order; the exit status is 0, or not when it crashed or a sanitizer found something."""
        if self.process.poll() is None:
            self.resume()
            try:
                self.say("quit")
            except BrokenPipeError:
                pass
        self.process.stdin.close()
        status = self.process.wait(30 * SLOW)
        self.reader.join(10)
        self.process.stdout.close()
        return status
