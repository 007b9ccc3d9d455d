# SPDX-License-Identifier: MIT
"""The migrations and the models say the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from orders.database import engine

pytestmark = pytest.mark.anyio

INI = Path(__file__).parent.parent / "alembic.ini"


def with_alembic(do: str, *arguments: str) -> Callable[[Connection], None]:
    def call(connection: Connection) -> None:
        config = Config(INI)
        config.attributes["connection"] = connection
        getattr(command, do)(config, *arguments)

    return call


async def test_no_migration_is_missing() -> None:
    async with engine.begin() as connection:
        await connection.run_sync(with_alembic("check"))


async def test_they_can_be_taken_back_and_made_again() -> None:
    """This leaves definitions that are new; a reset makes the schema anew then."""
    async with engine.begin() as connection:
        await connection.run_sync(with_alembic("downgrade", "base"))
    async with engine.begin() as connection:
        await connection.run_sync(with_alembic("upgrade", "head"))
