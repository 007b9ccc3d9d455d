# SPDX-License-Identifier: MIT
"""The background worker: takes operations out of the queue and does them one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from redis.exceptions import LockError
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from docsearch import cache, queue
from docsearch.chunking import split_into_chunks
from docsearch.database import SessionLocal, after_commit
from docsearch.enums import CollectionStatus, DocumentStatus, OperationStatus, OperationType
from docsearch.models import Chunk, Collection, Document, Operation, Source
from docsearch.redis_client import redis
from docsearch.services import documents, operations
from docsearch.settings import settings

LOCK_SECONDS = 60


def drain() -> int:
    """Do all that waits; return how many operations that were."""
    count = 0
    for _ in range(queue.length()):
        if run_one() is None:
            break
        count += 1
    return count


def run_one() -> int | None:
    """Do the first operation that waits; return its id, or None if nothing waits.

    One collection is worked on by one worker at a time: an operation on a collection that is
    locked goes back to the end of the queue.
    """
    operation_id = queue.take()
    if operation_id is None:
        return None
    with SessionLocal() as session:
        operation = session.get(Operation, operation_id)
        lock = redis.lock(f"lock:collection:{operation and operation.collection_id}", LOCK_SECONDS)
        if not lock.acquire(blocking=False):
            queue.put_back(operation_id)
            return operation_id
        try:
            _perform(session, operation_id)
        finally:
            with contextlib.suppress(LockError):  # it expired: somebody else may hold it now
                lock.release()
    queue.done(operation_id)
    return operation_id


def _perform(session: Session, operation_id: int) -> None:
    operation = operations.claim(session, operation_id)
    session.commit()
    if operation is None:
        return
    collection = session.get(Collection, operation.collection_id or 0)
    if collection is None:
        operations.move(session, operation, OperationStatus.FAILED, "its collection is gone")
        session.commit()
        return
    try:
        message = _HANDLERS[operation.type](session, collection, operation)
        operations.move(session, operation, OperationStatus.COMPLETED, message)
        session.commit()
    except Exception as error:
        session.rollback()
        _fail(session, operation, collection, error)


def _fail(session: Session, operation: Operation, collection: Collection, error: Exception) -> None:
    indexed = session.scalar(
        select(func.count())
        .select_from(Document)
        .where(Document.collection_id == collection.id, Document.status == DocumentStatus.COMPLETED)
    )
    collection.status = CollectionStatus.DEGRADED if indexed else CollectionStatus.ERROR
    operations.move(session, operation, OperationStatus.FAILED, f"{type(error).__name__}: {error}")
    session.commit()


def _index(session: Session, collection: Collection, operation: Operation) -> str:
    pending = select(Document).where(
        Document.collection_id == collection.id, Document.status == DocumentStatus.PENDING
    )
    if "document_id" in operation.payload:
        pending = pending.where(Document.id == operation.payload["document_id"])
    count = 0
    for document in session.scalars(pending.order_by(Document.id)).all():
        _index_document(document)
        count += 1
    _changed(session, collection)
    return f"indexed {count} documents"


def _index_document(document: Document) -> None:
    texts = split_into_chunks(document.body, settings.chunk_words)
    document.chunks = [Chunk(position=i, text=text) for i, text in enumerate(texts)]
    document.status = DocumentStatus.COMPLETED if texts else DocumentStatus.FAILED
    document.indexed_at = func.now()


def _append(session: Session, collection: Collection, operation: Operation) -> str:
    payload = operation.payload
    document = documents.add(
        session, collection, payload["title"], payload["body"], source=payload.get("source")
    )
    _index_document(document)
    _changed(session, collection)
    return f"appended document {document.id}"


def _reindex(session: Session, collection: Collection, operation: Operation) -> str:
    # The old chunks go first, in one statement: a new chunk may bear an old one's position.
    ids = select(Document.id).where(Document.collection_id == collection.id)
    session.execute(delete(Chunk).where(Chunk.document_id.in_(ids)))
    session.execute(
        update(Document)
        .where(Document.collection_id == collection.id, Document.status != DocumentStatus.DELETED)
        .values(status=DocumentStatus.PENDING)
    )
    session.expire_all()
    return "re" + _index(session, collection, operation)


def _remove_source(session: Session, collection: Collection, operation: Operation) -> str:
    source = session.scalars(
        select(Source).where(
            Source.collection_id == collection.id, Source.uri == operation.payload["uri"]
        )
    ).one()
    removed = session.execute(
        delete(Document).where(Document.source_id == source.id).returning(Document.id)
    ).all()
    session.delete(source)
    _changed(session, collection)
    return f"removed {len(removed)} documents"


def _delete(session: Session, collection: Collection, operation: Operation) -> str:
    name = collection.name
    _changed(session, collection)
    session.delete(collection)
    session.flush()
    return f"deleted {name}"


def _changed(session: Session, collection: Collection) -> None:
    collection.status = CollectionStatus.READY
    session.flush()
    collection_id = collection.id
    after_commit(session, lambda: cache.invalidate(collection_id))


_HANDLERS: dict[OperationType, Callable[[Session, Collection, Operation], str]] = {
    OperationType.INDEX: _index,
    OperationType.APPEND: _append,
    OperationType.REINDEX: _reindex,
    OperationType.REMOVE_SOURCE: _remove_source,
    OperationType.DELETE: _delete,
}
