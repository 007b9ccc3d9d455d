# SPDX-License-Identifier: MIT
"""Searching finds what the user may read, best first, and remembers what was asked."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from docsearch import worker
from docsearch.enums import PermissionType
from docsearch.errors import NotFoundError
from docsearch.models import Collection, Document, SearchLog, User
from docsearch.services import collections, documents, permissions, search

pytestmark = pytest.mark.usefixtures("shelf")


def titles(session: Session, user: User, text: str, **options: object) -> list[str]:
    return [hit.title for hit in search.search(session, user, text, **options)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("volcano", ["Volcanoes"]),
        ("singing whales", ["Whales"]),
        ("ocean", ["Whales", "Tea"]),
        ("ocean -tea", ["Whales"]),
        ("volcano or leaves", ["Volcanoes", "Tea"]),
        ('"molten rock"', ["Volcanoes"]),
        ('"rock molten"', []),
        ("submarine", []),
        ("", []),
    ],
)
def test_words_lead_to_documents(session: Session, ada: User, text: str, found: list[str]) -> None:
    assert sorted(titles(session, ada, text)) == sorted(found)


def test_the_best_comes_first(session: Session, ada: User, library: Collection) -> None:
    documents.ingest(session, ada, library, "Teas", "Tea, tea and more tea.")
    session.commit()
    worker.drain()

    assert titles(session, ada, "tea") == ["Teas", "Tea"]


def test_a_hit_shows_the_passage(session: Session, ada: User) -> None:
    (hit,) = search.search(session, ada, "volcano")

    assert "<b>volcano</b>" in hit.passage
    assert hit.rank > 0


def test_a_document_is_found_once_however_many_passages_fit(
    session: Session, ada: User, library: Collection
) -> None:
    documents.ingest(session, ada, library, "Long", "penguin and ice " * 200)
    session.commit()
    worker.drain()

    assert titles(session, ada, "penguin") == ["Long"]


def test_no_more_than_the_limit(session: Session, ada: User) -> None:
    assert len(titles(session, ada, "ocean or rock", limit=2)) == 2


def test_what_is_not_indexed_yet_is_not_found(
    session: Session, ada: User, library: Collection
) -> None:
    documents.ingest(session, ada, library, "Penguins", "A penguin swims.")
    session.commit()

    assert titles(session, ada, "penguin") == []


def test_a_stranger_finds_nothing(session: Session, bob: User) -> None:
    assert titles(session, bob, "ocean") == []


def test_a_reader_finds_what_the_owner_finds(
    session: Session, ada: User, bob: User, library: Collection
) -> None:
    permissions.grant(session, library, bob, PermissionType.READ)

    assert titles(session, bob, "ocean") == titles(session, ada, "ocean")


def test_a_search_can_keep_to_one_collection(
    session: Session, ada: User, library: Collection
) -> None:
    attic = collections.create(session, ada, "attic")

    assert titles(session, ada, "tea", collection_id=library.id) == ["Tea"]
    assert titles(session, ada, "tea", collection_id=attic.id) == []


def test_a_collection_one_may_not_read_does_not_exist(
    session: Session, bob: User, library: Collection
) -> None:
    with pytest.raises(NotFoundError):
        search.search(session, bob, "tea", collection_id=library.id)


def test_a_search_can_keep_to_a_tag(
    session: Session, ada: User, shelf: dict[str, Document]
) -> None:
    documents.tag(session, shelf["Whales"], ["sea"])
    session.commit()

    assert titles(session, ada, "ocean", tag="sea") == ["Whales"]
    assert titles(session, ada, "ocean", tag="sky") == []


def test_every_search_is_logged(session: Session, ada: User) -> None:
    search.search(session, ada, "  Ocean   WAVES ")
    search.search(session, ada, "tea")

    log = session.execute(select(SearchLog.query, SearchLog.results).order_by(SearchLog.id))
    assert [tuple(row) for row in log] == [("ocean waves", 0), ("tea", 1)]


def test_recent_searches_come_newest_first_and_once(session: Session, ada: User) -> None:
    for text in ("tea", "ocean", "tea"):
        search.search(session, ada, text)

    assert search.recent(ada) == ["tea", "ocean"]


def test_only_the_last_ten_are_recent(session: Session, ada: User) -> None:
    for number in range(12):
        search.search(session, ada, f"word{number}")

    assert search.recent(ada) == [f"word{number}" for number in range(11, 1, -1)]


def test_users_do_not_see_each_others_searches(session: Session, ada: User, bob: User) -> None:
    search.search(session, ada, "tea")

    assert search.recent(bob) == []


def test_a_saved_search_can_be_run(session: Session, ada: User) -> None:
    search.save(session, ada, "drinks", "coffee")
    search.save(session, ada, "drinks", "tea")

    assert [hit.title for hit in search.run_saved(session, ada, "drinks")] == ["Tea"]


def test_a_saved_search_is_its_users_own(session: Session, ada: User, bob: User) -> None:
    search.save(session, ada, "drinks", "tea")

    with pytest.raises(NotFoundError, match="drinks"):
        search.run_saved(session, bob, "drinks")
