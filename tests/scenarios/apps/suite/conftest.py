# SPDX-License-Identifier: MIT
"""Makes the tables in each worker, as if it were alone."""

import os

import documents
import pytest
from sqlalchemy import create_engine, pool


@pytest.fixture(scope="session")
def engine():
    url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
    engine = create_engine(url, poolclass=pool.NullPool)
    documents.metadata().create_all(engine)
    yield engine
    documents.metadata().drop_all(engine)
