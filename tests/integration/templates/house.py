# SPDX-License-Identifier: MIT
"""One berthd on servers of its own, the templates that were sealed in it, and the look at its slots."""

from __future__ import annotations

import itertools
import secrets

import psycopg

from harness.daemon import Daemon, left
from harness.pg_server import PgServer
from harness.redis_server import RedisServer
from harness.resp import Client, Map, ReplyError, as_map
from templates import everything
from templates.state import Observer, Slot, State, difference, dump

_runs = itertools.count()

WAIT = 30000


def is_builder(lease: Map) -> bool:
    return lease.state == "building" and lease.dsn is not None


def ask(client: Client, key: str, worker: str = "gw0", wait: int = WAIT, **options) -> Map:
    """A lease of template `key`; unless the test says otherwise, of a run of its own."""
    options.setdefault("run", f"run{next(_runs)}")
    return client.acquire(worker, template=key, wait=wait, **options)


def run_sql(dsn: str, *texts: str) -> None:
    """Each text is a transaction."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for text in texts:
            connection.execute(text)


def seal(client: Client, lease: Map) -> Map:
    """What SEAL says."""
    return as_map(client("TEMPLATE", "SEAL", lease.lease))


class House:
    """A daemon that several tests share; each takes a run of its own."""

    def __init__(self, pg: PgServer, redis_server: RedisServer | None, **settings):
        self.pg, self.redis = pg, redis_server
        self.daemon = Daemon(pg, redis_server, **settings).start()
        self.observer = Observer(pg)
        self.sealed: dict[str, str] = {}  # key → the schema that it was built in
        self.tag = secrets.token_hex(3)  # templates outlive daemons, and servers are shared

    def close(self) -> list[str]:
        """Ends it; what is not as it should be."""
        self.observer.close()
        wrong = self.daemon.finish() + self.daemon.files()
        return wrong + left(self.pg, self.redis, 10)

    # Templates.

    def key(self, name: str) -> str:
        """The key of a template of this daemon's tests."""
        return f"{name}:{self.tag}"

    def seal(self, client: Client, lease: Map) -> Map:
        """Seals; the builder's lease as it is afterwards."""
        self.sealed[lease.template] = lease.schema
        try:
            seal(client, lease)
        except ReplyError:
            client("TEMPLATE", "ABORT", lease.lease)  # or the next test would wait for this one
            raise
        return client.lease(lease.lease, WAIT)

    def lease(self, client: Client, name: str, *texts: str, **options) -> Map:
        """A held lease of a template, which is built with texts if nobody has; @schema@ is its name."""
        key = self.key(name)
        lease = ask(client, key, **options)
        if is_builder(lease):
            run_sql(lease.dsn, *(text.replace("@schema@", lease.schema) for text in texts))
            lease = self.seal(client, lease)
        assert lease.state == "held" and lease.template == key, lease
        return lease

    def everything(self, client: Client, **options) -> Map:
        """A held lease of the template that has everything."""
        lease = ask(client, self.key("everything"), **options)
        if is_builder(lease):
            everything.make(lease.dsn, lease.schema)
            lease = self.seal(client, lease)
        return lease

    # Looking.

    def slot(self, lease: Map) -> Slot:
        builder = self.sealed.get(lease.template or "")
        return Slot(self.pg, lease.schema, self.redis, lease.redis_db, builder)

    def state(self, lease: Map) -> State:
        return self.observer.state(self.slot(lease))

    def full_state(self, lease: Map) -> State:
        """With pg_dump's view besides."""
        return self.state(lease) | dump(self.slot(lease))


def same(before: State, after: State) -> None:
    """Asserts that two states are one."""
    different = difference(before, after)
    assert not different, f"{len(different)} differences:\n" + "\n".join(x[:2000] for x in different[:40])
