# SPDX-License-Identifier: MIT
"""What a racing process does; start() returns when all the others are as far."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Callable

import alembic.config
import alembic.script.base  # noqa: F401  (imported late otherwise, in each child)
import asyncpg  # noqa: F401
import berth
import documents
import old_helper
import psycopg
from racers import APPS
from sqlalchemy import Engine, create_engine, pool
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

Start = Callable[[], None]


def sync_engine(dsn: str) -> Engine:
    return create_engine(dsn.replace("://", "+psycopg://", 1), poolclass=pool.NullPool)


def async_engine(dsn: str) -> AsyncEngine:
    return create_async_engine(dsn.replace("://", "+asyncpg://", 1), poolclass=pool.NullPool)


# SQLAlchemy


def on_metadata(start: Start, form: str, dsn: str, what: str, create_type: bool = True) -> None:
    """create_all or drop_all over a connection that is open when the race begins."""
    tables = documents.metadata(create_type)

    async def in_async_form() -> None:
        async with async_engine(dsn).begin() as connection:
            start()
            await connection.run_sync(getattr(tables, what))

    if form == "asyncio":
        asyncio.run(in_async_form())
        return
    with sync_engine(dsn).begin() as connection:
        start()
        getattr(tables, what)(connection)


def create_all(start: Start, number: int, form: str, dsn: str, create_type: bool = True) -> None:
    on_metadata(start, form, dsn, "create_all", create_type)


def leased_create_all(
    start: Start, number: int, form: str, socket: str, run: str, create_type: bool = True
) -> None:
    """As a worker with a lease: all is made, used, and stays until everybody is done."""
    with berth.connect(socket) as client:
        lease = client.acquire(f"gw{number}", run=run, wait=60)
        on_metadata(start, form, lease.dsn, "create_all", create_type)
        use(lease.dsn)


def drop_and_create(
    start: Start, number: int, form: str, socket: str, run: str, create_type: bool, times: int
) -> None:
    """A test suite that makes its tables anew for each test."""
    with berth.connect(socket) as client:
        lease = client.acquire(f"gw{number}", run=run, wait=60)
        start()
        for _ in range(times):
            for what in ("create_all", "drop_all"):
                on_metadata(lambda: None, form, lease.dsn, what, create_type)
                if what == "create_all":
                    use(lease.dsn)


def drop_and_create_unleased(start: Start, number: int, form: str, dsn: str, times: int) -> None:
    start()
    for _ in range(times):
        for what in ("create_all", "drop_all"):
            on_metadata(lambda: None, form, dsn, what)
            if what == "create_all":
                use(dsn)


def use(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("INSERT INTO users (id) VALUES (1)")
        connection.execute(
            "INSERT INTO collections (id, users_id, collection_status) VALUES (1, 1, 'ready')"
        )
        found = connection.execute("SELECT collection_status::text FROM collections").fetchall()
        assert found == [("ready",)], found


def use_again(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("UPDATE collections SET collection_status = 'error'")


# The helper that projects write by hand, and what replaces it


def old(start: Start, number: int, form: str, dsn: str) -> None:
    if form == "asyncio":
        start()
        asyncio.run(old_helper.ensure_enums_async(async_engine(dsn)))
    else:
        start()
        old_helper.ensure_enums(sync_engine(dsn))


def naive(start: Start, number: int, form: str, dsn: str) -> None:
    """Makes what it does not see, as create_all does, and knows of no lock."""
    with psycopg.connect(dsn) as connection:
        start()
        for name, labels in documents.ENUMS.items():
            if not connection.execute("SELECT to_regtype(%s)", (name,)).fetchone()[0]:
                quoted = ", ".join(f"'{label}'" for label in labels)
                connection.execute(f"CREATE TYPE {name} AS ENUM ({quoted})")


def new(start: Start, number: int, form: str, socket: str) -> None:
    """The replacement; from asyncio it is called in a thread."""
    import ensure

    with contextlib.ExitStack() as stack:
        os.environ["BERTH_SOCKET"] = socket
        stack.callback(os.environ.pop, "BERTH_SOCKET")
        start()
        if form == "asyncio":
            asyncio.run(asyncio.to_thread(ensure.ensure, documents.ENUMS))
        else:
            ensure.ensure(documents.ENUMS)


# Alembic


def upgrade(start: Start, number: int, migrations: str, dsn: str) -> None:
    """`alembic -n MIGRATIONS upgrade head`."""
    os.environ["DATABASE_URL"] = dsn
    start()
    with contextlib.redirect_stdout(io.StringIO()):
        alembic.config.main(
            ["-c", str(APPS / "clinic" / "alembic.ini"), "-n", migrations, "upgrade", "head"]
        )


def leased_upgrade(
    start: Start, number: int, migrations: str, socket: str, run: str, kind: str = "schema"
) -> None:
    """The same, by a worker in its own lease."""
    with berth.connect(socket) as client:
        lease = client.acquire(f"gw{number}", run=run, kind=kind, wait=60)
        upgrade(start, number, migrations, lease.dsn)


def psql(start: Start, number: int, dsn: str, script: str) -> None:
    start()
    done = subprocess.run(
        ["psql", "-qv", "ON_ERROR_STOP=1", dsn], input=script, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(done.stderr)


# Django


def library(*commands: list[str]) -> None:
    """`manage.py` of the library, without a process for each command."""
    import django
    from django.core.management import call_command
    from django.db import connection

    sys.path.insert(0, str(APPS / "library"))
    os.environ["DJANGO_SETTINGS_MODULE"] = "settings"
    django.setup()
    for name, *words in commands:
        call_command(name, *words, verbosity=0, interactive=False)
    connection.close()


def django_migrate(start: Start, number: int, dsn: str) -> None:
    os.environ["DATABASE_URL"] = dsn
    start()
    library(["migrate"])


def leased_django(start: Start, number: int, socket: str, run: str) -> None:
    """Migrates, writes, empties all tables, and goes back to nothing."""
    with berth.connect(socket) as client:
        lease = client.acquire(f"gw{number}", run=run, wait=60)
        django_migrate(start, number, lease.dsn)
        from shelf.models import Document, Status

        Document.objects.create(status=Status.COMPLETED)
        assert [d.status for d in Document.objects.all()] == ["completed"]
        library(["flush"], ["migrate", "shelf", "zero"], ["migrate"])
        assert not Document.objects.exists()
