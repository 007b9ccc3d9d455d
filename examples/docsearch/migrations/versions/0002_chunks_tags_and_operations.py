# SPDX-License-Identifier: MIT
"""Chunks with their search vector, tags, and the operations of the background worker."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

operation_status = postgresql.ENUM(
    "pending", "processing", "completed", "failed", "cancelled",
    name="operation_status", create_type=False,
)  # fmt: skip
operation_type = postgresql.ENUM(
    "index", "append", "reindex", "remove_source", "delete",
    name="operation_type", create_type=False,
)  # fmt: skip
NOW = sa.func.now()


def upgrade() -> None:
    op.create_table(
        "chunks",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "document_id",
            sa.Integer,
            sa.ForeignKey("documents.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column(
            "vector",
            postgresql.TSVECTOR,
            sa.Computed("to_tsvector('english', text)", persisted=True),
            nullable=False,
        ),
        sa.UniqueConstraint("document_id", "position"),
    )
    op.create_index("ix_chunks_vector", "chunks", ["vector"], postgresql_using="gin")
    op.create_table(
        "tags",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
    )
    op.create_table(
        "document_tags",
        sa.Column(
            "document_id",
            sa.Integer,
            sa.ForeignKey("documents.id", ondelete="CASCADE"),
            primary_key=True,
        ),
        sa.Column(
            "tag_id",
            sa.Integer,
            sa.ForeignKey("tags.id", ondelete="CASCADE"),
            primary_key=True,
            index=True,
        ),
    )

    op.execute(
        "CREATE TYPE operation_status AS ENUM"
        " ('pending', 'processing', 'completed', 'failed', 'cancelled')"
    )
    op.execute(
        "CREATE TYPE operation_type AS ENUM"
        " ('index', 'append', 'reindex', 'remove_source', 'delete')"
    )
    op.create_table(
        "operations",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "collection_id",
            sa.Integer,
            sa.ForeignKey("collections.id", ondelete="SET NULL"),
            index=True,
        ),
        sa.Column("type", operation_type, nullable=False),
        sa.Column("status", operation_status, nullable=False, server_default="pending"),
        sa.Column(
            "payload", postgresql.JSONB, nullable=False, server_default=sa.text("'{}'::jsonb")
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "operation_events",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "operation_id",
            sa.Integer,
            sa.ForeignKey("operations.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("status", operation_status, nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
    )


def downgrade() -> None:
    for table in ("operation_events", "operations", "document_tags", "tags", "chunks"):
        op.drop_table(table)
    op.execute("DROP TYPE operation_type")
    op.execute("DROP TYPE operation_status")
