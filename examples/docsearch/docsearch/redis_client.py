# SPDX-License-Identifier: MIT
"""The one Redis client of the process."""

from __future__ import annotations

from redis import Redis

from docsearch.settings import settings

redis: Redis = Redis.from_url(settings.redis_url, decode_responses=True)
