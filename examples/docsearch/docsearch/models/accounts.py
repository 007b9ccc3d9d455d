# SPDX-License-Identifier: MIT
"""Users and the keys with which their programs sign in."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column, relationship

from docsearch.models.base import Base, Created, Key


class User(Base):
    """Somebody who owns, reads or writes collections."""

    __tablename__ = "users"

    id: Mapped[Key]
    email: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    is_admin: Mapped[bool] = mapped_column(server_default="false", default=False)
    created_at: Mapped[Created]

    api_keys: Mapped[list[ApiKey]] = relationship(back_populates="user", passive_deletes=True)


class ApiKey(Base):
    """A secret that stands for a user; only its digest is kept."""

    __tablename__ = "api_keys"

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[Created]
    revoked_at: Mapped[datetime | None]

    user: Mapped[User] = relationship(back_populates="api_keys")
