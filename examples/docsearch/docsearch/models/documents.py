# SPDX-License-Identifier: MIT
"""Documents, the chunks they are searched by, and their tags."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Computed, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column, relationship

from docsearch.enums import DocumentStatus
from docsearch.models.base import Base, Created, Key
from docsearch.models.collections import Collection, Source


class Document(Base):
    """A text as it came in."""

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("collection_id", "checksum"),)

    id: Mapped[Key]
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    source_id: Mapped[int | None] = mapped_column(
        ForeignKey("sources.id", ondelete="SET NULL"), index=True
    )
    title: Mapped[str]
    body: Mapped[str]
    checksum: Mapped[str]
    status: Mapped[DocumentStatus] = mapped_column(
        server_default="pending", default=DocumentStatus.PENDING, index=True
    )
    created_at: Mapped[Created]
    indexed_at: Mapped[datetime | None]

    collection: Mapped[Collection] = relationship()
    source: Mapped[Source | None] = relationship()
    chunks: Mapped[list[Chunk]] = relationship(
        back_populates="document",
        order_by="Chunk.position",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    tags: Mapped[list[Tag]] = relationship(secondary="document_tags", order_by="Tag.name")


class Chunk(Base):
    """A passage of a document; PostgreSQL itself keeps its search vector."""

    __tablename__ = "chunks"
    __table_args__ = (
        UniqueConstraint("document_id", "position"),
        Index("ix_chunks_vector", "vector", postgresql_using="gin"),
    )

    id: Mapped[Key]
    document_id: Mapped[int] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"))
    position: Mapped[int]
    text: Mapped[str]
    vector: Mapped[str] = mapped_column(
        TSVECTOR, Computed("to_tsvector('english', text)", persisted=True)
    )

    document: Mapped[Document] = relationship(back_populates="chunks")


class Tag(Base):
    """A word that people put on documents."""

    __tablename__ = "tags"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(unique=True)


class DocumentTag(Base):
    """Which document bears which tag."""

    __tablename__ = "document_tags"

    document_id: Mapped[int] = mapped_column(
        ForeignKey("documents.id", ondelete="CASCADE"), primary_key=True
    )
    tag_id: Mapped[int] = mapped_column(
        ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True
    )
