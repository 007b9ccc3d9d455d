# SPDX-License-Identifier: MIT
"""pytest-postgresql's fixtures: a process is a lease, and its database is fresh in each test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from pytest_berth.compat.asking import asks_for, asynchronous, option
from pytest_berth.compat.loading import Load, load_all
from pytest_berth.plugin import holder_of

if TYPE_CHECKING:
    import psycopg

    from pytest_berth.holder import Holder


class Database:
    """A lease, what it is loaded with, and how it becomes fresh again."""

    def __init__(self, holder: Holder, name: str, loads: Iterable[Load], autocommit: bool) -> None:
        self._holder = holder
        self._loads = list(loads)
        self._autocommit = autocommit
        self.lease = holder.further(name)
        self._untouched = True
        self._load()
        if self._loads and self.lease.kind == "schema":
            holder.client.baseline(self.lease)

    def address(self, options: str = "") -> dict[str, Any]:
        """What leads into it, with libpq's `options` beside its own."""
        return {
            "host": self.lease.host,
            "port": self.lease.port,
            "user": self.lease.user,
            "dbname": self.lease.dbname,
            "password": self.lease.password,
            "options": " ".join(text for text in (options, self.lease.options) if text),
        }

    def _load(self) -> None:
        load_all(self._loads, self.address(), self._autocommit)

    def freshen(self) -> None:
        """As loaded; sessions that a test has left in a transaction are ended."""
        if not self._untouched:
            self._holder.tally.count_resets([self._holder.client.reset(self.lease, force=True)])
            if self.lease.kind == "database":
                self._load()  # only a schema has a baseline
        self._untouched = False


class Server:
    """What a process fixture is: where to connect to, by the names that tests use."""

    #: Those of this session, for DatabaseJanitor, by role.
    of_user: dict[str, Server] = {}

    def __init__(self, holder: Holder, name: str, loads: Iterable[Load], more: Any) -> None:
        self._holder = holder
        self._name = name
        self._loads = list(loads)
        self._autocommit = bool(more.get("load_autocommit"))
        self.options_given: str = more.get("options") or ""
        self.database = Database(holder, name, self._loads, self._autocommit)
        self._others: dict[str, Database] = {}
        self.of_user[self.user] = self

    @property
    def host(self) -> str:
        """A name, an address, or the directory of a Unix socket."""
        return str(self.database.lease.host)

    @property
    def port(self) -> int:
        return int(self.database.lease.port or 5432)

    @property
    def user(self) -> str:
        return str(self.database.lease.user)

    @property
    def password(self) -> str:
        return str(self.database.lease.password)

    @property
    def options(self) -> str:
        return str(self.database.address(self.options_given)["options"])

    @property
    def dbname(self) -> str:
        return str(self.database.lease.dbname)

    @property
    def template_dbname(self) -> str:
        """There is none to look at: what was loaded is the lease's baseline."""
        return self.dbname

    @property
    def maintenance_dbname(self) -> str:
        return self.dbname

    @property
    def unixsocketdir(self) -> str:
        return self.host if self.host.startswith("/") else ""

    @property
    def version(self) -> Any:
        """As packaging.version has it: 15.10."""
        from packaging.version import parse

        with self.connect(self.database) as connection:
            number = connection.info.server_version
        return parse(f"{number // 10000}.{number % 10000}")

    def running(self) -> bool:
        return True

    def connect(self, database: Database) -> psycopg.Connection[Any]:
        import psycopg

        return psycopg.connect(**database.address(self.options_given))

    def named(self, dbname: str | None) -> Database:
        """A second name is a second database, loaded alike."""
        if dbname is None or dbname == self.dbname:
            return self.database
        if dbname not in self._others:
            name = f"{self._name}-{dbname}"
            self._others[dbname] = Database(self._holder, name, self._loads, self._autocommit)
        return self._others[dbname]


