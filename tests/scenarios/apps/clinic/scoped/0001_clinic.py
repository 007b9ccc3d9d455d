# SPDX-License-Identifier: MIT
"""The enums are made if search_path does not lead to them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

ENUMS = {
    "userrole": ("patient", "doctor", "admin"),
    "subscriptionstatus": ("active", "paused", "ended"),
    "appointmentstatus": ("booked", "kept", "missed"),
}


def enum(name):
    return postgresql.ENUM(*ENUMS[name], name=name, create_type=False)


def upgrade():
    for name, labels in ENUMS.items():
        op.execute(
            f"DO $$ BEGIN IF to_regtype('{name}') IS NULL THEN"
            f" CREATE TYPE {name} AS ENUM {labels}; END IF; END $$"
        )
    op.create_table(
        "users",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("role", enum("userrole"), nullable=False),
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id")),
        sa.Column("status", enum("subscriptionstatus"), nullable=False),
    )
    op.create_table(
        "appointments",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id")),
        sa.Column("status", enum("appointmentstatus"), nullable=False),
    )


def downgrade():
    op.drop_table("appointments")
    op.drop_table("subscriptions")
    op.drop_table("users")
    for name in ("appointmentstatus", "subscriptionstatus", "userrole"):
        op.execute(f"DROP TYPE {name}")
