# SPDX-License-Identifier: MIT
"""Collections, who may do what with them, and where their documents come from."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from docsearch.enums import CollectionStatus, PermissionType
from docsearch.models.accounts import User
from docsearch.models.base import Base, Created, Key


class Collection(Base):
    """A named set of documents that is searched as one."""

    __tablename__ = "collections"
    __table_args__ = (UniqueConstraint("owner_id", "name"),)

    id: Mapped[Key]
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    status: Mapped[CollectionStatus] = mapped_column(
        server_default="pending", default=CollectionStatus.PENDING
    )
    created_at: Mapped[Created]

    owner: Mapped[User] = relationship()


class CollectionPermission(Base):
    """What somebody who is not the owner may do."""

    __tablename__ = "collection_permissions"

    collection_id: Mapped[int] = mapped_column(
        ForeignKey("collections.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Mapped[int] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    permission: Mapped[PermissionType]
    granted_at: Mapped[Created]


class Source(Base):
    """A place documents of a collection were taken from, such as a site or a folder."""

    __tablename__ = "sources"
    __table_args__ = (UniqueConstraint("collection_id", "uri"),)

    id: Mapped[Key]
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    uri: Mapped[str]
    created_at: Mapped[Created]
