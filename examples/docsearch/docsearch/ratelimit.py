# SPDX-License-Identifier: MIT
"""Counts in Redis how often a user did something in the present minute."""

from __future__ import annotations

from docsearch.errors import RateLimitedError
from docsearch.redis_client import redis

WINDOW_SECONDS = 60


def check(user_id: int, action: str, limit: int) -> int:
    """Count one more *action* and return how many are left; raise if there were none."""
    key = f"rate:{action}:{user_id}"
    with redis.pipeline() as pipe:
        pipe.set(key, 0, ex=WINDOW_SECONDS, nx=True)
        pipe.incr(key)
        count = int(pipe.execute()[1])
    if count > limit:
        raise RateLimitedError(f"more than {limit} {action} in {WINDOW_SECONDS} s")
    return limit - count
