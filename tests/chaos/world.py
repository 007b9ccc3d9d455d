# SPDX-License-Identifier: MIT
"""One PostgreSQL, one Redis, three runners on them, and what each of them can be made to suffer."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psycopg

from harness import eventually, places, process
from harness.daemon import Daemon
from harness.pg_server import PgServer
from harness.redis_server import RedisServer
from harness.resp import ReplyError

RUNNERS = 3
GRACE = 2.0
SETTINGS = {
    "runner_grace_ms": int(GRACE * 1000),
    "heartbeat_ms": 250,
    "pool_schemas": 3,
    "pool_redis": 2,
    "reattach_ms": 4000,
    "drain_ms": 20000,
}
FENCED = 75


class World:
    """Owns the servers and the runners; `count` is what was done to them, `wrong` what must not be."""

    def __init__(self, dice: random.Random):
        self.dice = dice
        self.count: Counter[str] = Counter()
        self.wrong: list[str] = []
        # What was committed outlives a crash of the server, as on servers that count.
        self.pg = PgServer(synchronous_commit="on")
        self.redis = RedisServer()
        self.runners = [Daemon(self.pg, self.redis, **SETTINGS).start() for _ in range(RUNNERS)]
        self.wake: list[tuple[float, str, object]] = []
        """What is frozen, and until when."""

    # -- what can happen

    def hurt(self) -> None:
        """One misfortune: a kill, or being frozen for a moment or for longer than the grace."""
        what = self.dice.choices(
            [self.kill_runner, self.freeze_runner, self.hurt_postgres, self.hurt_redis],
            [4, 4, 2, 1],
        )[0]
        what()

    def kill_runner(self) -> None:
        one = self.dice.choice(self.runners)
        self.thaw(one)
        if one.running():  # else tend() says what that means
            one.kill()
            self.count["runners killed"] += 1
            self.start(one)

    def freeze_runner(self) -> None:
        one = self.dice.choice(self.runners)
        if one.running() and not self.frozen(one):
            one.pause()
            long = self.dice.random() < 0.4
            self.freeze(one, self.dice.uniform(GRACE, 2 * GRACE) if long else self.short())
            self.count["runners frozen"] += 1
            if long and self.dice.random() < 0.5:  # its lock is all that it has to show for itself
                self.cut(one)

    def cut(self, one: Daemon) -> None:
        """Ends all that the runner has open at the server, as when the network between them goes."""
        try:
            cut = self.pg.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE"
                " (SELECT 'berthd ' || id || '%%' FROM berth.runner WHERE pid = %s)",
                one.pid,
            )
            self.count["runners cut off"] += bool(cut)
        except psycopg.Error:
            pass  # PostgreSQL is frozen or away

    def hurt_postgres(self) -> None:
        if self.frozen(self.pg):
            return
        how = self.dice.choices(["freeze", "backend", "crash", "kill", "restart"], [4, 4, 2, 1, 1])[
            0
        ]
        if how == "freeze":
            self.pg.pause()
            self.freeze(self.pg, self.short())
            self.count["PostgreSQL frozen"] += 1
        elif how in ("backend", "crash"):
            self.end_backend(signal.SIGKILL if how == "crash" else signal.SIGTERM)
        else:
            self.restart_postgres(signal.SIGKILL if how == "kill" else signal.SIGINT)

    def end_backend(self, sig: int) -> None:
        """Any; with SIGKILL the postmaster ends all the others, too, and recovers."""
        backends = process.children(self.pg.process.pid)
        ours = [pid for pid in backends if " berthd " in process.cmdline(pid)]
        if ours:
            os.kill(self.dice.choice(ours), sig)
            killed = sig == signal.SIGKILL
            self.count["PostgreSQL crashed" if killed else "connections of runners ended"] += 1

    def restart_postgres(self, sig: int) -> None:
        backends = process.children(self.pg.process.pid)
        self.pg.stop(sig)
        eventually(lambda: not [p for p in backends if process.alive(p)], 30, "backends end")
        time.sleep(self.dice.uniform(0, 1))
        try:
            self.pg.start()
        except AssertionError:  # it recovers, and all that wait for it want the same two cores
            eventually(lambda: asked(lambda: self.pg.one("SELECT 1")), 120, "PostgreSQL is back")
        self.count["PostgreSQL killed" if sig == signal.SIGKILL else "PostgreSQL restarted"] += 1

    def hurt_redis(self) -> None:
        if self.frozen(self.redis):
            return
        if self.dice.random() < 0.6:
            self.redis.pause()
            self.freeze(self.redis, self.short())
            self.count["Redis frozen"] += 1
        else:
            self.redis.restart(signal.SIGKILL)
            self.count["Redis killed"] += 1

    # -- being frozen

    def short(self) -> float:
        return self.dice.uniform(0.05, 1)

    def frozen(self, one: object) -> bool:
        return any(thing is one for _, _, thing in self.wake)

    def freeze(self, one, seconds: float) -> None:
        self.wake.append((time.monotonic() + seconds, "", one))

    def thaw(self, one=None) -> None:
        """This one, or all whose time has come."""
        now = time.monotonic()
        due = [x for x in self.wake if (x[2] is one if one is not None else x[0] <= now)]
        for entry in due:
            self.wake.remove(entry)
            entry[2].resume()

    def thaw_all(self) -> None:
        for _, _, one in list(self.wake):
            self.thaw(one)

    # -- the runners

    def start(self, one: Daemon) -> None:
        one.expected_exit = 0
        one.spawn()

    def tend(self) -> None:
        """A runner that was declared dead has left by itself, and is started again; no other may end."""
        for one in self.runners:
            if one.running():
                continue
            if one.process.returncode != FENCED:
                self.wrong.append(
                    f"berthd ended with {one.process.returncode}:\n{one.log.tail(30)}"
                )
            self.count["runners fenced"] += 1
            self.start(one)

    # -- the end

    def settle(self) -> None:
        """With everybody gone, the grace over and the runners ended, nothing may be there."""
        self.thaw_all()
        try:
            for one in self.runners:
                eventually(lambda one=one: self.ready(one), 60, "a lease can be had")
            for what in (self.nobody, self.only_the_living, self.drop_templates, self.no_orphans):
                eventually(lambda what=what: asked(what), 60, what.__name__.replace("_", " "))
        except (AssertionError, RuntimeError) as e:
            self.wrong.append(f"leftover: {e}: {e.__cause__ or ''}")
        for one in self.runners:
            self.wrong += one.finish()
        self.wrong += [f"leftover: {x}" for x in self.left()]

    def logs(self, lines: int = 25) -> str:
        """What each runner has complained of last."""
        said = []
        for one in self.runners:
            bad = [
                x
                for x in one.log.text().splitlines()
                if " level=warn " in x or " level=error " in x
            ]
            said += [f"-- {one.socket}", *bad[-lines:]]
        return "\n".join(said)

    def ready(self, one: Daemon) -> bool:
        """Not yet: it hears only now that it was declared dead, or has just lost a Redis database."""
        self.tend()
        return asked(one.ready)

    def nobody(self) -> bool:
        rows = [row for one in self.runners for row in one.client().leases()]
        assert rows == [], rows
        return True

    def only_the_living(self) -> bool:
        mine = [one.client().info()["runner"] for one in self.runners]
        strange = [x for x in self.pg.registry() + self.pg.made() + self.redis.left()
                   if not any(runner in x for runner in mine)]  # fmt: skip
        assert not strange, strange
        return True

    def drop_templates(self) -> bool:
        client = self.runners[0].client()
        for (key,) in self.pg.sql(
            "SELECT DISTINCT key FROM berth.template WHERE state <> 'dropping'"
        ):
            client("TEMPLATE", "DROP", key)
        left = self.pg.sql("SELECT key, kind, state FROM berth.template")
        assert not left, left
        return True

    def no_orphans(self) -> bool:
        found = self.runners[0].client()("ORPHANS")
        assert found == [], found
        return True

    def left(self) -> list[str]:
        from harness.daemon import left

        return left(self.pg, self.redis, 10) + self.processes()

    def processes(self) -> list[str]:
        """Of all that were started here, by the directory in their command line."""
        own = {os.getpid(), self.pg.process.pid, self.redis.process.pid}
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            pid = int(path.name)
            line = process.cmdline(pid)
            if str(places.root()) in line and pid not in own and "shutil" not in line:
                found.append(f"process {pid}: {line}")
        return found

    def close(self) -> None:
        self.thaw_all()
        for one in self.runners:
            if one.running():
                one.kill()
        self.pg.close()
        self.redis.close()


def asked(what: Callable[[], object]) -> bool:
    """What it says; whoever is just going or coming says nothing yet."""
    try:
        return bool(what())
    except (ReplyError, EOFError, OSError, psycopg.OperationalError) as e:
        raise AssertionError(f"{type(e).__name__}: {e}") from None
