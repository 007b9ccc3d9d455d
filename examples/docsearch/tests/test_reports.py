# SPDX-License-Identifier: MIT
"""The two views, read by one connection and by several at once."""

import asyncio

from sqlalchemy.orm import Session

from docsearch.models import Collection, Document, User
from docsearch.services import documents, reports, search


def test_there_is_nothing_to_report_at_first() -> None:
    assert asyncio.run(reports.dashboard()) == ([], [])


def test_a_collection_is_summed_up(
    session: Session, library: Collection, shelf: dict[str, Document]
) -> None:
    (row,) = reports.collections(session)

    assert (row.name, row.owner, row.status) == ("library", "ada@example.org", "ready")
    assert (row.documents, row.indexed, row.chunks) == (3, 3, 3)
    assert row.last_indexed_at is not None


def test_an_empty_collection_is_reported_too(session: Session, library: Collection) -> None:
    (row,) = reports.collections(session)

    assert (row.documents, row.indexed, row.chunks, row.last_indexed_at) == (0, 0, 0, None)


def test_deleted_documents_do_not_count(
    session: Session, ada: User, shelf: dict[str, Document]
) -> None:
    documents.delete(session, ada, shelf["Tea"])
    session.commit()

    (row,) = reports.collections(session)
    assert row.documents == 2


def test_searches_are_ranked_by_how_often_they_were_made(
    session: Session, ada: User, bob: User, shelf: dict[str, Document]
) -> None:
    for user, text in ((ada, "ocean"), (ada, "tea"), (bob, "ocean"), (ada, "Ocean")):
        search.search(session, user, text)

    rows = reports.searches(session)
    assert [(row.query, row.searches, row.users) for row in rows] == [
        ("ocean", 3, 2),
        ("tea", 1, 1),
    ]
    assert float(rows[0].average_results) == 1.3


def test_only_the_top_is_reported(session: Session, ada: User, library: Collection) -> None:
    for text in ("a", "b", "c"):
        search.search(session, ada, text)

    assert [row.query for row in reports.searches(session, limit=2)] == ["a", "b"]


def test_the_dashboard_says_the_same(
    session: Session, ada: User, shelf: dict[str, Document]
) -> None:
    search.search(session, ada, "tea")
    session.commit()

    collections, searches = asyncio.run(reports.dashboard())

    assert collections == reports.collections(session)
    assert searches == reports.searches(session)
