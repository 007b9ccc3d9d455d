# SPDX-License-Identifier: MIT
"""Makes, finds and renames collections, and keeps track of their sources."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from docsearch.enums import PermissionType
from docsearch.errors import DuplicateError, NotFoundError
from docsearch.models import Collection, Source, User
from docsearch.services import permissions


def create(session: Session, owner: User, name: str) -> Collection:
    """Create an empty collection; an owner cannot have two of one name."""
    collection = Collection(owner_id=owner.id, name=name)
    try:
        with session.begin_nested():
            session.add(collection)
    except IntegrityError:
        raise DuplicateError(f"{owner.email} has a collection {name} already") from None
    return collection


def get(session: Session, user: User, collection_id: int) -> Collection:
    """Return a collection that *user* may read; others do not exist for that user."""
    collection = session.get(Collection, collection_id)
    if collection is None or not permissions.allowed(
        session, collection, user, PermissionType.READ
    ):
        raise NotFoundError(f"no collection {collection_id}")
    return collection


def rename(session: Session, user: User, collection: Collection, name: str) -> None:
    """Give a collection another name."""
    permissions.require(session, collection, user, PermissionType.ADMIN)
    try:
        with session.begin_nested():
            collection.name = name
    except IntegrityError:
        raise DuplicateError(f"the owner has a collection {name} already") from None


def source(session: Session, collection: Collection, uri: str) -> Source:
    """Return the source with this URI, which is made if there is none."""
    session.execute(
        insert(Source)
        .values(collection_id=collection.id, uri=uri)
        .on_conflict_do_nothing(index_elements=["collection_id", "uri"])
    )
    return session.scalars(
        select(Source).where(Source.collection_id == collection.id, Source.uri == uri)
    ).one()
