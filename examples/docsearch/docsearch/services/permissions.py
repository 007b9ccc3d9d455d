# SPDX-License-Identifier: MIT
"""Who may do what with which collection."""

from __future__ import annotations

from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from docsearch.enums import PermissionType
from docsearch.errors import PermissionDeniedError
from docsearch.models import Collection, CollectionPermission, User

_LEVELS = list(PermissionType)


def grant(session: Session, collection: Collection, user: User, level: PermissionType) -> None:
    """Give *user* exactly this level, whatever it was before."""
    values = {"collection_id": collection.id, "user_id": user.id, "permission": level}
    session.execute(
        insert(CollectionPermission)
        .values(values)
        .on_conflict_do_update(
            index_elements=["collection_id", "user_id"], set_={"permission": level}
        )
    )


def revoke(session: Session, collection: Collection, user: User) -> None:
    """Take from *user* whatever was granted."""
    session.execute(
        delete(CollectionPermission).where(
            CollectionPermission.collection_id == collection.id,
            CollectionPermission.user_id == user.id,
        )
    )


def allowed(session: Session, collection: Collection, user: User, level: PermissionType) -> bool:
    """Return whether *user* has this level or a higher one."""
    if user.is_admin or collection.owner_id == user.id:
        return True
    granted = session.scalar(
        select(CollectionPermission.permission).where(
            CollectionPermission.collection_id == collection.id,
            CollectionPermission.user_id == user.id,
        )
    )
    return granted is not None and _LEVELS.index(granted) >= _LEVELS.index(level)


def require(session: Session, collection: Collection, user: User, level: PermissionType) -> None:
    """Raise unless *user* has this level."""
    if not allowed(session, collection, user, level):
        raise PermissionDeniedError(f"{user.email} may not {level} collection {collection.name}")


def readable_ids(session: Session, user: User) -> list[int]:
    """Return the ids of all collections *user* may read."""
    query = select(Collection.id).order_by(Collection.id)
    if not user.is_admin:
        granted = select(CollectionPermission.collection_id).where(
            CollectionPermission.user_id == user.id
        )
        query = query.where(or_(Collection.owner_id == user.id, Collection.id.in_(granted)))
    return list(session.scalars(query))
