# SPDX-License-Identifier: MIT
"""Products, orders and the countries that are delivered to."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vat_rates",
        sa.Column("country", sa.String(2), primary_key=True),
        sa.Column("percent", sa.Numeric(4, 1), nullable=False),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False, unique=True),
        sa.Column("cents", sa.Integer, nullable=False),
        sa.Column("stock", sa.Integer, nullable=False),
        sa.CheckConstraint("stock >= 0", name="stock_is_not_negative"),
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("customer", sa.String, nullable=False),
        sa.Column("country", sa.String(2), sa.ForeignKey("vat_rates.country"), nullable=False),
        sa.Column(
            "status", sa.Enum("open", "paid", "cancelled", name="order_status"), nullable=False
        ),
        sa.Column("placed_at", sa.DateTime, nullable=False, server_default=sa.func.now()),
    )
    op.create_table(
        "lines",
        sa.Column("order_id", sa.Integer, sa.ForeignKey("orders.id"), primary_key=True),
        sa.Column("product_id", sa.Integer, sa.ForeignKey("products.id"), primary_key=True),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("cents", sa.Integer, nullable=False),
    )


def downgrade() -> None:
    for table in ("lines", "orders", "products", "vat_rates"):
        op.drop_table(table)
    op.execute("DROP TYPE order_status")
