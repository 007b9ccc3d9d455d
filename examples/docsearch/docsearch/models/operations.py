# SPDX-License-Identifier: MIT
"""Work in the background and what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from docsearch.enums import OperationStatus, OperationType
from docsearch.models.base import Base, Created, Key


class Operation(Base):
    """One thing to do to a collection; its id travels through the queue in Redis."""

    __tablename__ = "operations"

    id: Mapped[Key]
    collection_id: Mapped[int | None] = mapped_column(
        ForeignKey("collections.id", ondelete="SET NULL"), index=True
    )
    type: Mapped[OperationType]
    status: Mapped[OperationStatus] = mapped_column(
        server_default="pending", default=OperationStatus.PENDING
    )
    payload: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    created_at: Mapped[Created]
    finished_at: Mapped[datetime | None]

    events: Mapped[list[OperationEvent]] = relationship(
        order_by="OperationEvent.id", passive_deletes=True
    )


class OperationEvent(Base):
    """A line in the history of an operation."""

    __tablename__ = "operation_events"

    id: Mapped[Key]
    operation_id: Mapped[int] = mapped_column(
        ForeignKey("operations.id", ondelete="CASCADE"), index=True
    )
    status: Mapped[OperationStatus]
    message: Mapped[str]
    created_at: Mapped[Created]
