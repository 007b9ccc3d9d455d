# SPDX-License-Identifier: MIT
"""Idempotency keys: a request that is sent again is answered like the first time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from orders.settings import settings

_BUSY = ""


class BusyError(Exception):
    """The same request is being worked on."""


async def once(redis: Redis, key: str | None, work: Callable[[], Awaitable[str]]) -> str:
    """What `work` returns, or returned when it was called with this key before.

    Nothing is remembered of work that fails: it may be tried again. Raises BusyError.
    """
    if key is None:
        return await work()
    name = f"once:{key}"
    if not await redis.set(name, _BUSY, nx=True, ex=settings.keep_keys_for):
        before = await redis.get(name)
        if before:
            return str(before)
        raise BusyError
    try:
        answer = await work()
    except BaseException:
        await redis.delete(name)
        raise
    await redis.set(name, answer, ex=settings.keep_keys_for)
    return answer
