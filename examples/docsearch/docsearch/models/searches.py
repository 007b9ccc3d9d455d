# SPDX-License-Identifier: MIT
"""What people looked for and want to look for again."""

from __future__ import annotations

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from docsearch.models.base import Base, Created, Key


class SearchLog(Base):
    """One search that was made."""

    __tablename__ = "search_log"

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    query: Mapped[str]
    results: Mapped[int]
    cached: Mapped[bool]
    created_at: Mapped[Created]


class SavedSearch(Base):
    """A search that somebody gave a name."""

    __tablename__ = "saved_searches"
    __table_args__ = (UniqueConstraint("user_id", "name"),)

    id: Mapped[Key]
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    query: Mapped[str]
    created_at: Mapped[Created]
