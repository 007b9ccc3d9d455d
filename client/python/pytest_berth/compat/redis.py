# SPDX-License-Identifier: MIT
"""pytest-redis' fixtures: a process is a leased Redis database, which is empty in each test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import pytest

from pytest_berth.compat.asking import asks_for, asynchronous, option
from pytest_berth.plugin import holder_of

if TYPE_CHECKING:
    import redis

    import berth
    from pytest_berth.holder import Holder

#: These are the worker's own lease, that REDIS_URL leads to; other names get one of their own.
_OWN = ("redis_proc", "redis_noproc")


class Server:
    """What a process fixture is: where to connect to, by the names that tests use."""

    _all: WeakKeyDictionary[Holder, dict[str, Server]] = WeakKeyDictionary()

    @classmethod
    def named(cls, holder: Holder, name: str) -> Server:
        """The one of this name in this session."""
        ours = cls._all.setdefault(holder, {})
        if name not in ours:
            ours[name] = cls(holder, name)
        return ours[name]

    def __init__(self, holder: Holder, name: str) -> None:
        self._holder = holder
        self._name = name
        self._leases: dict[int, berth.Lease] = {}
        lease = self.lease(0)
        self.host = lease.redis_host
        self.port = lease.redis_port
        self.unixsocket = lease.redis_socket
        self.username = lease.redis_user
        self.password = lease.redis_password
        self.db = lease.redis_db

    def lease(self, dbnum: int) -> berth.Lease:
        """Each number that a suite names is a database of its own, whatever number that has."""
        if dbnum not in self._leases:
            self._leases[dbnum] = self._take(dbnum)
        return self._leases[dbnum]

    def _take(self, dbnum: int) -> berth.Lease:
        holder = self._holder
        own = self._name in _OWN and dbnum == 0
        name = f"{self._name}-{dbnum}"
        lease = holder.lease if own else holder.further(name, redis=True)
        if lease.redis_url is None:
            raise pytest.UsageError(
                "berth: this lease has no Redis: set berth_redis, and give berthd a redis_url"
            )
        return lease

    def address(self, dbnum: int, decode: bool) -> dict[str, Any]:
        lease = self.lease(dbnum)
        where: dict[str, Any] = {"host": lease.redis_host, "port": lease.redis_port}
        if lease.redis_socket:
            where = {"unix_socket_path": lease.redis_socket}
        return {
            **where,
            "db": lease.redis_db,
            "username": lease.redis_user,
            "password": lease.redis_password,
            "decode_responses": decode,
        }

    def running(self) -> bool:
        return True


def redis_proc(
    executable: object = None,
    timeout: object = None,
    host: object = None,
    port: Any = None,
    **_: object,
) -> Any:
    """A process fixture: a leased Redis database; the arguments are a server's own.

    A port is not followed either, but whoever names the same one gets the same lease.
    """
    return _server(port)


def redis_noproc(host: object = None, port: Any = None, *_: object, **__: object) -> Any:
    """The same; whether somebody else has started the server makes no difference here."""
    return _server(port)


def _server(port: Any) -> Any:
    @pytest.fixture(scope="session")
    def server(request: pytest.FixtureRequest) -> Iterator[Server]:
        """Where this worker's Redis is: .host .port .unixsocket .username .password .db"""
        name = str(request.fixturename)
        if isinstance(port, (int, str)) and int(port) > 0:
            name = f"redis-{port}"
        yield Server.named(holder_of(request.config), name)

    return server


def redisdb(process_fixture_name: str, dbnum: int = 0, *, decode: bool | None = None) -> Any:
    """A client fixture: of the lease of that process fixture, emptied after each test."""

    def client(request: pytest.FixtureRequest, server: Server) -> Iterator[redis.Redis]:
        """A redis.Redis on a database that is empty."""
        import redis

        with contextlib.closing(
            redis.Redis(**server.address(dbnum, _decode(request, decode)))
        ) as one:
            one.flushdb()
            yield one
            one.flushdb()

    return pytest.fixture(asks_for(process_fixture_name, client))


def redisdb_async(process_fixture_name: str, dbnum: int = 0, *, decode: bool | None = None) -> Any:
    """The same with redis.asyncio."""

    async def client(request: pytest.FixtureRequest, server: Server) -> Any:
        """A redis.asyncio.Redis on a database that is empty."""
        from redis.asyncio import Redis

        async with Redis(**server.address(dbnum, _decode(request, decode))) as one:
            await one.flushdb()
            yield one
            await one.flushdb()

    return asynchronous(asks_for(process_fixture_name, client))


def _decode(request: pytest.FixtureRequest, decode: bool | None) -> bool:
    return bool(option(request.config, "redis_decode") if decode is None else decode)
