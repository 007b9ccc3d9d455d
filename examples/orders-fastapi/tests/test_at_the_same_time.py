# SPDX-License-Identifier: MIT
"""What happens when requests meet: real transactions, on several connections of the pool."""

from __future__ import annotations

import asyncio

import pytest
from httpx import AsyncClient, Response
from redis.asyncio import Redis
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Order, Product

pytestmark = pytest.mark.anyio

Shop = dict[str, int]


async def together(
    client: AsyncClient, bodies: list[dict[str, object]], key: str | None = None
) -> list[Response]:
    headers = {"Idempotency-Key": key} if key else {}
    posts = [client.post("/orders", json=body, headers=headers) for body in bodies]
    return await asyncio.gather(*posts)


def order(**products: int) -> dict[str, object]:
    return {"customer": "Ada", "country": "AT", "products": products}


async def test_the_last_one_is_sold_once(
    client: AsyncClient, session: AsyncSession, shop: Shop
) -> None:
    clock = str(shop["clock"])
    answers = await together(client, [order(**{clock: 1}) for _ in range(4)])

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert await session.scalar(select(Product.stock).filter_by(name="clock")) == 0


async def test_orders_for_the_same_things_do_not_wait_in_a_circle(
    client: AsyncClient, session: AsyncSession, shop: Shop
) -> None:
    lamp, chair = str(shop["lamp"]), str(shop["chair"])
    one, other = order(**{lamp: 1, chair: 1}), order(**{chair: 1, lamp: 1})

    answers = await together(client, [one, other])

    assert [answer.status_code for answer in answers] == [201, 201]
    assert await session.scalar(select(Product.stock).filter_by(name="chair")) == 0


async def test_a_request_that_is_sent_again_is_one_order(
    client: AsyncClient, session: AsyncSession, redis: Redis, shop: Shop
) -> None:
    wanted = order(**{str(shop["lamp"]): 1})
    first, *_ = await together(client, [wanted], key="k-1")

    again, other = await together(client, [wanted], "k-1") + await together(client, [wanted], "k-2")

    assert (first.json()["id"], again.json()["id"], other.json()["id"]) == (1, 1, 2)
    assert await redis.xlen("placed") == 2
    assert await session.scalar(select(func.count()).select_from(Order)) == 2


async def test_while_it_is_worked_on_nobody_else_works_on_it(
    client: AsyncClient, shop: Shop
) -> None:
    wanted = order(**{str(shop["lamp"]): 1})

    answers = await together(client, [wanted] * 3, key="k-1")

    codes = [answer.status_code for answer in answers]
    assert codes.count(201) >= 1
    assert set(codes) <= {201, 425}
    assert {answer.json()["id"] for answer in answers if answer.status_code == 201} == {1}


async def test_what_was_refused_may_be_tried_again(
    client: AsyncClient, session: AsyncSession, shop: Shop
) -> None:
    wanted = order(**{str(shop["chair"]): 3})
    (refused,) = await together(client, [wanted], key="k-1")
    assert refused.status_code == 409
    chair = await session.get_one(Product, shop["chair"])
    chair.stock = 3
    await session.commit()

    (placed,) = await together(client, [wanted], key="k-1")

    assert placed.status_code == 201


@pytest.mark.parametrize("n", range(8))
async def test_keys_and_streams_are_nobody_elses(
    client: AsyncClient, redis: Redis, shop: Shop, n: int
) -> None:
    assert await redis.dbsize() == 0

    await together(client, [order(**{str(shop["lamp"]): n + 1})], key="k-1")

    assert await redis.dbsize() == 2
    entries = await redis.xrange("placed")
    assert [placed for _, placed in entries or ()] == [{"order": "1"}]
