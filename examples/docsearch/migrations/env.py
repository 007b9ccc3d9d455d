# SPDX-License-Identifier: MIT
"""Runs the migrations on the database that the application's settings name."""

from alembic import context
from sqlalchemy import create_engine, pool

from docsearch.models import Base
from docsearch.settings import settings


def run_offline() -> None:
    """Print the SQL instead of running it."""
    context.configure(
        url=settings.database_url,
        target_metadata=Base.metadata,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
    )
    with context.begin_transaction():
        context.run_migrations()


def run_online() -> None:
    """Run them all in one transaction."""
    engine = create_engine(settings.database_url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=Base.metadata)
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


if context.is_offline_mode():
    run_offline()
else:
    run_online()
