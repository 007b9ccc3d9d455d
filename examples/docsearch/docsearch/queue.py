# SPDX-License-Identifier: MIT
"""The queue of operation ids in Redis; an id taken out stays on a second list until it is done."""

from __future__ import annotations

from docsearch.redis_client import redis

WAITING = "queue:waiting"
TAKEN = "queue:taken"


def push(operation_id: int) -> None:
    """Put an operation at the end of the queue."""
    redis.rpush(WAITING, operation_id)


def take() -> int | None:
    """Take the first operation out, or return None if there is none."""
    taken = redis.lmove(WAITING, TAKEN, "LEFT", "RIGHT")
    return None if taken is None else int(taken)


def done(operation_id: int) -> None:
    """Say that an operation that was taken need not be done again."""
    redis.lrem(TAKEN, 1, str(operation_id))


def put_back(operation_id: int) -> None:
    """Put an operation that was taken at the end again."""
    with redis.pipeline() as pipe:
        pipe.lrem(TAKEN, 1, str(operation_id))
        pipe.rpush(WAITING, operation_id)
        pipe.execute()


def recover() -> int:
    """Put back what a worker that died had taken; return how many that were."""
    count = 0
    while redis.lmove(TAKEN, WAITING, "RIGHT", "LEFT") is not None:
        count += 1
    return count


def length() -> int:
    """Return how many operations wait."""
    return int(redis.llen(WAITING))
