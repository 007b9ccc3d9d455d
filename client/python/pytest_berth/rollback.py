# SPDX-License-Identifier: MIT
"""Sessions whose work is rolled back when the test ends: psycopg and SQLAlchemy, sync and async.

The libraries are imported when a fixture is asked for. What commits inside commits a savepoint;
psycopg's own commit() is refused, rather than let through.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import berth


@contextlib.contextmanager
def psycopg(lease: berth.Lease) -> Generator[Any, None, None]:
    library: Any = import_module("psycopg")
    with library.connect(lease.dsn) as connection, connection.transaction(force_rollback=True):
        yield connection


@contextlib.asynccontextmanager
async def async_psycopg(lease: berth.Lease) -> AsyncGenerator[Any, None]:
    library: Any = import_module("psycopg")
    async with await library.AsyncConnection.connect(lease.dsn) as connection:
        async with connection.transaction(force_rollback=True):
            yield connection


def engine(lease: berth.Lease) -> Any:
    """A SQLAlchemy Engine that keeps no connections."""
    sqlalchemy: Any = import_module("sqlalchemy")
    url = _url(lease, "psycopg", "psycopg2")
    return sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)


def async_engine(lease: berth.Lease) -> Any:
    """An AsyncEngine that keeps no connections, and so belongs to no event loop."""
    sqlalchemy: Any = import_module("sqlalchemy.ext.asyncio")
    null_pool = import_module("sqlalchemy").NullPool
    url = _url(lease, "asyncpg", "psycopg")
    connect = {}
    if lease.options and "+asyncpg:" in url:  # which takes no options from a URL
        url = import_module("sqlalchemy").make_url(url).difference_update_query(["options"])
        connect = {"server_settings": {"options": lease.options}}
    return sqlalchemy.create_async_engine(url, poolclass=null_pool, connect_args=connect)


@contextlib.contextmanager
def session(engine: Any) -> Generator[Any, None, None]:
    orm: Any = import_module("sqlalchemy.orm")
    with engine.connect() as connection:
        transaction = connection.begin()
        try:
            with orm.Session(connection, join_transaction_mode="create_savepoint") as one:
                yield one
        finally:
            transaction.rollback()


@contextlib.asynccontextmanager
async def async_session(engine: Any) -> AsyncGenerator[Any, None]:
    orm: Any = import_module("sqlalchemy.ext.asyncio")
    async with engine.connect() as connection:
        transaction = await connection.begin()
        try:
            how = {"join_transaction_mode": "create_savepoint"}
            async with orm.AsyncSession(connection, **how) as one:
                yield one
        finally:
            await transaction.rollback()


def _url(lease: berth.Lease, *drivers: str) -> str:
    """With the first driver that is installed."""
    driver = next((name for name in drivers if find_spec(name)), drivers[0])
    return f"postgresql+{driver}://{lease.dsn.partition('://')[2]}"
