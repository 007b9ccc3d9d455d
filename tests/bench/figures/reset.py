# SPDX-License-Identifier: MIT
"""RESET against what people do by hand to have a clean schema for the next test."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from statistics import median

import psycopg
from bench import application
from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_rounds
from harness.daemon import Daemon
from harness.resp import Client, Map
from psycopg import sql

TITLE = "RESET"
ABOUT = (
    "p50 of one RESET, asked over a connection that is open by a client in Python, in a lease of a template of so "
    "many tables (three of them with 20 seed rows), after a session of the role that stays open has "
    "written ten rows each into 0, 3 or all of them; N workers at the same time, each in a lease of its "
    "own. Against what psycopg does by hand on open sessions, in turns in the same run: TRUNCATE of "
    "all tables in one statement with RESTART IDENTITY (the seed rows are gone then); DELETE of "
    "exactly the tables that were written; DROP SCHEMA and the same DDL again as one query of many "
    "statements; DROP DATABASE and CREATE DATABASE from a template with STRATEGY file_copy (fsync is "
    "off). Each method is asked for by as many workers at once."
)

PASSWORD = "of-the-bench"


class Berth:
    """A lease and a session in it."""

    def __init__(self, socket, tables: int, worker: int):
        self.client = Client(socket, 300)
        self.lease = held(self.client, tables, worker)
        self.session = psycopg.connect(self.lease.dsn, autocommit=True)

    def clean(self, dirty: list[str]) -> None:
        self.client("RESET", self.lease.lease)

    def close(self) -> None:
        self.session.close()
        self.client.close()


def held(client: Client, tables: int, worker: int) -> Map:
    lease = client.acquire(f"w{worker}", run="reset", template=f"bench-{tables}", wait=120000)
    if lease.state == "building" and lease.dsn:
        with psycopg.connect(lease.dsn, autocommit=True) as session:
            session.execute(";".join(application.statements(tables)))
        client("TEMPLATE", "SEAL", lease.lease)
        lease = client.lease(lease.lease, 120000)
    return lease


class ByHand:
    """A role and its schema, made as berthd makes them, and a session in it."""

    def __init__(self, admin_dsn: str, tables: int, worker: int):
        self.name = f"hand_{worker}"
        self.tables = tables
        self.admin = psycopg.connect(admin_dsn, autocommit=True)
        self.admin.execute(f"CREATE SCHEMA {self.name}")
        self.session = self._session()
        self.fill(self.session)

    def _session(self) -> psycopg.Connection:
        session = psycopg.connect(self.admin.info.dsn, autocommit=True)
        session.execute(f"SET search_path = {self.name}")
        return session

    def fill(self, session: psycopg.Connection) -> None:
        session.execute(";".join(application.statements(self.tables)))

    def close(self) -> None:
        self.session.close()
        self.admin.execute("SET client_min_messages = warning")
        self.admin.execute(f"DROP SCHEMA IF EXISTS {self.name} CASCADE")
        self.admin.close()


class Truncate(ByHand):
    def clean(self, dirty: list[str]) -> None:
        names = ", ".join(application.names(self.tables))
        self.session.execute(f"TRUNCATE {names} RESTART IDENTITY")


class Delete(ByHand):
    def clean(self, dirty: list[str]) -> None:
        if dirty:
            self.session.execute(";".join(f"DELETE FROM {name} WHERE name LIKE 'row %'" for name in reversed(dirty)))


class Rebuild(ByHand):
    def clean(self, dirty: list[str]) -> None:
        self.session.execute(
            f"SET client_min_messages = warning; DROP SCHEMA {self.name} CASCADE; CREATE SCHEMA {self.name};"
            + ";".join(application.statements(self.tables))
        )


class Database(ByHand):
    """A database each; the first to come makes the template."""

    def _session(self) -> psycopg.Connection:
        self.template = f"hand_template_{self.tables}"
        self.admin.execute("SELECT pg_advisory_lock(4711)")
        found = self.admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (self.template,))
        if not found.fetchone():
            self.admin.execute(f"CREATE DATABASE {self.template}")
            dsn = psycopg.conninfo.make_conninfo(self.admin.info.dsn, dbname=self.template)
            with psycopg.connect(dsn, autocommit=True) as session:
                self._fill_template(session)
        self.admin.execute("SELECT pg_advisory_unlock(4711)")
        self.create()
        return self.connect()

    def _fill_template(self, session: psycopg.Connection) -> None:
        session.execute(";".join(application.statements(self.tables)))

    def fill(self, session: psycopg.Connection) -> None:
        pass

    def create(self) -> None:
        self.admin.execute(f"CREATE DATABASE {self.name} TEMPLATE {self.template} STRATEGY file_copy")

    def connect(self) -> psycopg.Connection:
        dsn = psycopg.conninfo.make_conninfo(self.admin.info.dsn, dbname=self.name)
        return psycopg.connect(dsn, autocommit=True)

    def clean(self, dirty: list[str]) -> None:
        """The session ends, for a database that is copied or dropped has none."""
        self.session.close()
        self.admin.execute(f"DROP DATABASE {self.name} WITH (FORCE)")
        self.create()
        self.session = self.connect()

    def close(self) -> None:
        self.session.close()
        self.admin.execute(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        super().close()


METHODS: dict[str, type[ByHand]] = {
    "TRUNCATE of all": Truncate,
    "DELETE of the dirty, by hand": Delete,
    "DROP SCHEMA, the DDL again": Rebuild,
    "DROP and CREATE DATABASE": Database,
}


def timed(one, dirty: list[str], seconds: float) -> list[float]:
    """Dirties and cleans for so long; the durations of the cleaning in ms."""
    took: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or not took:
        application.touch(one.session, dirty)
        began = time.monotonic_ns()
        one.clean(dirty)
        took.append((time.monotonic_ns() - began) / 1e6)
    return took


def work(make: Callable, args: tuple, dirties: list[list[str]], seconds: float, barrier, results) -> None:
    """The child: the durations for each of dirties, or what went wrong."""
    one, took = None, []
    try:
        one = make(*args)
        timed(one, dirties[-1], 0)  # the first one is no measure: caches are cold
        for dirty in dirties:
            barrier.wait()  # nobody begins or stops while another is measured
            took.append(timed(one, dirty, seconds))
        barrier.wait()
        results.put(took)
    except BaseException as e:
        results.put(e)
        barrier.abort()
        raise
    finally:
        if one:
            one.close()


def together(
    make: Callable, base: tuple, workers: int, dirties: list[list[str]], seconds: float
) -> list[float]:
    """p50 in ms over all workers, for each of dirties."""
    fork = get_context("fork")
    barrier, results = fork.Barrier(workers), fork.Queue()
    children = [
        fork.Process(target=work, args=(make, (*base, n), dirties, seconds, barrier, results), daemon=True)
        for n in range(workers)
    ]
    for child in children:
        child.start()
    seen = [results.get(timeout=300) for _ in children]
    for child in children:
        child.join()
    for one in seen:
        if isinstance(one, BaseException):
            raise RuntimeError(f"{make.__name__}: {type(one).__name__} {one}")
    return [median(ms for one in seen for ms in one[n]) for n in range(len(dirties))]


@contextmanager
def daemon_with(stage: Stage, tables: int) -> Iterator[Daemon]:
    """A daemon in which the template is sealed."""
    with stage.daemon(pool_schemas=1, pool_redis=1, redis_url=None) as daemon:
        with daemon.client() as client:
            lease = held(client, tables, 99)
            client("RELEASE", lease.lease)
        yield daemon


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    rounds: dict[tuple, list] = {}
    admin = stage.pg.dsn("postgres")
    for tables in sizes.reset_tables:
        counts = (0, 3, tables)
        dirties = [application.dirty_some(tables, count) for count in counts]
        with daemon_with(stage, tables) as daemon:
            for _ in sizes.reset:
                for workers in sizes.clients:
                    ours = together(Berth, (daemon.socket, tables), workers, dirties, sizes.reset_s)
                    for name, method in METHODS.items():
                        theirs = together(method, (admin, tables), workers, dirties, sizes.reset_s)
                        for count, our, their in zip(counts, ours, theirs, strict=True):
                            key = (f"{count} of {tables} dirty, {workers_of(workers)}", name)
                            rounds.setdefault(key, []).append((our, their))
        drop_templates(stage)
    return [
        of_rounds(what, against, "p50", "ms", seen)
        for (what, against), seen in sorted(rounds.items(), key=lambda row: order(row[0][0]))
        if not (what.startswith("0 ") and against.startswith("DELETE"))  # there is none to measure
    ]


def order(what: str) -> tuple[int, int, int]:
    """By tables, dirty ones, workers."""
    count, _, tables, _, workers, _ = what.split()
    return int(tables), int(count), int(workers)


def workers_of(count: int) -> str:
    return f"{count} worker{'s' if count > 1 else ''}"


def drop_templates(stage: Stage) -> None:
    for (name,) in stage.pg.sql("SELECT datname FROM pg_database WHERE datname LIKE 'hand\\_%'"):
        with stage.pg.connect() as admin:
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
