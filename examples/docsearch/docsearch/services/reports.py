# SPDX-License-Identifier: MIT
"""What the two views say, for people who look after the application."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from docsearch.settings import settings
from docsearch.views import collection_summary, popular_searches

Rows = Sequence[Row[Any]]


def collections(session: Session) -> Rows:
    """Return one row for each collection: how many documents and chunks, and how it is."""
    return session.execute(_collections()).all()


def searches(session: Session, limit: int = 10) -> Rows:
    """Return what is searched for most."""
    return session.execute(_searches(limit)).all()


async def dashboard(limit: int = 10) -> tuple[Rows, Rows]:
    """Return both, each read over a connection of its own at the same time."""
    engine = create_async_engine(settings.database_url, poolclass=NullPool)
    try:
        both = await asyncio.gather(_rows(engine, _collections()), _rows(engine, _searches(limit)))
    finally:
        await engine.dispose()
    return both[0], both[1]


async def _rows(engine: AsyncEngine, query: Select[Any]) -> Rows:
    async with engine.connect() as connection:
        rows: Rows = (await connection.execute(query)).all()
        return rows


def _collections() -> Select[Any]:
    return select(collection_summary).order_by(collection_summary.c.collection_id)


def _searches(limit: int) -> Select[Any]:
    columns = popular_searches.c
    return select(popular_searches).order_by(columns.searches.desc(), columns.query).limit(limit)
