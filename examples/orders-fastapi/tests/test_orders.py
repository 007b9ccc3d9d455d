# SPDX-License-Identifier: MIT
"""Orders over HTTP, committed as in production."""

from __future__ import annotations

import os

import pytest
from httpx import AsyncClient
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Order, Product, VatRate

pytestmark = pytest.mark.anyio

Shop = dict[str, int]


def order(shop: Shop, country: str = "DE", **quantities: int) -> dict[str, object]:
    products = {shop[name]: quantity for name, quantity in quantities.items()}
    return {"customer": "Ada", "country": country, "products": products}


async def stock(session: AsyncSession) -> dict[str, int]:
    rows = await session.execute(select(Product.name, Product.stock))
    return {row.name: row.stock for row in rows}


async def test_an_empty_shop_sells_nothing(client: AsyncClient) -> None:
    assert (await client.get("/products")).json() == []


async def test_what_is_on_the_shelf_is_listed(client: AsyncClient, shop: Shop) -> None:
    listed = (await client.get("/products")).json()

    assert [(one["name"], one["stock"]) for one in listed] == [
        ("chair", 2), ("clock", 1), ("lamp", 10),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("country", "total"), [("DE", 4760), ("FI", 5020), ("IE", 4920), ("NL", 4840), ("PT", 4920)]
)
async def test_the_total_has_the_tax_of_the_country(
    client: AsyncClient, shop: Shop, country: str, total: int
) -> None:
    placed = await client.post("/orders", json=order(shop, country, lamp=1))

    assert placed.status_code == 201
    assert placed.json() == {
        "id": 1, "customer": "Ada", "status": "open", "total_cents": total,
    }  # fmt: skip


async def test_an_order_takes_from_the_stock(
    client: AsyncClient, session: AsyncSession, shop: Shop
) -> None:
    await client.post("/orders", json=order(shop, lamp=3, clock=1))

    assert await stock(session) == {"lamp": 7, "clock": 0, "chair": 2}


async def test_what_is_not_there_is_not_sold_and_nothing_is_taken(
    client: AsyncClient, session: AsyncSession, shop: Shop
) -> None:
    refused = await client.post("/orders", json=order(shop, lamp=3, chair=3))

    assert refused.status_code == 409
    assert refused.json() == {"detail": "2 chair left"}
    assert await stock(session) == {"lamp": 10, "clock": 1, "chair": 2}
    assert await session.scalar(select(func.count()).select_from(Order)) == 0


@pytest.mark.parametrize("country", ["US", "CH"])
async def test_not_everybody_is_delivered_to(client: AsyncClient, shop: Shop, country: str) -> None:
    refused = await client.post("/orders", json=order(shop, country, lamp=1))

    assert refused.json() == {"detail": f"we do not deliver to {country}"}


@pytest.mark.parametrize(
    "wrong",
    [{"customer": ""}, {"country": "de"}, {"products": {}}, {"products": {"1": 0}}],
)
async def test_nonsense_is_not_an_order(
    client: AsyncClient, shop: Shop, wrong: dict[str, object]
) -> None:
    answer = await client.post("/orders", json=order(shop, lamp=1) | wrong)

    assert answer.status_code == 422


async def test_an_order_can_be_looked_at_and_paid_once(client: AsyncClient, shop: Shop) -> None:
    number = (await client.post("/orders", json=order(shop, lamp=1))).json()["id"]

    assert (await client.post(f"/orders/{number}/pay")).json()["status"] == "paid"
    assert (await client.get(f"/orders/{number}")).json()["status"] == "paid"
    again = await client.post(f"/orders/{number}/pay")
    assert again.json() == {"detail": f"order {number} is paid"}


async def test_what_is_cancelled_is_back_on_the_shelf(
    client: AsyncClient, session: AsyncSession, shop: Shop
) -> None:
    number = (await client.post("/orders", json=order(shop, chair=2, lamp=4))).json()["id"]

    assert (await client.post(f"/orders/{number}/cancel")).json()["status"] == "cancelled"
    assert await stock(session) == {"lamp": 10, "clock": 1, "chair": 2}


async def test_there_is_no_order_before_the_first(client: AsyncClient) -> None:
    assert (await client.get("/orders/1")).status_code == 404
    assert (await client.post("/orders/1/cancel")).status_code == 409


@pytest.mark.skipif("BERTH_LEASE" not in os.environ, reason="it would be gone for good")
@pytest.mark.parametrize("n", range(2))
async def test_what_migrations_brought_is_there_again_for_the_next_test(
    session: AsyncSession, n: int
) -> None:
    assert await session.scalar(select(func.count()).select_from(VatRate)) == 8

    await session.execute(delete(VatRate))
    await session.commit()
