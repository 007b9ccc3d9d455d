# SPDX-License-Identifier: MIT
"""One migrated database for the whole session, emptied after every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.orm import Session

from docsearch import worker
from docsearch.database import SessionLocal, engine
from docsearch.models import Base, Collection, Document, User
from docsearch.redis_client import redis
from docsearch.services import accounts, collections, documents

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def alembic_config() -> Config:
    return Config(ROOT / "alembic.ini")


@pytest.fixture(scope="session", autouse=True)
def database(alembic_config: Config) -> Iterator[None]:
    """Create everything, whatever an earlier run has left; drop it in the end.

    With DOCSEARCH_REUSE_DB in the environment the database is taken as it is: migrated already.
    """
    if os.environ.get("DOCSEARCH_REUSE_DB"):
        yield
        return
    command.downgrade(alembic_config, "base")
    command.upgrade(alembic_config, "head")
    yield
    engine.dispose()
    command.downgrade(alembic_config, "base")
    redis.close()


@pytest.fixture(autouse=True)
def clean(database: None) -> Iterator[None]:
    """Leave no row and no key behind, and count from 1 again."""
    yield
    tables = ", ".join(Base.metadata.tables)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    redis.flushdb()


@pytest.fixture
def session() -> Iterator[Session]:
    with SessionLocal() as session:
        yield session


@pytest.fixture
def ada(session: Session) -> User:
    """The owner of the library."""
    user = accounts.sign_up(session, "ada@example.org", "Ada")
    session.commit()
    return user


@pytest.fixture
def bob(session: Session, ada: User) -> User:
    """Somebody else."""
    user = accounts.sign_up(session, "bob@example.org", "Bob")
    session.commit()
    return user


@pytest.fixture
def library(session: Session, ada: User) -> Collection:
    collection = collections.create(session, ada, "library")
    session.commit()
    return collection


TEXTS = {
    "Whales": "The whale is a mammal of the open ocean. It breathes air and sings to other whales.",
    "Volcanoes": "A volcano is a mountain that opens downward to a pool of molten rock.",
    "Tea": "Tea is made of leaves. Ocean trade brought tea from the east to every port.",
}


@pytest.fixture
def shelf(session: Session, ada: User, library: Collection) -> dict[str, Document]:
    """Three documents, indexed."""
    added = {
        title: documents.ingest(session, ada, library, title, body, source="https://facts.example")
        for title, body in TEXTS.items()
    }
    session.commit()
    worker.drain()
    session.expire_all()
    return added
