# SPDX-License-Identifier: MIT
"""Search results kept in Redis until they expire or a collection changes.

Nothing is ever deleted by hand: the number of each collection's *generation* is part of every
key, so raising it makes all that was cached for the collection unreachable, and Redis lets it
expire.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from docsearch.redis_client import redis
from docsearch.settings import settings


def invalidate(collection_id: int) -> None:
    """Forget every result that has to do with this collection."""
    redis.incr(_generation_key(collection_id))


def key_for(collection_ids: Iterable[int], *parts: object) -> str:
    """Return the key of a result over these collections, as they are now."""
    ids = sorted(collection_ids)
    generations = redis.mget([_generation_key(i) for i in ids]) if ids else []
    what = json.dumps([list(zip(ids, generations, strict=True)), parts])
    return "search:" + hashlib.sha256(what.encode()).hexdigest()


def get(key: str) -> list[dict[str, Any]] | None:
    """Return what was stored under *key*, or None."""
    stored = redis.get(key)
    return None if stored is None else json.loads(stored)


def put(key: str, rows: Sequence[dict[str, Any]]) -> None:
    """Keep *rows* for as long as the settings say."""
    redis.set(key, json.dumps(rows), ex=settings.cache_seconds)


def _generation_key(collection_id: int) -> str:
    return f"generation:{collection_id}"
