# SPDX-License-Identifier: MIT
"""What makes fixtures, by the names under which pytest-postgresql and pytest-redis have it."""

from pytest_berth.compat.postgresql import (
    postgresql,
    postgresql_async,
    postgresql_noproc,
    postgresql_proc,
)
from pytest_berth.compat.redis import redis_noproc, redis_proc, redisdb, redisdb_async

__all__ = [
    "postgresql",
    "postgresql_async",
    "postgresql_noproc",
    "postgresql_proc",
    "redis_noproc",
    "redis_proc",
    "redisdb",
    "redisdb_async",
]
