# SPDX-License-Identifier: MIT
"""Invoices, with an enum of their own; users are told apart by a number."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.create_table(
        "invoices",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("status", sa.Enum("open", "paid", name="invoicestatus"), nullable=False),
    )
    op.add_column("users", sa.Column("number", sa.Integer))


def downgrade():
    op.drop_column("users", "number")
    op.drop_table("invoices")
    op.execute("DROP TYPE invoicestatus")
