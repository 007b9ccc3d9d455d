# SPDX-License-Identifier: MIT
"""A worker of the chaos test: takes leases, writes its name into them, and looks for other names.

It may be killed or frozen at any moment, and so may everything that it talks to. What that does to a
lease is no failure, as long as the daemon says so: LOST. A failure is another's name in what is said
to be ours, and our own name missing from a schema that still is.
"""

from __future__ import annotations

import contextlib
import random
import time
from multiprocessing.connection import Connection

import berth
import psycopg
import redis

#: Seconds: a lease, a daemon that is away, a server that is away, a detached lease.
WAIT, REATTACH, AWAY, TTL = 20.0, 15.0, 30.0, 3.0
STEPS = 30
NAMES = 4
TEMPLATES = 3
#: Redis "index" has no fence of its own: who was frozen in front of a write makes it in what is
#: another's by then. All other levels must withstand that.
REDIS = {"acl": 7, "none": 2, "private": 1}
ROWS_OF_A_TEMPLATE = [("seed", n) for n in range(3)]


class Lost(Exception):
    """The lease is not ours any more, and the daemon says so."""


class Wrong(Exception):
    """What must never be."""


class Holder:
    """One lease from its grant to its end."""

    def __init__(self, client: berth.Client, lease: berth.Lease, me: str):
        self.client, self.lease, self.me = client, lease, me
        self.pg: psycopg.Connection | None = None
        self.kv: redis.Redis | None = None
        self.looks = self.redis_looks = 0

    def close(self) -> None:
        for one in (self.pg, self.kv):
            if one is not None:
                with contextlib.suppress(psycopg.Error, redis.RedisError):
                    one.close()
        self.pg = self.kv = None

    def still_held(self) -> None:
        try:
            now = self.client.get(self.lease)
        except (berth.NoLeaseError, berth.UnreachableError) as e:
            raise Lost(str(e)) from None
        if not isinstance(now, berth.Lease) or now.fence != self.lease.fence:
            raise Lost(f"the lease is {now.state} now")

    # -- the schema

    def sql(self, text: str, *params) -> list[tuple]:
        """Carried out, at least once, on a server that may be away for a while."""
        until = time.monotonic() + AWAY
        while True:
            try:
                if self.pg is None:
                    self.pg = psycopg.connect(self.lease.dsn, autocommit=True, connect_timeout=10)
                cursor = self.pg.execute(text, params or None)
                return cursor.fetchall() if cursor.description else []
            except psycopg.errors.UndefinedTable:
                raise
            except psycopg.Error as e:
                self.close()
                self.still_held()
                if time.monotonic() > until:
                    raise Wrong(f"held, and PostgreSQL refuses it for {AWAY:g} s: {e}") from None
                time.sleep(0.1)

    def tables(self) -> set[str]:
        found = self.sql(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = %s::regnamespace",
            self.lease.schema,
        )
        return {name for (name,) in found}

    def names_in_schema(self) -> list[str]:
        """A table that is not there is ours to miss only while the lease is held."""
        for last in (False, True):
            try:
                return [who for (who,) in self.sql("SELECT who FROM mark")]
            except psycopg.errors.UndefinedTable:
                self.still_held()
                if last:
                    raise Wrong(
                        f"{self.me} is gone from {self.lease.schema}, which is held"
                    ) from None
        raise AssertionError

    # -- the Redis database

    def redis(self, *words):
        """Its answer; None when Redis or the database is away: then the daemon will say so."""
        if self.lease.redis_url is None:
            return None
        try:
            if self.kv is None:
                self.kv = redis.Redis.from_url(
                    self.lease.redis_url, decode_responses=True, socket_timeout=20
                )
            return self.kv.execute_command(*words)
        except redis.RedisError:
            self.kv = None
            return None

    # -- what is done and looked at

    def begin(self) -> None:
        """What is new has what its template has, and nobody's name."""
        wanted = {"seed"} if self.lease.template else set()
        if (found := self.tables()) != wanted:
            raise Wrong(f"{self.lease.schema} is new and has {found}, not {wanted}")
        if wanted and (rows := self.sql("SELECT * FROM seed ORDER BY n")) != ROWS_OF_A_TEMPLATE:
            raise Wrong(f"{self.lease.schema} is new and its template's rows are {rows}")
        self.sql("CREATE TABLE IF NOT EXISTS mark (who text)")
        if names := set(self.names_in_schema()) - {self.me}:
            raise Wrong(f"{self.me} finds {names} in {self.lease.schema}, which is new")
        self.sql("INSERT INTO mark VALUES (%s)", self.me)
        keys = self.redis("DBSIZE")
        who = self.redis("SET", "mark", self.me, "NX", "GET")
        if keys or who not in (None, self.me):
            raise Wrong(f"{self.me} finds {keys} keys in Redis {self.lease.redis_db}, of {who}")

    def look(self) -> None:
        if strange := set(self.names_in_schema()) - {self.me}:
            raise Wrong(f"{self.me} finds {strange} in {self.lease.schema}")
        who = self.redis("GET", "mark")
        self.looks += 1
        self.redis_looks += who is not None
        if who not in (None, self.me):
            raise Wrong(f"{self.me} finds {who} in Redis {self.lease.redis_db}")

    def write(self) -> None:
        self.sql("INSERT INTO mark VALUES (%s)", self.me)
        self.redis("SET", "mark", self.me)

    def leave_open(self) -> None:
        """A transaction with locks, as somebody who is killed leaves it."""
        self.sql("BEGIN")
        self.sql("LOCK TABLE mark")

    def reset(self) -> None:
        self.close()
        until = time.monotonic() + AWAY
        while True:
            try:
                self.client.reset(self.lease, force=True)
                return self.begin()
            except (berth.UnavailableError, berth.BusyError) as e:
                if time.monotonic() > until:
                    raise Wrong(f"no reset within {AWAY:g} s: {e}") from None
                time.sleep(0.1)


