# SPDX-License-Identifier: MIT
"""Settings, from the environment or from a file .env."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_file=".env", extra="ignore")

    database_url: str = "postgresql+asyncpg://orders:orders@localhost/orders"
    redis_url: str = "redis://localhost:6379/0"
    keep_keys_for: int = 24 * 60 * 60
    """Seconds for which an Idempotency-Key is remembered."""


settings = Settings()
