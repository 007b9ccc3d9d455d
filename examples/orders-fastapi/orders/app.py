# SPDX-License-Identifier: MIT
"""The shop over HTTP: ``uvicorn orders.app:app``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, Header, HTTPException, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, PositiveInt
from redis.asyncio import Redis
from sqlalchemy import select

from orders import service
from orders.database import Session, engine
from orders.models import Order, Product, Status
from orders.once import BusyError, once
from orders.settings import settings


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.redis = Redis.from_url(settings.redis_url, decode_responses=True)
    yield
    await app.state.redis.aclose()
    await engine.dispose()


app = FastAPI(title="orders", lifespan=lifespan)


def _redis(request: Request) -> Redis:
    redis: Redis = request.app.state.redis
    return redis


Cache = Annotated[Redis, Depends(_redis)]


class ProductOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str
    cents: int
    stock: int


class OrderIn(BaseModel):
    customer: str = Field(min_length=1)
    country: str = Field(pattern="^[A-Z]{2}$")
    products: dict[int, PositiveInt] = Field(min_length=1)


class OrderOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    customer: str
    status: Status
    total_cents: int


@app.exception_handler(service.RefusedError)
async def refused(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, status_code=409)


@app.exception_handler(BusyError)
async def busy(request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": "at work on it"}, status_code=425)


@app.get("/products")
async def products(session: Session) -> list[ProductOut]:
    found = await session.scalars(select(Product).order_by(Product.name))
    return [ProductOut.model_validate(product) for product in found]


@app.post("/orders", status_code=201)
async def place(
    wanted: OrderIn,
    session: Session,
    redis: Cache,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> OrderOut:
    async def work() -> str:
        order = await service.place(session, wanted.customer, wanted.country, wanted.products)
        await redis.xadd("placed", {"order": order.id})
        return OrderOut.model_validate(order).model_dump_json()

    return OrderOut.model_validate_json(await once(redis, idempotency_key, work))


@app.get("/orders/{number}")
async def show(number: int, session: Session) -> OrderOut:
    order = await session.get(Order, number)
    if order is None:
        raise HTTPException(404)
    return OrderOut.model_validate(order)


@app.post("/orders/{number}/pay")
async def pay(number: int, session: Session) -> OrderOut:
    return OrderOut.model_validate(await service.pay(session, number))


@app.post("/orders/{number}/cancel")
async def cancel(number: int, session: Session) -> OrderOut:
    return OrderOut.model_validate(await service.cancel(session, number))
