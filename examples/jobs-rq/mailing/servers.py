# SPDX-License-Identifier: MIT
"""The database and the queue, where DATABASE_URL and REDIS_URL say."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from redis import Redis
from rq import Queue

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql://mailing:mailing@localhost/mailing")
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379/0")


def database() -> psycopg.Connection[tuple[Any, ...]]:
    """A connection for a ``with`` block, which commits or rolls back, and closes it."""
    return psycopg.connect(DATABASE_URL)


def queue() -> Queue:
    # Who waits for a job's result waits on its connection, for as long as that takes.
    return Queue("mails", connection=Redis.from_url(REDIS_URL, socket_timeout=None))
