# SPDX-License-Identifier: MIT
"""What projects write by hand: the enums made one by one under an advisory lock, in two forms."""

from __future__ import annotations

from documents import ENUMS
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

LOCK = 12345


def ensure_enums(engine: Engine) -> None:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        _under_the_lock(connection)


async def ensure_enums_async(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.run_sync(_under_the_lock)


def _under_the_lock(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK})
    try:
        for name, labels in ENUMS.items():
            _create(connection, name, labels)
    finally:
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": LOCK})


def _create(connection: Connection, name: str, labels: list[str]) -> None:
    found = text("SELECT 1 FROM pg_type WHERE typname = :name")
    if connection.execute(found, {"name": name}).first() is not None:
        return
    quoted = ", ".join(f"'{label}'" for label in labels)
    try:
        connection.execute(text(f"CREATE TYPE {name} AS ENUM ({quoted})"))
    except ProgrammingError as e:
        if "already exists" not in str(e):
            raise
