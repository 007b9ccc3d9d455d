# SPDX-License-Identifier: MIT
"""Users, collections, permissions, sources and documents, with the enums they need."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# create_type=False: the type is made once, here, and not again by each table that uses it.
collection_status = postgresql.ENUM(
    "pending", "ready", "processing", "error", "degraded",
    name="collection_status", create_type=False,
)  # fmt: skip
document_status = postgresql.ENUM(
    "pending", "processing", "completed", "failed", "deleted",
    name="document_status", create_type=False,
)  # fmt: skip
permission_type = postgresql.ENUM(
    "read", "write", "admin", name="permission_type", create_type=False
)


def upgrade() -> None:
    op.execute(
        "CREATE TYPE collection_status AS ENUM"
        " ('pending', 'ready', 'processing', 'error', 'degraded')"
    )
    op.execute(
        "CREATE TYPE document_status AS ENUM"
        " ('pending', 'processing', 'completed', 'failed', 'deleted')"
    )
    op.execute("CREATE TYPE permission_type AS ENUM ('read', 'write', 'admin')")

    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("email", sa.String, nullable=False, unique=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("is_admin", sa.Boolean, nullable=False, server_default="false"),
        created_at(),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Integer, primary_key=True),
        belongs_to("users", "user_id", index=True),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        created_at(),
        sa.Column("revoked_at", sa.DateTime(timezone=True)),
    )
    op.create_table(
        "collections",
        sa.Column("id", sa.Integer, primary_key=True),
        belongs_to("users", "owner_id"),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("status", collection_status, nullable=False, server_default="pending"),
        created_at(),
        sa.UniqueConstraint("owner_id", "name"),
    )
    op.create_table(
        "collection_permissions",
        belongs_to("collections", "collection_id", primary_key=True),
        belongs_to("users", "user_id", primary_key=True, index=True),
        sa.Column("permission", permission_type, nullable=False),
        created_at("granted_at"),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.Integer, primary_key=True),
        belongs_to("collections", "collection_id"),
        sa.Column("uri", sa.String, nullable=False),
        created_at(),
        sa.UniqueConstraint("collection_id", "uri"),
    )
    op.create_table(
        "documents",
        sa.Column("id", sa.Integer, primary_key=True),
        belongs_to("collections", "collection_id"),
        sa.Column(
            "source_id", sa.Integer, sa.ForeignKey("sources.id", ondelete="SET NULL"), index=True
        ),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("body", sa.String, nullable=False),
        sa.Column("checksum", sa.String, nullable=False),
        sa.Column("status", document_status, nullable=False, server_default="pending", index=True),
        created_at(),
        sa.Column("indexed_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("collection_id", "checksum"),
    )


def downgrade() -> None:
    for table in (
        "documents", "sources", "collection_permissions", "collections", "api_keys", "users",
    ):  # fmt: skip
        op.drop_table(table)
    for enum in ("permission_type", "document_status", "collection_status"):
        op.execute(f"DROP TYPE {enum}")


def created_at(name: str = "created_at") -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())


def belongs_to(
    table: str, name: str, *, primary_key: bool = False, index: bool = False
) -> sa.Column[int]:
    return sa.Column(
        name,
        sa.Integer,
        sa.ForeignKey(f"{table}.id", ondelete="CASCADE"),
        nullable=False,
        primary_key=primary_key,
        index=index,
    )
