# SPDX-License-Identifier: MIT
"""Asks for work in the background and keeps its history."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from docsearch import queue
from docsearch.database import after_commit
from docsearch.enums import OperationStatus, OperationType
from docsearch.errors import StateError
from docsearch.models import Collection, Operation, OperationEvent

FINAL = frozenset({OperationStatus.COMPLETED, OperationStatus.FAILED, OperationStatus.CANCELLED})


def enqueue(
    session: Session, collection: Collection, kind: OperationType, **payload: Any
) -> Operation:
    """Write an operation down; its id goes into the queue when *session* commits."""
    operation = Operation(collection_id=collection.id, type=kind, payload=payload)
    session.add(operation)
    session.flush()
    move(session, operation, OperationStatus.PENDING, "asked for")
    operation_id = operation.id
    after_commit(session, lambda: queue.push(operation_id))
    return operation


def claim(session: Session, operation_id: int) -> Operation | None:
    """Begin a pending operation, which no other worker can then; None if it is not pending."""
    operation = session.scalar(
        select(Operation)
        .where(Operation.id == operation_id, Operation.status == OperationStatus.PENDING)
        .with_for_update(skip_locked=True)
    )
    if operation is not None:
        move(session, operation, OperationStatus.PROCESSING, "taken by a worker")
    return operation


def cancel(session: Session, operation: Operation) -> None:
    """Stop an operation that nobody has begun."""
    locked = session.scalars(
        select(Operation).where(Operation.id == operation.id).with_for_update()
    ).one()
    if locked.status is not OperationStatus.PENDING:
        raise StateError(f"operation {locked.id} is {locked.status}, not pending")
    move(session, locked, OperationStatus.CANCELLED, "cancelled")


def move(session: Session, operation: Operation, status: OperationStatus, message: str) -> None:
    """Bring *operation* to *status* and write down why."""
    operation.status = status
    if status in FINAL:
        operation.finished_at = func.now()
    session.add(OperationEvent(operation_id=operation.id, status=status, message=message))
    session.flush()
    session.expire(operation, ["events", "finished_at"])
