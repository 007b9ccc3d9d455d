# SPDX-License-Identifier: MIT
"""How the tests of the measured suite get their schema: BENCH_WAY says it, BENCH_DSN where."""

import os
import sys

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

sys.path.insert(0, os.environ["BENCH_TESTS"])

from bench import application  # noqa: E402
from harness.resp import Client  # noqa: E402

WAY, DSN = os.environ["BENCH_WAY"], os.environ["BENCH_DSN"]
TABLES = int(os.environ["BENCH_TABLES"])
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "master")


def lease_of(client: Client):
    lease = client.acquire(WORKER, run="suite", template=f"bench-{TABLES}", wait=120000)
    if lease.state == "building" and lease.dsn:
        with psycopg.connect(lease.dsn, autocommit=True) as session:
            session.execute(";".join(application.statements(TABLES)))
        client("TEMPLATE", "SEAL", lease.lease)
        lease = client.lease(lease.lease, 120000)
    return lease


@pytest.fixture(scope="session")
def berth():
    client = Client(os.environ["BENCH_SOCKET"], 120)
    yield client, lease_of(client)
    client.close()


@pytest.fixture(scope="session")
def berth_session(berth):
    with psycopg.connect(berth[1].dsn, autocommit=True) as session:
        yield session


@pytest.fixture(scope="session")
def own_schema():
    """create_all and drop_all, statement by statement as an ORM says them, once a worker."""
    with psycopg.connect(DSN, autocommit=True) as session:
        session.execute(f"CREATE SCHEMA hand_{WORKER}; SET search_path = hand_{WORKER}")
        for statement in application.statements(TABLES):
            session.execute(statement)
        yield session
        session.execute("SET client_min_messages = warning")
        for name in reversed(application.names(TABLES)):
            session.execute(f"DROP TABLE {name} CASCADE")
        session.execute(f"DROP SCHEMA hand_{WORKER} CASCADE")


@pytest.fixture(scope="session")
def admin():
    with psycopg.connect(DSN, autocommit=True) as session:
        yield session


@pytest.fixture
def own_database(admin):
    """What pytest-postgresql does: a database from a template before each test, dropped after it."""
    name = f"hand_{WORKER}"
    admin.execute(f"CREATE DATABASE {name} TEMPLATE hand_template")
    with psycopg.connect(make_conninfo(DSN, dbname=name), autocommit=True) as session:
        yield session
    admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def db(request):
    if WAY == "nothing":
        yield request.getfixturevalue("berth_session")
    elif WAY == "reset":
        session = request.getfixturevalue("berth_session")
        client, lease = request.getfixturevalue("berth")
        client("RESET", lease.lease)
        yield session
    elif WAY == "create_all":
        yield request.getfixturevalue("own_schema")
    else:
        yield request.getfixturevalue("own_database")
