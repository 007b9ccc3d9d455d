# SPDX-License-Identifier: MIT
"""The fixtures whose work is rolled back, sync and under either of the plugins that run async tests."""

from __future__ import annotations

import pytest

CONFTEST = """
    import psycopg
    import pytest

    @pytest.fixture(scope="session", autouse=True)
    def table(berth_lease):
        with psycopg.connect(berth_lease.dsn) as connection:
            connection.execute("CREATE TABLE t (n int PRIMARY KEY)")

    @pytest.fixture(autouse=True)
    def is_empty(berth_lease):
        yield
        with psycopg.connect(berth_lease.dsn) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)
"""

#: Each of them would be in the way of the next.
SYNC = """
    import psycopg, pytest
    from sqlalchemy import exc, text

    @pytest.mark.parametrize("n", range(2))
    def test_psycopg(berth_psycopg, n):
        berth_psycopg.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(psycopg.errors.UniqueViolation), berth_psycopg.transaction():
            berth_psycopg.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(psycopg.ProgrammingError):
            berth_psycopg.commit()
        assert berth_psycopg.execute("SELECT count(*) FROM t").fetchone() == (1,)

    @pytest.mark.parametrize("n", range(2))
    def test_sqlalchemy(berth_session, n):
        berth_session.execute(text("INSERT INTO t VALUES (1)"))
        berth_session.commit()
        with pytest.raises(exc.IntegrityError):
            berth_session.execute(text("INSERT INTO t VALUES (1)"))
        berth_session.rollback()
        assert berth_session.scalar(text("SELECT count(*) FROM t")) == 1
"""

ASYNC = """
    import pytest
    from sqlalchemy import exc, text

    @pytest.mark.PLUGIN
    @pytest.mark.parametrize("n", range(2))
    async def test_psycopg(berth_async_psycopg, n):
        await berth_async_psycopg.execute("INSERT INTO t VALUES (1)")

    @pytest.mark.PLUGIN
    @pytest.mark.parametrize("n", range(2))
    async def test_sqlalchemy(berth_async_session, n):
        await berth_async_session.execute(text("INSERT INTO t VALUES (1)"))
        await berth_async_session.commit()
        with pytest.raises(exc.IntegrityError):
            await berth_async_session.execute(text("INSERT INTO t VALUES (1)"))
        await berth_async_session.rollback()
        assert await berth_async_session.scalar(text("SELECT count(*) FROM t")) == 1
"""

#: Where only fixtures of pytest-asyncio's own may be async, as the README says.
STRICT = """
    import pytest_asyncio
    from pytest_berth import rollback

    @pytest_asyncio.fixture
    async def berth_async_session(berth_async_engine):
        async with rollback.async_session(berth_async_engine) as session:
            yield session

    @pytest_asyncio.fixture
    async def berth_async_psycopg(berth_lease):
        async with rollback.async_psycopg(berth_lease) as connection:
            yield connection
"""


@pytest.fixture
def suite(project, daemon):
    project.env["BERTH_SOCKET"] = str(daemon.socket)
    project.options.append("--berth")
    project.write("conftest.py", CONFTEST)
    return project


def test_what_a_test_commits_is_gone_after_it(suite):
    suite.without.discard("anyio")
    suite.write("test_sync.py", SYNC)
    anyio = ASYNC.replace("PLUGIN", "anyio").replace(
        "import pytest", "import pytest\n    anyio_backend = pytest.fixture(lambda: 'asyncio')", 1
    )
    suite.write("test_async.py", anyio)

    suite.run("-o", "berth_reset=test").passed(8)


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_under_pytest_asyncio_too(suite, mode):
    suite.take_from_aside("asyncio")
    suite.ini(f"asyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\n")
    suite.write("test_async.py", ASYNC.replace("PLUGIN", "asyncio"))
    if mode == "strict":
        suite.write("test_async.py", STRICT + ASYNC.replace("PLUGIN", "asyncio"))

    suite.run().passed(4)
