# SPDX-License-Identifier: MIT
"""Placing, paying and cancelling orders."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Line, Order, Product, Status, VatRate


class RefusedError(Exception):
    """The order cannot be placed, or not be changed like that."""


async def place(
    session: AsyncSession, customer: str, country: str, wanted: dict[int, int]
) -> Order:
    """Takes what is wanted (product → quantity) out of the stock, or raises RefusedError."""
    async with session.begin():
        if await session.get(VatRate, country) is None:
            raise RefusedError(f"we do not deliver to {country}")
        products = await _locked(session, wanted)
        order = Order(customer=customer, country=country)
        for product in products:
            quantity = wanted[product.id]
            if product.stock < quantity:
                raise RefusedError(f"{product.stock} {product.name} left")
            product.stock -= quantity
            order.lines.append(Line(product_id=product.id, quantity=quantity, cents=product.cents))
        session.add(order)
    await session.refresh(order)
    return order


async def _locked(session: AsyncSession, wanted: dict[int, int]) -> list[Product]:
    """The products, always locked in the same order, so that two orders never wait in a circle."""
    query = select(Product).where(Product.id.in_(wanted)).order_by(Product.id).with_for_update()
    products = list(await session.scalars(query))
    if len(products) != len(wanted):
        raise RefusedError("there is no such product")
    return products


async def pay(session: AsyncSession, number: int) -> Order:
    async with session.begin():
        order = await _open(session, number)
        order.status = Status.PAID
    return order


async def cancel(session: AsyncSession, number: int) -> Order:
    """Puts everything back into the stock."""
    async with session.begin():
        order = await _open(session, number)
        order.status = Status.CANCELLED
        quantities = {line.product_id: line.quantity for line in order.lines}
        for product in await _locked(session, quantities):
            product.stock += quantities[product.id]
    return order


async def _open(session: AsyncSession, number: int) -> Order:
    order = await session.get(Order, number, with_for_update=True)
    if order is None:
        raise RefusedError(f"there is no order {number}")
    if order.status is not Status.OPEN:
        raise RefusedError(f"order {number} is {order.status}")
    return order
