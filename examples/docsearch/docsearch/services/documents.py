# SPDX-License-Identifier: MIT
"""Takes documents in, tags them, and takes them out again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from docsearch import cache
from docsearch.database import after_commit
from docsearch.enums import DocumentStatus, OperationType, PermissionType
from docsearch.errors import DuplicateError, NotFoundError
from docsearch.models import Collection, Document, DocumentTag, Tag, User
from docsearch.services import collections, operations, permissions


def ingest(
    session: Session,
    user: User,
    collection: Collection,
    title: str,
    body: str,
    *,
    source: str | None = None,
    tags: Iterable[str] = (),
) -> Document:
    """Take a document in; it can be found once the worker has indexed it.

    Raises DuplicateError if the collection has a document of the same body.
    """
    permissions.require(session, collection, user, PermissionType.WRITE)
    document = add(session, collection, title, body, source=source)
    tag(session, document, tags)
    operations.enqueue(session, collection, OperationType.INDEX, document_id=document.id)
    return document


def add(
    session: Session, collection: Collection, title: str, body: str, *, source: str | None = None
) -> Document:
    """Store a document without asking who wants it and without indexing it."""
    checksum = hashlib.sha256(body.encode()).hexdigest()
    twin = session.scalar(
        select(Document).where(
            Document.collection_id == collection.id, Document.checksum == checksum
        )
    )
    if twin is not None:
        raise DuplicateError(f"document {twin.id} has the same text")
    document = Document(
        collection_id=collection.id,
        source_id=None if source is None else collections.source(session, collection, source).id,
        title=title,
        body=body,
        checksum=checksum,
    )
    session.add(document)
    session.flush()
    return document


def get(session: Session, user: User, document_id: int) -> Document:
    """Return a document that *user* may read and that is not deleted."""
    document = session.get(Document, document_id)
    if (
        document is None
        or document.status is DocumentStatus.DELETED
        or not permissions.allowed(session, document.collection, user, PermissionType.READ)
    ):
        raise NotFoundError(f"no document {document_id}")
    return document


def delete(session: Session, user: User, document: Document) -> None:
    """Take a document out of the index; its row stays, marked as deleted."""
    permissions.require(session, document.collection, user, PermissionType.WRITE)
    document.chunks.clear()
    document.status = DocumentStatus.DELETED
    session.flush()
    collection_id = document.collection_id
    after_commit(session, lambda: cache.invalidate(collection_id))


def tag(session: Session, document: Document, names: Iterable[str]) -> None:
    """Put tags on a document; tags are made when first used."""
    wanted = sorted({name.strip().lower() for name in names} - {""})
    if not wanted:
        return
    session.execute(
        insert(Tag).values([{"name": name} for name in wanted]).on_conflict_do_nothing()
    )
    ids = session.scalars(select(Tag.id).where(Tag.name.in_(wanted)))
    session.execute(
        insert(DocumentTag)
        .values([{"document_id": document.id, "tag_id": tag_id} for tag_id in ids])
        .on_conflict_do_nothing()
    )
    session.expire(document, ["tags"])
    collection_id = document.collection_id
    after_commit(session, lambda: cache.invalidate(collection_id))
