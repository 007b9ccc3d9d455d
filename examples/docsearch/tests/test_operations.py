# SPDX-License-Identifier: MIT
"""Operations are written down, claimed by one worker, and can be cancelled until then."""

from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from docsearch import worker
from docsearch.database import SessionLocal
from docsearch.enums import OperationStatus, OperationType
from docsearch.errors import StateError
from docsearch.models import Collection, Operation
from docsearch.services import operations


@pytest.fixture
def operation(session: Session, library: Collection) -> Operation:
    operation = operations.enqueue(session, library, OperationType.INDEX)
    session.commit()
    return operation


@pytest.fixture
def second_session() -> Iterator[Session]:
    with SessionLocal() as session:
        yield session


def test_an_operation_begins_as_pending(operation: Operation) -> None:
    assert operation.status is OperationStatus.PENDING
    assert operation.finished_at is None


def test_the_history_tells_the_whole_story(session: Session, operation: Operation) -> None:
    worker.drain()

    session.expire_all()
    assert [(event.status.value, event.message) for event in operation.events] == [
        ("pending", "asked for"),
        ("processing", "taken by a worker"),
        ("completed", "indexed 0 documents"),
    ]


def test_two_workers_cannot_claim_the_same_one(
    session: Session, second_session: Session, operation: Operation
) -> None:
    assert operations.claim(session, operation.id) is operation
    assert operations.claim(second_session, operation.id) is None


def test_what_was_claimed_cannot_be_claimed_later(
    session: Session, second_session: Session, operation: Operation
) -> None:
    operations.claim(session, operation.id)
    session.commit()

    assert operations.claim(second_session, operation.id) is None


def test_a_cancelled_operation_is_not_done(session: Session, operation: Operation) -> None:
    operations.cancel(session, operation)
    session.commit()

    worker.drain()

    session.expire_all()
    assert operation.status is OperationStatus.CANCELLED
    assert operation.finished_at is not None


def test_what_has_begun_cannot_be_cancelled(session: Session, operation: Operation) -> None:
    operations.claim(session, operation.id)

    with pytest.raises(StateError, match="is processing, not pending"):
        operations.cancel(session, operation)
