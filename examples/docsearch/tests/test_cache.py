# SPDX-License-Identifier: MIT
"""Results come from the cache until the collection changes, and are never another user's."""

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from docsearch import cache, ratelimit, worker
from docsearch.errors import RateLimitedError
from docsearch.models import Collection, Document, SearchLog, User
from docsearch.redis_client import redis
from docsearch.services import documents, search
from docsearch.settings import settings


def logged_as_cached(session: Session) -> list[bool]:
    return list(session.scalars(select(SearchLog.cached).order_by(SearchLog.id)))


def test_what_was_put_is_got() -> None:
    cache.put("key", [{"title": "Tea"}])

    assert cache.get("key") == [{"title": "Tea"}]
    assert cache.get("another key") is None


def test_what_was_put_expires() -> None:
    cache.put("key", [])

    assert 0 < redis.ttl("key") <= settings.cache_seconds


def test_keys_do_not_depend_on_the_order_of_collections() -> None:
    assert cache.key_for([1, 2], "tea") == cache.key_for([2, 1], "tea")
    assert cache.key_for([1, 2], "tea") != cache.key_for([1], "tea")


def test_a_key_changes_when_one_of_its_collections_does() -> None:
    before = cache.key_for([1, 2], "tea")

    cache.invalidate(2)

    assert cache.key_for([1, 2], "tea") != before


def test_the_second_search_comes_from_the_cache(
    session: Session, ada: User, shelf: dict[str, Document]
) -> None:
    first = search.search(session, ada, "ocean")
    second = search.search(session, ada, "ocean")

    assert first == second
    assert logged_as_cached(session) == [False, True]


def test_a_new_document_is_found_at_once(
    session: Session, ada: User, library: Collection, shelf: dict[str, Document]
) -> None:
    search.search(session, ada, "ocean")
    documents.ingest(session, ada, library, "Waves", "Waves of the ocean.")
    session.commit()
    worker.drain()

    assert "Waves" in [hit.title for hit in search.search(session, ada, "ocean")]
    assert logged_as_cached(session) == [False, False]


def test_a_deleted_document_is_forgotten_at_once(
    session: Session, ada: User, shelf: dict[str, Document]
) -> None:
    search.search(session, ada, "ocean")
    documents.delete(session, ada, shelf["Tea"])
    session.commit()

    assert [hit.title for hit in search.search(session, ada, "ocean")] == ["Whales"]


def test_a_change_that_is_rolled_back_invalidates_nothing(
    session: Session, ada: User, shelf: dict[str, Document]
) -> None:
    search.search(session, ada, "ocean")
    session.commit()
    documents.delete(session, ada, shelf["Tea"])
    session.rollback()

    assert len(search.search(session, ada, "ocean")) == 2
    assert logged_as_cached(session) == [False, True]


def test_the_cache_does_not_show_what_one_may_not_read(
    session: Session, ada: User, bob: User, shelf: dict[str, Document]
) -> None:
    assert search.search(session, ada, "ocean")
    assert search.search(session, bob, "ocean") == []


def test_the_rate_limit_counts_down() -> None:
    assert [ratelimit.check(1, "searches", 3) for _ in range(3)] == [2, 1, 0]


def test_who_asks_too_often_is_refused() -> None:
    ratelimit.check(1, "searches", 1)

    with pytest.raises(RateLimitedError, match="more than 1 searches"):
        ratelimit.check(1, "searches", 1)


def test_users_are_counted_apart() -> None:
    ratelimit.check(1, "searches", 1)

    assert ratelimit.check(2, "searches", 1) == 0


def test_the_count_ends_with_the_minute() -> None:
    ratelimit.check(1, "searches", 5)
    ratelimit.check(1, "searches", 5)

    assert 0 < redis.ttl("rate:searches:1") <= ratelimit.WINDOW_SECONDS


def test_a_search_too_many_is_refused(
    session: Session, ada: User, shelf: dict[str, Document]
) -> None:
    for _ in range(settings.searches_per_minute):
        search.search(session, ada, "ocean")

    with pytest.raises(RateLimitedError):
        search.search(session, ada, "ocean")