class DatabaseJanitor:
    """Theirs creates and drops a database; here the one that there is becomes fresh."""

    def __init__(self, *given: Any, **named: Any) -> None:
        # Until 6.0 user, host, port, dbname, version, … could be positional.
        values = {**dict(zip(("user", "host", "port", "dbname", "version"), given)), **named}
        self.user = str(values["user"])
        self.host = values.get("host")
        self.port = values.get("port")
        self.dbname = str(values.get("dbname") or values.get("template_dbname"))
        self.password = values.get("password")
        self.version = values.get("version")

    @property
    def server(self) -> Server:
        """The process fixture that is meant; whoever means another server is told."""
        server = Server.of_user.get(self.user)
        if server is None or self.dbname != server.dbname:
            raise pytest.UsageError(
                f"berth: DatabaseJanitor cannot create the database {self.dbname!r} for the user "
                f"{self.user!r}: a lease has one database. Take user and dbname from the process "
                "fixture"
            )
        return server

    def init(self) -> None:
        self.server.database.freshen()

    def drop(self) -> None:
        """The next one that comes makes it fresh."""

    def load(self, load: Load) -> None:
        load_all([load], self.server.database.address(), False)

    @contextlib.contextmanager
    def cursor(self, dbname: str | None = None) -> Iterator[psycopg.Cursor[Any]]:
        with self.server.connect(self.server.database) as connection:
            connection.autocommit = True
            yield connection.cursor()

    def __enter__(self) -> DatabaseJanitor:
        self.init()
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


def postgresql_proc(*_: object, load: Iterable[Load] | None = None, **more: Any) -> Any:
    """A process fixture: a lease with what `load` names; other arguments are a server's own."""

    @pytest.fixture(scope="session")
    def server(request: pytest.FixtureRequest) -> Iterator[Server]:
        """Where this worker's database is: .host .port .user .password .dbname .options"""
        yield _server(request, load, more)

    return server


def postgresql_noproc(
    *_: object,
    load: Iterable[Load] | None = None,
    depends_on: str | None = None,
    **more: Any,
) -> Any:
    """The same; with `depends_on`, what that process fixture loads comes first."""
    if depends_on is None:
        return postgresql_proc(load=load, **more)

    def server(request: pytest.FixtureRequest, base: Server) -> Iterator[Server]:
        """Where this worker's database is: .host .port .user .password .dbname .options"""
        yield _server(request, [*base._loads, *(load or ())], more)

    return pytest.fixture(scope="session")(asks_for(depends_on, server))


def _server(
    request: pytest.FixtureRequest, load: Iterable[Load] | None, more: Mapping[str, Any]
) -> Server:
    configured = option(request.config, "postgresql_load") or ()
    loads = load or [_from_root(request.config, str(one)) for one in configured]
    if more.get("load_autocommit") is None:
        more = {**more, "load_autocommit": option(request.config, "postgresql_load_autocommit")}
    return Server(holder_of(request.config), str(request.fixturename), loads, more)


def _from_root(config: pytest.Config, load: str) -> str:
    return str(config.rootpath / load) if load.endswith(".sql") else load


def postgresql(
    process_fixture_name: str, dbname: str | None = None, isolation_level: Any = None, **_: object
) -> Any:
    """A connection fixture: to the lease of that process fixture, as loaded, in each test."""

    def connection(
        request: pytest.FixtureRequest, server: Server
    ) -> Iterator[psycopg.Connection[Any]]:
        """A psycopg connection to a database that is as it was loaded."""
        database = server.named(dbname)
        database.freshen()
        with contextlib.closing(server.connect(database)) as one:
            if isolation_level is not None:
                one.isolation_level = isolation_level
            yield one

    return pytest.fixture(asks_for(process_fixture_name, connection))


def postgresql_async(
    process_fixture_name: str, dbname: str | None = None, isolation_level: Any = None
) -> Any:
    """The same with psycopg's asynchronous connection."""

    async def connection(request: pytest.FixtureRequest, server: Server) -> Any:
        """An asynchronous psycopg connection to a database that is as it was loaded."""
        import psycopg

        database = server.named(dbname)
        database.freshen()
        one = await psycopg.AsyncConnection.connect(**database.address(server.options_given))
        if isolation_level is not None:
            await one.set_isolation_level(isolation_level)
        try:
            yield one
        finally:
            await one.close()

    return asynchronous(asks_for(process_fixture_name, connection))
