# SPDX-License-Identifier: MIT
"""Documents come in once, wait for the worker, bear tags, and go."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from docsearch import queue, worker
from docsearch.enums import DocumentStatus, PermissionType
from docsearch.errors import DuplicateError, NotFoundError, PermissionDeniedError
from docsearch.models import Chunk, Collection, Document, Tag, User
from docsearch.services import collections, documents, permissions


def test_a_new_document_waits_to_be_indexed(
    session: Session, ada: User, library: Collection
) -> None:
    document = documents.ingest(session, ada, library, "Title", "Some text.")

    assert document.status is DocumentStatus.PENDING
    assert document.indexed_at is None


def test_the_queue_hears_of_it_at_the_commit_and_not_before(
    session: Session, ada: User, library: Collection
) -> None:
    documents.ingest(session, ada, library, "Title", "Some text.")
    assert queue.length() == 0

    session.commit()
    assert queue.length() == 1


def test_the_queue_never_hears_of_what_was_rolled_back(
    session: Session, ada: User, library: Collection
) -> None:
    documents.ingest(session, ada, library, "Title", "Some text.")
    session.rollback()
    session.commit()

    assert queue.length() == 0


def test_the_same_text_comes_in_once(session: Session, ada: User, library: Collection) -> None:
    first = documents.ingest(session, ada, library, "Title", "Some text.")

    with pytest.raises(DuplicateError, match=f"document {first.id}"):
        documents.ingest(session, ada, library, "Another title", "Some text.")


def test_another_collection_may_have_the_same_text(
    session: Session, ada: User, library: Collection
) -> None:
    documents.ingest(session, ada, library, "Title", "Some text.")
    attic = collections.create(session, ada, "attic")

    assert documents.ingest(session, ada, attic, "Title", "Some text.").collection_id == attic.id


def test_a_reader_cannot_bring_documents_in(
    session: Session, bob: User, library: Collection
) -> None:
    permissions.grant(session, library, bob, PermissionType.READ)

    with pytest.raises(PermissionDeniedError):
        documents.ingest(session, bob, library, "Title", "Some text.")


def test_tags_are_lower_case_and_put_on_once(
    session: Session, ada: User, library: Collection
) -> None:
    document = documents.ingest(session, ada, library, "T", "Text.", tags=["Sea", "sea ", "", "a"])
    documents.tag(session, document, ["SEA", "b"])

    assert [tag.name for tag in document.tags] == ["a", "b", "sea"]


def test_documents_share_tags(session: Session, ada: User, library: Collection) -> None:
    for text in ("One.", "Two."):
        documents.ingest(session, ada, library, "T", text, tags=["shared"])

    assert session.scalar(select(func.count()).select_from(Tag)) == 1


def test_a_stranger_is_told_that_there_is_no_such_document(
    session: Session, bob: User, shelf: dict[str, Document]
) -> None:
    with pytest.raises(NotFoundError):
        documents.get(session, bob, shelf["Tea"].id)


def test_a_deleted_document_is_not_there_any_more(
    session: Session, ada: User, shelf: dict[str, Document]
) -> None:
    documents.delete(session, ada, shelf["Tea"])
    session.commit()

    with pytest.raises(NotFoundError):
        documents.get(session, ada, shelf["Tea"].id)


def test_a_deleted_document_leaves_no_chunks(
    session: Session, ada: User, shelf: dict[str, Document]
) -> None:
    documents.delete(session, ada, shelf["Tea"])
    session.commit()

    chunks = select(func.count()).select_from(Chunk)
    assert session.scalar(chunks.where(Chunk.document_id == shelf["Tea"].id)) == 0
    assert session.scalar(chunks) == 2


def test_a_long_document_has_its_chunks_in_order(
    session: Session, ada: User, library: Collection
) -> None:
    body = " ".join(f"word{i}" for i in range(300))
    document = documents.ingest(session, ada, library, "Long", body)
    session.commit()

    worker.drain()

    session.expire_all()
    assert [chunk.position for chunk in document.chunks] == [0, 1, 2]
    assert " ".join(chunk.text for chunk in document.chunks) == body
