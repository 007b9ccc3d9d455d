# SPDX-License-Identifier: MIT
"""Finds documents by PostgreSQL's full-text search, and remembers what was asked."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from docsearch import cache, ratelimit
from docsearch.enums import DocumentStatus
from docsearch.errors import NotFoundError
from docsearch.models import Chunk, Document, DocumentTag, SavedSearch, SearchLog, Tag, User
from docsearch.redis_client import redis
from docsearch.services import permissions
from docsearch.settings import settings

_RECENT = 10


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that fits, with its best passage."""

    document_id: int
    collection_id: int
    title: str
    passage: str
    rank: float


def search(
    session: Session,
    user: User,
    text: str,
    *,
    collection_id: int | None = None,
    tag: str | None = None,
    limit: int = 10,
) -> list[Hit]:
    """Return the best documents that *user* may read, best first.

    *text* is what people type into search boxes: ``"a phrase" -without or``.
    """
    ratelimit.check(user.id, "searches", settings.searches_per_minute)
    text = " ".join(text.lower().split())
    scope = _scope(session, user, collection_id)
    key = cache.key_for(scope, text, tag, limit)
    rows = cache.get(key)
    cached = rows is not None
    if rows is None:
        rows = [asdict(hit) for hit in _find(session, text, scope, tag, limit)]
        cache.put(key, rows)
    _remember(session, user, text, len(rows), cached=cached)
    return [Hit(**row) for row in rows]


def recent(user: User) -> list[str]:
    """Return the last searches of *user*, newest first, each once."""
    return [str(text) for text in redis.zrange(_recent_key(user), 0, -1, desc=True)]


def save(session: Session, user: User, name: str, text: str) -> None:
    """Keep a search under a name, in place of the one that had the name."""
    session.execute(
        insert(SavedSearch)
        .values(user_id=user.id, name=name, query=text)
        .on_conflict_do_update(index_elements=["user_id", "name"], set_={"query": text})
    )


def run_saved(session: Session, user: User, name: str) -> list[Hit]:
    """Search for what *user* kept under a name."""
    text = session.scalar(
        select(SavedSearch.query).where(SavedSearch.user_id == user.id, SavedSearch.name == name)
    )
    if text is None:
        raise NotFoundError(f"{user.email} has no saved search {name}")
    return search(session, user, text)


def _scope(session: Session, user: User, collection_id: int | None) -> list[int]:
    readable = permissions.readable_ids(session, user)
    if collection_id is None:
        return readable
    if collection_id not in readable:
        raise NotFoundError(f"no collection {collection_id}")
    return [collection_id]


def _find(session: Session, text: str, scope: list[int], tag: str | None, limit: int) -> list[Hit]:
    rows = session.execute(_query(text, scope, tag).limit(limit)).all()
    return [Hit(*row) for row in rows]


def _query(text: str, scope: list[int], tag: str | None) -> Select[Any]:
    wanted = func.websearch_to_tsquery("english", text)
    rank = func.ts_rank(Chunk.vector, wanted)
    passages = (
        select(
            Document.id,
            Document.collection_id,
            Document.title,
            Chunk.text,
            rank.label("rank"),
            func.row_number()
            .over(partition_by=Document.id, order_by=[rank.desc(), Chunk.position])
            .label("place"),
        )
        .join(Chunk, Chunk.document_id == Document.id)
        .where(
            Document.collection_id.in_(scope),
            Document.status == DocumentStatus.COMPLETED,
            Chunk.vector.op("@@")(wanted),
        )
    )
    if tag is not None:
        passages = passages.join(DocumentTag, DocumentTag.document_id == Document.id).join(Tag)
        passages = passages.where(Tag.name == tag)
    best = passages.subquery().c
    headline = func.ts_headline("english", best.text, wanted)
    return (
        select(best.id, best.collection_id, best.title, headline, best.rank)
        .where(best.place == 1)
        .order_by(best.rank.desc(), best.id)
    )


def _remember(session: Session, user: User, text: str, results: int, *, cached: bool) -> None:
    entry = SearchLog(user_id=user.id, query=text, results=results, cached=cached)
    session.add(entry)
    session.flush()
    with redis.pipeline() as pipe:
        pipe.zadd(_recent_key(user), {text: entry.id})
        pipe.zremrangebyrank(_recent_key(user), 0, -_RECENT - 1)
        pipe.execute()


def _recent_key(user: User) -> str:
    return f"recent:{user.id}"
