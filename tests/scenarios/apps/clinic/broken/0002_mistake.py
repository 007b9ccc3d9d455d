# SPDX-License-Identifier: MIT
"""A column for a table that is not there."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.add_column("patients", sa.Column("number", sa.Integer))


def downgrade():
    op.drop_column("patients", "number")
