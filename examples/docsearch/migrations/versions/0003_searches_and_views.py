# SPDX-License-Identifier: MIT
"""The log of searches, saved searches, and the two views."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

NOW = sa.func.now()


def upgrade() -> None:
    op.create_table(
        "search_log",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "user_id",
            sa.Integer,
            sa.ForeignKey("users.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        ),
        sa.Column("query", sa.String, nullable=False),
        sa.Column("results", sa.Integer, nullable=False),
        sa.Column("cached", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
    )
    op.create_table(
        "saved_searches",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column(
            "user_id", sa.Integer, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("query", sa.String, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=NOW),
        sa.UniqueConstraint("user_id", "name"),
    )
    op.execute(
        """
        CREATE VIEW collection_summary AS
        SELECT c.id AS collection_id, c.name, c.status::text AS status, u.email AS owner,
               count(DISTINCT d.id) FILTER (WHERE d.status <> 'deleted') AS documents,
               count(DISTINCT d.id) FILTER (WHERE d.status = 'completed') AS indexed,
               count(k.id) AS chunks, max(d.indexed_at) AS last_indexed_at
          FROM collections c
          JOIN users u ON u.id = c.owner_id
          LEFT JOIN documents d ON d.collection_id = c.id
          LEFT JOIN chunks k ON k.document_id = d.id
         GROUP BY c.id, u.email
        """
    )
    op.execute(
        """
        CREATE VIEW popular_searches AS
        SELECT query, count(*) AS searches, count(DISTINCT user_id) AS users,
               round(avg(results), 1) AS average_results, max(created_at) AS last_searched_at
          FROM search_log
         GROUP BY query
        """
    )


def downgrade() -> None:
    op.execute("DROP VIEW popular_searches")
    op.execute("DROP VIEW collection_summary")
    op.drop_table("saved_searches")
    op.drop_table("search_log")
