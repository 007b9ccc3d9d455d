# SPDX-License-Identifier: MIT
"""The application as it is, on one event loop for the session, with its own engine and pool."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
from httpx import ASGITransport, AsyncClient
from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from orders.app import app
from orders.database import SessionLocal, engine
from orders.models import Product


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
async def running(anyio_backend: str) -> AsyncIterator[None]:
    """Started up before the first test that needs it, shut down after the last."""
    async with app.router.lifespan_context(app):
        yield


@pytest.fixture
async def redis(running: None) -> Redis:
    found: Redis = app.state.redis
    return found


@pytest.fixture(autouse=True)
async def clean(running: None) -> AsyncIterator[None]:
    """What berth_reset = test does with --berth: it is not needed then."""
    yield
    if "BERTH_LEASE" not in os.environ:
        async with engine.begin() as connection:
            await connection.execute(text("TRUNCATE lines, orders, products RESTART IDENTITY"))
        await app.state.redis.flushdb()


@pytest.fixture
async def session(running: None) -> AsyncIterator[AsyncSession]:
    """A session beside those of the application, which sees what they have committed."""
    async with SessionLocal() as session:
        yield session


@pytest.fixture
async def client(running: None) -> AsyncIterator[AsyncClient]:
    async with AsyncClient(transport=ASGITransport(app), base_url="http://shop") as client:
        yield client


@pytest.fixture
async def shop(session: AsyncSession) -> dict[str, int]:
    """What is on the shelf: name → number."""
    products = [
        Product(name="lamp", cents=4000, stock=10),
        Product(name="chair", cents=10000, stock=2),
        Product(name="clock", cents=2500, stock=1),
    ]
    session.add_all(products)
    await session.commit()
    return {product.name: product.id for product in products}
