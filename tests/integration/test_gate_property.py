# SPDX-License-Identifier: MIT
"""Random days of the gate: backends die, daemons are killed and restarted; never are two inside."""

import os
import random
import threading
import time

import pytest

from harness import eventually
from harness.resp import Client, ReplyError, as_map
from harness.wait import LONG

QUICK = {"runner_grace_ms": 1500, "heartbeat_ms": 200, "pool_schemas": 0, "redis_default": "none"}
SECONDS = 60 if LONG else 5
PEOPLE = 6

KILL = (
    "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity"
    " WHERE usename = 'berthd' AND application_name LIKE 'berthd % worker %'"
    " ORDER BY random() LIMIT 2) victims"
)


class World:
    """Two daemons, and who is inside."""

    def __init__(self, make_daemon, dice):
        self.make_daemon, self.dice = make_daemon, dice
        self.daemons = [make_daemon(redis=None, **QUICK).ready() for _ in range(2)]
        self.over = threading.Event()
        self.door = threading.Lock()
        self.wrong: list[str] = []
        self.ends: list[str] = []

    def be_inside(self, name: str, seconds: float) -> None:
        """Shorter than any grace, so that nobody may come in even when our daemon dies meanwhile."""
        if not self.door.acquire(blocking=False):
            self.wrong.append(f"{name} came in while somebody was inside")
            return
        time.sleep(seconds)
        self.door.release()

    def hurt(self, pg) -> None:
        number, deed = self.dice.randrange(2), self.dice.random()
        if deed < 0.7:
            pg.sql(KILL)
            return
        daemon = self.daemons[number]
        daemon.kill() if deed < 0.85 else daemon.stop()
        self.daemons[number] = self.make_daemon(redis=None, **QUICK).start_seen()


class Person(threading.Thread):
    """Enters again and again, and leaves in one way or another."""

    def __init__(self, world: World, number: int):
        super().__init__(daemon=True)
        self.world, self.number = world, number
        self.dice = random.Random(world.dice.getrandbits(32))

    def run(self):
        while not self.world.over.is_set():
            try:
                with Client(self.world.daemons[self.number % 2].socket, 20) as client:
                    self.enter(client)
            except (ReplyError, OSError, EOFError):
                time.sleep(0.01)  # a daemon that was killed, a server that is away

    def enter(self, client):
        answer = as_map(client("ONCE", "ENTER", "key", "RETRY", "WAIT", 1000))
        if answer.state == "done":
            client("ONCE", "FORGET", "key")
        if answer.state != "run":
            return
        self.world.be_inside(f"{self.number} with {answer.fence}", self.dice.uniform(0, 0.02))
        how = self.dice.choice(["DONE", "FAIL", "close"])
        self.world.ends.append(how)
        if how != "close":
            client("ONCE", how, "key", answer.fence, *(["why"] if how == "FAIL" else []))


@pytest.mark.timeout(300)
def test_never_are_two_inside_and_it_goes_on_afterwards(make_daemon, pg):
    seed = int(os.environ.get("BERTH_TEST_SEED", random.getrandbits(32)))
    print(f"BERTH_TEST_SEED={seed}")
    world = World(make_daemon, random.Random(seed))
    people = [Person(world, number) for number in range(PEOPLE)]
    for person in people:
        person.start()
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and not world.wrong:
        time.sleep(world.dice.uniform(0.05, 0.5))
        world.hurt(pg)
    world.over.set()
    for person in people:
        person.join(60)

    assert world.wrong == []
    assert {"DONE", "FAIL", "close"} <= set(world.ends), world.ends
    for daemon in world.daemons:
        with Client(daemon.socket, 30) as client:
            eventually(lambda c=client: comes_in(c), 20)
    eventually(lambda: pg.one("SELECT count(*) FROM berth.runner") == 2, 20)
    pg.sql("DELETE FROM berth.gate")


def comes_in(client) -> bool:
    try:
        answer = as_map(client("ONCE", "ENTER", "key", "RETRY", "WAIT", 1000))
        if answer.state == "run":
            client("ONCE", "DONE", "key", answer.fence)
        return answer.state == "run" or not client("ONCE", "FORGET", "key")
    except ReplyError:
        return False
