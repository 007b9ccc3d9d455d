# SPDX-License-Identifier: MIT
"""Kills workers, their children and whole daemons at random moments, and then counts what is left.

    python -m chaos.kill9 --minutes 10 [--seed N]      (from tests/)

Two daemons share one PostgreSQL and one Redis. Workers acquire, write, and are killed with SIGKILL
in the middle of it; now and then a daemon is, and another takes its place. Each holder looks for
marks of others in its slot: one is enough to fail. At the end, with the grace over, nothing may be
left. The seed is printed; the order of events on the servers is, of course, not repeatable.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import threading
import time
from collections import Counter

from harness import eventually
from harness.daemon import Daemon, left
from harness.pg_server import PgServer
from harness.redis_server import RedisServer
from harness.resp import Client
from harness.worker import Worker

SETTINGS = {"runner_grace_ms": 1500, "heartbeat_ms": 200, "pool_schemas": 4, "pool_redis": 3}
PEOPLE = 6


class Person(threading.Thread):
    """Starts worker processes one after the other and kills each at a random moment of its life."""

    def __init__(self, chaos: Chaos, number: int, seed: int):
        super().__init__(daemon=True)
        self.chaos, self.number = chaos, number
        self.dice = random.Random(seed)

    def run(self) -> None:
        while not self.chaos.over.is_set():
            try:
                self.live()
            except Exception as e:  # noqa: BLE001 (a killed worker's pipe, a daemon that just died)
                self.chaos.count[f"person saw {type(e).__name__}"] += 1

    def live(self) -> None:
        daemon = self.dice.choice(self.chaos.daemons)
        with self.chaos.spawning:
            worker = Worker(daemon.socket)
        kill = threading.Timer(self.dice.uniform(0.05, 1.2), worker.process.kill)
        kill.start()
        try:
            self.work(worker)
        finally:
            kill.join()
            worker.close()
            self.chaos.count["workers killed"] += 1

    def work(self, worker: Worker) -> None:
        mark = f"{self.number}-{self.dice.random()}"
        kind = self.dice.choices(["schema", "database"], [9, 1])[0]
        level = self.dice.choices(["acl", "index", "private", "none"], [6, 2, 1, 1])[0]
        lease = worker.acquire(f"gw{self.number}", kind=kind, redis=level, wait=3000)
        if lease.state != "held":
            return
        self.chaos.count["leases"] += 1
        found = worker.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'mark'"
                           f" AND schemaname = '{lease.schema}'")  # fmt: skip
        self.chaos.must(found == [["0"]], f"{mark} finds a mark in {lease.schema}")
        worker.sql(f"CREATE TABLE mark AS SELECT '{mark}' AS who")
        if level != "none":
            fresh = worker.redis("SET", "mark", mark, "NX")
            self.chaos.must(fresh, f"{mark} finds a mark in Redis {lease.redis_db}")
        if self.dice.random() < 0.5:
            worker.psql("BEGIN; LOCK TABLE mark; INSERT INTO mark VALUES ('child');")
        if self.dice.random() < 0.3:
            worker.command("RELEASE", lease.lease)
            return
        while True:
            who = worker.sql("SELECT who FROM mark")
            self.chaos.must([mark] in who, f"{mark} reads {who}")
            if level != "none":
                self.chaos.must(
                    worker.redis("GET", "mark") == mark, f"{mark} reads another in Redis"
                )


class Chaos:
    def __init__(self, seed: int):
        self.seed = seed
        self.dice = random.Random(seed)
        self.count: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.over = threading.Event()
        self.spawning = threading.Lock()
        self.pg, self.redis = PgServer(), RedisServer()
        self.daemons = [self.new_daemon() for _ in range(2)]

    def new_daemon(self) -> Daemon:
        return Daemon(self.pg, self.redis, **SETTINGS).start()

    def must(self, true: object, otherwise: str) -> None:
        if not true:
            self.wrong.append(otherwise)

    def run(self, seconds: float) -> list[str]:
        """Everything that is wrong after so many seconds of it; empty is what one wants."""
        people = [Person(self, n, self.dice.getrandbits(32)) for n in range(PEOPLE)]
        for person in people:
            person.start()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.wrong:
            time.sleep(self.dice.uniform(0.5, 3))
            self.hurt()
        self.over.set()
        for person in people:
            person.join(60)
        self.settle()
        return self.wrong

    def hurt(self) -> None:
        """Kills a daemon now and then, and starts another in its place."""
        which = self.dice.randrange(len(self.daemons))
        self.must(
            self.daemons[which].running(),
            f"berthd ended by itself:\n{self.daemons[which].log.tail(20)}",
        )
        if self.dice.random() < 0.3:
            self.daemons[which].kill()
            self.count["daemons killed"] += 1
            self.daemons[which] = self.new_daemon()
        if self.dice.random() < 0.1:
            victims = self.pg.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
                " AND usename = 'berthd' ORDER BY random() LIMIT 1"
            )
            self.count["backends killed"] += len(victims)

    def settle(self) -> None:
        """With everybody gone, the grace over and the daemons ended, nothing may be there."""
        for daemon in self.daemons:
            try:
                eventually(lambda d=daemon: self.nobody(d), 30)
            except AssertionError:
                self.wrong.append(f"leases of the dead: {self.leases(daemon)}")
        dead = eventually(lambda: self.only_the_living() or None, 45) if not self.wrong else None
        self.must(dead or self.wrong, "what dead daemons left was not cleared")
        for daemon in self.daemons:
            self.wrong += daemon.finish()
        self.wrong += [f"left: {x}" for x in left(self.pg, self.redis, 5)]

    def only_the_living(self) -> bool:
        return len(self.pg.sql("SELECT 1 FROM berth.runner")) == len(self.daemons)

    def leases(self, daemon: Daemon) -> list:
        with Client(daemon.socket) as client:
            return client.leases()

    def nobody(self, daemon: Daemon) -> bool:
        return self.leases(daemon) == []

    def close(self) -> None:
        for daemon in self.daemons:
            if daemon.running():
                daemon.kill()
        self.pg.close()
        self.redis.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument(
        "--seed", type=int, default=int(os.environ.get("BERTH_TEST_SEED", random.getrandbits(32)))
    )
    asked = parser.parse_args()
    print("seed", asked.seed, flush=True)
    chaos = Chaos(asked.seed)
    try:
        wrong = chaos.run(asked.minutes * 60)
    finally:
        chaos.close()
    for what, how_often in sorted(chaos.count.items()):
        print(f"{how_often:8} {what}")
    print("\n".join(wrong) or "nothing is left")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
