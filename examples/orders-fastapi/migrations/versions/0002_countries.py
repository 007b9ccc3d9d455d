# SPDX-License-Identifier: MIT
"""The countries that are delivered to, with their value-added tax."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

RATES = {"AT": 20, "BE": 21, "DE": 19, "FI": 25.5, "FR": 20, "IE": 23, "NL": 21, "PT": 23}

vat_rates = sa.table("vat_rates", sa.column("country"), sa.column("percent"))


def upgrade() -> None:
    op.bulk_insert(vat_rates, [{"country": c, "percent": p} for c, p in RATES.items()])


def downgrade() -> None:
    op.execute(vat_rates.delete().where(vat_rates.c.country.in_(RATES)))
