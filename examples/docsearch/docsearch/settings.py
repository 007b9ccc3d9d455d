# SPDX-License-Identifier: MIT
"""What the environment says about where to run, read once when the application is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_DATABASE_URL = "postgresql://docsearch:docsearch@localhost/docsearch"
DEFAULT_REDIS_URL = "redis://localhost:6379/0"


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the servers are and how the application behaves."""

    database_url: str
    redis_url: str
    chunk_words: int = 120
    cache_seconds: int = 300
    searches_per_minute: int = 60

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read settings from *environment*; what it leaves out has a default."""
        return cls(
            database_url=with_driver(environment.get("DATABASE_URL", DEFAULT_DATABASE_URL)),
            redis_url=environment.get("REDIS_URL", DEFAULT_REDIS_URL),
            chunk_words=int(environment.get("DOCSEARCH_CHUNK_WORDS", "120")),
            cache_seconds=int(environment.get("DOCSEARCH_CACHE_SECONDS", "300")),
            searches_per_minute=int(environment.get("DOCSEARCH_SEARCHES_PER_MINUTE", "60")),
        )


def with_driver(url: str) -> str:
    """Name psycopg 3 as the driver of *url* where it names none.

    Hosting companies, libpq and people write ``postgres://`` or ``postgresql://``; SQLAlchemy
    would take another driver for the one and refuse the other.
    """
    scheme, separator, rest = url.partition("://")
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg"
    return scheme + separator + rest


settings = Settings.from_environment(os.environ)
