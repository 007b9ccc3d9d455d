# SPDX-License-Identifier: MIT
"""The migrations make what the models expect, in both directions."""

from __future__ import annotations

import contextlib
import io
from enum import StrEnum

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from docsearch import enums, views
from docsearch.database import engine
from docsearch.models import Base

ENUMS = {
    "collection_status": enums.CollectionStatus,
    "document_status": enums.DocumentStatus,
    "operation_status": enums.OperationStatus,
    "operation_type": enums.OperationType,
    "permission_type": enums.PermissionType,
}
VIEWS = ["collection_summary", "popular_searches"]


@pytest.mark.parametrize(("name", "kind"), ENUMS.items())
def test_an_enum_has_the_labels_of_its_class(name: str, kind: type[StrEnum]) -> None:
    with engine.connect() as connection:
        labels = connection.scalar(text(f"SELECT enum_range(NULL::{name})::text[]"))

    assert labels == [member.value for member in kind]


def test_the_migrations_make_the_tables_of_the_models() -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


@pytest.mark.parametrize("name", VIEWS)
def test_a_view_has_the_columns_that_the_reports_read(name: str) -> None:
    table = getattr(views, name)

    columns = [column["name"] for column in inspect(engine).get_columns(name)]

    assert columns == [column.name for column in table.columns]


def test_going_down_leaves_nothing_and_up_again_everything(alembic_config: Config) -> None:
    before = inspect(engine).get_table_names()

    command.downgrade(alembic_config, "base")
    try:
        with engine.connect() as connection:
            inspector = inspect(connection)
            assert inspector.get_table_names() == ["alembic_version"]
            assert inspector.get_view_names() == []
            assert connection.scalar(text("SELECT to_regtype('document_status')")) is None
    finally:
        engine.dispose()
        command.upgrade(alembic_config, "head")

    assert sorted(inspect(engine).get_table_names()) == sorted(before)


def test_create_all_makes_what_the_migrations_make(alembic_config: Config) -> None:
    migrated = columns_of_everything()

    command.downgrade(alembic_config, "base")
    engine.dispose()
    try:
        Base.metadata.create_all(engine)
        created = columns_of_everything()
        Base.metadata.drop_all(engine)
    finally:
        engine.dispose()
        command.upgrade(alembic_config, "head")

    assert created == migrated


def columns_of_everything() -> dict[str, list[tuple[str, str, bool]]]:
    inspector = inspect(engine)
    names = [*inspector.get_table_names(), *inspector.get_view_names()]
    return {
        name: [(c["name"], str(c["type"]), c["nullable"]) for c in inspector.get_columns(name)]
        for name in sorted(names)
        if name != "alembic_version"
    }


@pytest.mark.parametrize("name", ENUMS)
def test_the_offline_script_creates_each_enum_once(alembic_config: Config, name: str) -> None:
    script = io.StringIO()
    with contextlib.redirect_stdout(script):
        command.upgrade(alembic_config, "head", sql=True)

    assert script.getvalue().count(f"CREATE TYPE {name} AS ENUM") == 1
