# SPDX-License-Identifier: MIT
"""Which database a model is in."""

from __future__ import annotations

from typing import Any

from django.db.models import Model


class AuditRouter:
    """The app ``audit`` is in the database of that name, all others are not."""

    def db_for_read(self, model: type[Model], **hints: Any) -> str | None:
        return "audit" if model._meta.app_label == "audit" else None

    db_for_write = db_for_read

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return (db == "audit") == (app_label == "audit")