class Worker:
    """One after the other, until it is killed or `reports` breaks."""

    def __init__(self, sockets: list[str], name: str, seed: int, reports: Connection):
        self.sockets, self.name, self.reports = sockets, name, reports
        self.dice = random.Random(seed)

    def say(self, what: str, detail: str | int = 1) -> None:
        """How often something has happened, or what was said."""
        self.reports.send((what, detail))

    def run(self) -> None:
        life = 0
        while True:
            life += 1
            try:
                self.live(f"{self.name}.{life}")
            except Lost:
                self.say("leases lost")
            except Wrong as e:
                self.say("wrong", str(e))
            except berth.BerthError as e:
                self.say("refused", f"{e.code} {e}")
                time.sleep(0.2)
            except psycopg.Error as e:  # in front of a builder
                self.say("refused", f"builder: {type(e).__name__} {e}")

    def live(self, me: str) -> None:
        socket = self.dice.choice(self.sockets)
        with berth.connect(socket, timeout=30, reattach=REATTACH) as client:
            lease = self.acquire(client, me)
            self.say("leases granted")
            holder = Holder(client, lease, me)
            try:
                self.hold(holder)
            except (berth.NoLeaseError, berth.StaleError) as e:
                raise Lost(str(e)) from None
            finally:
                holder.close()
                self.say("looks into schemas", holder.looks)
                self.say("looks into Redis", holder.redis_looks)

    def acquire(self, client: berth.Client, me: str) -> berth.Lease:
        dice = self.dice
        how = dice.choices(["any", "template", "database", "named", "detached"], [6, 4, 1, 2, 2])[0]
        options: dict = {"redis": dice.choices([*REDIS], [*REDIS.values()])[0]}
        if how == "template":
            kind = dice.choices(["schema", "database"], [9, 1])[0]
            key = f"chaos-{kind}-{dice.randrange(TEMPLATES)}"
            options |= {"template": key, "kind": kind, "build": build}
        elif how == "database":
            options |= {"kind": "database"}
        elif how == "named":
            options |= {"name": f"test_chaos_{dice.randrange(NAMES)}"}
        elif how == "detached":
            options |= {"detach": True, "ttl": TTL}
        lease = client.acquire(me.rpartition(".")[2], run=self.name, wait=WAIT, **options)
        return client.attach(lease) if how == "detached" else lease

    def hold(self, holder: Holder) -> None:
        dice = self.dice
        holder.begin()
        for _ in range(dice.randrange(STEPS)):
            deed = dice.choices([holder.look, holder.write, holder.reset, None], [8, 4, 1, 1])[0]
            if deed:
                deed()
            time.sleep(dice.uniform(0, 0.1))
        holder.look()
        if dice.random() < 0.3:
            holder.leave_open()
        if dice.random() < 0.1:
            holder.client.release(holder.lease, keep=1.0)
        elif dice.random() < 0.8:
            holder.client.release(holder.lease)
        # else: the connection's end is the lease's


def build(lease: berth.Lease) -> None:
    with psycopg.connect(lease.dsn, connect_timeout=10) as pg:
        pg.execute("CREATE TABLE seed (who text, n int PRIMARY KEY)")
        pg.cursor().executemany("INSERT INTO seed VALUES (%s, %s)", ROWS_OF_A_TEMPLATE)


def main(sockets: list[str], name: str, seed: int, reports: Connection) -> None:
    with contextlib.suppress(BrokenPipeError):  # nobody listens any more
        Worker(sockets, name, seed, reports).run()
