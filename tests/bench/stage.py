# SPDX-License-Identifier: MIT
"""What is measured on: a private PostgreSQL and Redis in memory, a real berthd, the bare echo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

from bench.probe import Echo
from harness.daemon import Daemon, left
from harness.pg_server import PgServer
from harness.redis_server import RedisServer
from harness.wait import eventually

# Above the largest crowd, with room for what watches.
MANY = {"max_connections_uid": 4096, "max_leases_uid": 4096}


class Stage:
    """Servers are started when first needed; `wrong` collects what daemons left behind."""

    def __init__(self):
        self.wrong: list[str] = []

    @cached_property
    def pg(self) -> PgServer:
        # Locks for eight schemas of 200 tables that are dropped at once, as the baselines do it.
        return PgServer(max_connections=200, max_locks_per_transaction=256)

    @cached_property
    def redis(self) -> RedisServer:
        return RedisServer(1024)

    @cached_property
    def echo(self) -> Echo:
        return Echo()

    @contextmanager
    def daemon(self, **settings) -> Iterator[Daemon]:
        """A berthd with a full pool; at its end nothing may be left in the servers."""
        daemon = Daemon(self.pg, self.redis, drain_ms=60000, **(MANY | settings)).start()
        try:
            wait_full(daemon)
            yield daemon
        finally:
            wrong = daemon.finish() + left(self.pg, self.redis, 10)
            if wrong:
                self.pg.scrub()
                self.redis.scrub()
            self.wrong += wrong

    def close(self) -> None:
        for name in ("echo", "redis", "pg"):
            if name in self.__dict__:
                self.__dict__[name].close()


def is_full(daemon: Daemon) -> bool:
    """Whether it has built and claimed all that it keeps ahead, and has nothing else to do."""
    with daemon.client() as client:
        now = {k: int(v) for k, v in client.info().items() if v.isdigit()}
    wanted = min(int(daemon.settings["pool_redis"]), now["redis_leasable"] // 8)
    busy = ("schema_building", "schema_dropping", "pg_queued_flows", "redis_ending", "held")
    return (
        now["schema_free"] >= int(daemon.settings["pool_schemas"])
        and now["redis_free"] >= wanted
        and not any(now[name] for name in busy)
    )


def wait_full(daemon: Daemon) -> None:
    eventually(lambda: is_full(daemon), 60, "the pool is full")
