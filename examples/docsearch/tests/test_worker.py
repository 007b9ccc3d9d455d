# SPDX-License-Identifier: MIT
"""The worker does each kind of operation, one collection at a time, and survives failures."""

from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from docsearch import queue, worker
from docsearch.enums import CollectionStatus, DocumentStatus, OperationStatus, OperationType
from docsearch.models import Collection, Document, Operation, Source, User
from docsearch.redis_client import redis
from docsearch.services import documents, operations


def do(session: Session, collection: Collection, kind: OperationType, **payload: Any) -> Operation:
    """Ask for an operation and let the worker do it."""
    operation = operations.enqueue(session, collection, kind, **payload)
    session.commit()
    worker.drain()
    session.expire_all()
    return operation


def count(session: Session, table: type) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_nothing_to_do() -> None:
    assert worker.run_one() is None
    assert worker.drain() == 0


def test_index_makes_a_collection_ready(
    session: Session, library: Collection, shelf: dict[str, Document]
) -> None:
    assert library.status is CollectionStatus.READY
    assert {document.status for document in shelf.values()} == {DocumentStatus.COMPLETED}


def test_index_takes_all_that_is_pending(session: Session, ada: User, library: Collection) -> None:
    for text in ("One.", "Two."):
        documents.add(session, library, "T", text)

    operation = do(session, library, OperationType.INDEX)

    assert operation.events[-1].message == "indexed 2 documents"


def test_a_document_without_words_fails(session: Session, library: Collection) -> None:
    empty = documents.add(session, library, "Empty", " \n ")

    do(session, library, OperationType.INDEX)

    assert empty.status is DocumentStatus.FAILED


def test_append_brings_a_document_in(session: Session, library: Collection) -> None:
    do(session, library, OperationType.APPEND, title="T", body="Some text.", source="mail")

    document = session.scalars(select(Document)).one()
    assert document.status is DocumentStatus.COMPLETED
    assert document.source is not None
    assert document.source.uri == "mail"


def test_reindex_cuts_all_documents_anew(
    session: Session, library: Collection, shelf: dict[str, Document]
) -> None:
    before = [chunk.id for document in shelf.values() for chunk in document.chunks]

    operation = do(session, library, OperationType.REINDEX)

    after = [chunk.id for document in shelf.values() for chunk in document.chunks]
    assert operation.events[-1].message == "reindexed 3 documents"
    assert len(after) == len(before)
    assert set(after).isdisjoint(before)


def test_reindex_leaves_deleted_documents_alone(
    session: Session, ada: User, library: Collection, shelf: dict[str, Document]
) -> None:
    documents.delete(session, ada, shelf["Tea"])
    session.commit()

    do(session, library, OperationType.REINDEX)

    assert shelf["Tea"].status is DocumentStatus.DELETED


def test_remove_source_takes_its_documents_along(
    session: Session, ada: User, library: Collection, shelf: dict[str, Document]
) -> None:
    kept = documents.ingest(session, ada, library, "Mine", "Typed by hand.")

    do(session, library, OperationType.REMOVE_SOURCE, uri="https://facts.example")

    assert session.scalars(select(Document.id)).all() == [kept.id]
    assert count(session, Source) == 0


def test_delete_leaves_nothing_of_a_collection_but_the_record(
    session: Session, library: Collection, shelf: dict[str, Document]
) -> None:
    operation = do(session, library, OperationType.DELETE)

    assert count(session, Collection) == count(session, Document) == 0
    assert operation.collection_id is None
    assert operation.events[-1].message == "deleted library"


def test_a_failure_is_written_down(session: Session, library: Collection) -> None:
    operation = do(session, library, OperationType.APPEND, title="no body")

    assert operation.status is OperationStatus.FAILED
    assert operation.events[-1].message == "KeyError: 'body'"
    assert library.status is CollectionStatus.ERROR


def test_a_failure_leaves_what_was_indexed_usable(
    session: Session, library: Collection, shelf: dict[str, Document]
) -> None:
    do(session, library, OperationType.REMOVE_SOURCE, uri="https://no.such.example")

    assert library.status is CollectionStatus.DEGRADED


def test_the_worker_goes_on_after_a_failure(session: Session, library: Collection) -> None:
    operations.enqueue(session, library, OperationType.APPEND)
    good = operations.enqueue(session, library, OperationType.APPEND, title="T", body="Text.")
    session.commit()

    assert worker.drain() == 2

    session.expire_all()
    assert good.status is OperationStatus.COMPLETED


def test_an_operation_on_a_collection_that_is_gone_fails(
    session: Session, library: Collection
) -> None:
    operation = operations.enqueue(session, library, OperationType.INDEX)
    session.commit()
    session.delete(library)
    session.commit()

    worker.drain()

    session.expire_all()
    assert operation.status is OperationStatus.FAILED
    assert operation.events[-1].message == "its collection is gone"


def test_a_locked_collection_waits(session: Session, library: Collection) -> None:
    operation = operations.enqueue(session, library, OperationType.INDEX)
    session.commit()

    with redis.lock(f"lock:collection:{library.id}", timeout=60):
        worker.drain()
        session.expire_all()
        assert operation.finished_at is None

    worker.drain()
    session.expire_all()
    assert operation.status is OperationStatus.COMPLETED


def test_nothing_stays_behind_in_redis(session: Session, library: Collection) -> None:
    do(session, library, OperationType.INDEX)

    assert queue.length() == queue.recover() == 0
    assert redis.keys("lock:*") == []


@pytest.mark.parametrize("kind", OperationType)
def test_there_is_a_handler_for_each_kind(kind: OperationType) -> None:
    assert kind in worker._HANDLERS
