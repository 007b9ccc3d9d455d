# SPDX-License-Identifier: MIT
"""The variables that are set, the formats of berth_env, and the drivers that read them."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess

import berth
import psycopg
import pytest
import redis
from pytest_berth import environment

from conftest import PYTHON

# -- the table


def shown(project, *args) -> dict[str, str]:
    """The environment that a project's test sees."""
    project.write(
        "test_env.py",
        """
        import json, os, pathlib
        def test_env():
            pathlib.Path("env.json").write_text(json.dumps(dict(os.environ)))
        """,
    )
    project.run(*args).passed(1)
    return json.loads((project.path / "env.json").read_text())


def test_the_usual_variables_are_set(project, fake):
    env = shown(project)

    assert "PGOPTIONS" not in env  # its role has a schema of its own
    usual = environment.DEFAULT.keys() - {"BERTH_RUN", "PGOPTIONS"}
    assert {name: env[name] for name in usual} == {
        "BERTH_SOCKET": str(fake.path),
        "BERTH_LEASE": "fake-1",
        "BERTH_FENCE": "1",
        "BERTH_SCHEMA": "test_fake_1",
        "BERTH_WORKER": "master",
        "BERTH_REDIS_DB": "1",
        "DATABASE_URL": "postgresql://test_fake_1:s3cret@db.example:5432/app",
        "REDIS_URL": "redis://test_fake_1:s3cret@cache.example:6379/1",
        "PGHOST": "db.example",
        "PGPORT": "5432",
        "PGDATABASE": "app",
        "PGUSER": "test_fake_1",
        "PGPASSWORD": "s3cret",
    }
    assert env["BERTH_RUN"]


def test_every_session_is_a_run_of_its_own(project, fake):
    assert shown(project)["BERTH_RUN"] != shown(project)["BERTH_RUN"]


def test_berth_env_replaces_adds_and_removes(project, fake):
    project.env |= {"PGUSER": "me", "OTHER": "thing"}
    project.ini(
        """
        berth_env =
            DATABASE_URL=postgresql+asyncpg://{dsn_tail}
            DJANGO_DB_NAME = {dbname}
            BRACES={{{worker}}}
            PLAIN=as it is
            PGUSER=
            NEVER_THERE=
        """
    )
    env = shown(project)

    assert env["DATABASE_URL"] == "postgresql+asyncpg://test_fake_1:s3cret@db.example:5432/app"
    assert env["DJANGO_DB_NAME"] == "app"
    assert env["BRACES"] == "{master}"
    assert env["PLAIN"] == "as it is"
    assert env["REDIS_URL"].startswith("redis://")
    assert env["OTHER"] == "thing"
    assert "PGUSER" not in env
    assert "NEVER_THERE" not in env


@pytest.mark.parametrize("count", ["0", "1"])
def test_every_field_can_be_named(project, fake, count):
    names = list(environment.fields_of(environment.NOWHERE, ""))
    names.remove("redis_socket")  # the fake's Redis has none
    fake.options = "-c search_path=test_fake,public"
    project.ini("berth_env = ALL=" + "|".join(f"{{{name}}}" for name in names) + "\n")

    assert shown(project, "-n", count)["ALL"].count("|") == len(names) - 1


def test_settings_of_libpq_that_lead_past_the_lease_are_removed(project, fake):
    project.env |= {
        "PGHOSTADDR": "10.0.0.1",
        "PGSERVICE": "production",
        "PGOPTIONS": "-c Search_Path=public",
        "PGSSLMODE": "disable",
    }
    env = shown(project)

    assert not {"PGHOSTADDR", "PGSERVICE", "PGOPTIONS"} & env.keys()
    assert env["PGSSLMODE"] == "disable"
    project.env["PGOPTIONS"] = "-c jit=off"
    assert shown(project)["PGOPTIONS"] == "-c jit=off"


def test_where_leases_share_a_role_libpq_is_told_which_schema_is_whose(project, fake):
    fake.options = "-c search_path=test_fake_1,public"
    project.env["PGOPTIONS"] = "-c search_path=other"
    assert shown(project)["PGOPTIONS"] == fake.options


@pytest.mark.parametrize("count", ["0", "1"])
def test_others_that_set_variables_do_not_lead_past_the_lease(project, fake, count):
    """pytest-env at the same time, python-dotenv when a conftest asks, pydantic-settings at last."""
    project.take_from_aside("env")
    project.ini("env =\n    DATABASE_URL=postgresql://env/shared\n    MODE=env\n    D:PGHOST=env\n")
    project.write(".env", "DATABASE_URL=postgresql://dotenv/shared\nMODE=dotenv\nONLY=dotenv\n")
    project.write(
        "conftest.py",
        """
        from dotenv import load_dotenv
        from pydantic_settings import BaseSettings

        load_dotenv(".env")

        class Settings(BaseSettings, env_file=".env", extra="ignore"):
            database_url: str
            mode: str
            only: str
        """,
    )
    project.write(
        "test_it.py",
        """
        import os
        from conftest import Settings

        def test_settings(berth_lease):
            settings = Settings()
            assert settings.database_url == os.environ["DATABASE_URL"] == berth_lease.dsn
            assert (settings.mode, settings.only) == ("env", "dotenv")
            assert os.environ["PGHOST"] == berth_lease.host
        """,
    )
    project.run("-n", count).passed(1)


def test_the_environment_is_as_before_when_pytest_returns(project, fake):
    project.write("test_nothing.py", "def test_nothing(): pass\n")
    project.write(
        "embed.py",
        f"""
        import os, pytest
        os.environ |= {{"DATABASE_URL": "mine", "PGSERVICE": "mine"}}
        before = dict(os.environ)
        for count in ("-n0", "-n1"):
            args = [count, "--berth", "--berth-socket={fake.path}", "-p", "no:cacheprovider"]
            assert pytest.main([*args, "test_nothing.py"]) == 0
            after = dict(os.environ)
            assert after == before, set(after.items()) ^ set(before.items())
        """,
    )
    done = subprocess.run(
        [PYTHON, "embed.py"], cwd=project.path, env=project.environment(), capture_output=True
    )
    assert done.returncode == 0, done


def test_an_exact_name_may_be_asked_for(project, fake):
    project.ini("berth_name = test_{worker}\n")

    assert project.run("-n", 2, "--berth-name=t_{run}_{worker}", "--testrunuid=r").schemas() in (
        {"gw0": "t_r_gw0", "gw1": "t_r_gw1"},
    )
    assert shown(project)["BERTH_SCHEMA"] == "test_master"


def test_kind_redis_wait_and_label_reach_the_daemon(project, fake):
    project.ini("berth_kind = database\nberth_redis = index\n")
    shown(project)

    (words,) = [request for request in fake.requests if request[0] == "ACQUIRE"]
    options = dict(zip(words[2::2], words[3::2]))
    assert (
        options.items() >= {"KIND": "database", "REDIS": "index", "LABEL": "pytest project"}.items()
    )


# -- the drivers


@pytest.fixture(params=["over TCP", "over a Unix socket"])
def lease(request, make_daemon, pg, redis_server):
    """A real lease of servers that are reached one way or the other."""
    tcp = request.param == "over TCP"
    daemon = make_daemon(pg_dsn=pg.dsn(tcp=tcp), redis_url=redis_server.url(tcp=tcp))
    with berth.connect(daemon.socket) as client:
        lease = client.acquire("gw0")
        assert lease.host.startswith("/") is not tcp
        yield lease


def url(lease, form: str) -> str:
    """What berth_env makes of a format."""
    table = environment.parse([f"URL={form}"])
    return environment.changes(table, environment.fields_of(lease, ""))["URL"]


WHERE = "SELECT current_schema::text || ' ' || current_user"


def where(lease) -> str:
    return f"{lease.schema} {lease.user}"


def test_psycopg_understands_the_dsn(lease):
    with psycopg.connect(url(lease, "{dsn}")) as connection:
        assert connection.execute(WHERE).fetchone() == (where(lease),)


def test_asyncpg_understands_the_dsn(lease):
    asyncpg = pytest.importorskip("asyncpg")

    async def ask():
        connection = await asyncpg.connect(url(lease, "{dsn}"))
        try:
            return await connection.fetchval(WHERE)
        finally:
            await connection.close()

    assert asyncio.run(ask()) == where(lease)


def test_psql_understands_the_dsn(lease):
    out = subprocess.check_output(["psql", "-XAtc", WHERE, url(lease, "{dsn}")], text=True)

    assert out.strip() == where(lease)


def test_sqlalchemy_with_psycopg_understands_the_tail_of_the_dsn(lease):
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(url(lease, "postgresql+psycopg://{dsn_tail}"))

    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text(WHERE)) == where(lease)
    engine.dispose()


def test_sqlalchemy_with_asyncpg_understands_the_tail_of_the_dsn(lease):
    pytest.importorskip("asyncpg")
    pytest.importorskip("greenlet")
    sqlalchemy = pytest.importorskip("sqlalchemy")
    asyncio_ = pytest.importorskip("sqlalchemy.ext.asyncio")

    async def ask():
        engine = asyncio_.create_async_engine(url(lease, "postgresql+asyncpg://{dsn_tail}"))
        async with engine.connect() as connection:
            found = await connection.scalar(sqlalchemy.text(WHERE))
        await engine.dispose()
        return found

    assert asyncio.run(ask()) == where(lease)


@pytest.mark.parametrize("dsn", ["", "postgresql://"])
def test_the_same_empty_dsn_fits_every_worker(lease, dsn, monkeypatch):
    """For suites that put their DSN into test ids, which xdist wants to be the same everywhere."""
    wanted = environment.changes(environment.DEFAULT, environment.fields_of(lease, ""))
    for name, value in wanted.items():
        if name.startswith("PG") and value is not None:
            monkeypatch.setenv(name, value)

    with psycopg.connect(dsn) as connection:
        assert connection.execute(WHERE).fetchone() == (where(lease),)
    out = subprocess.check_output(["psql", "-XAtc", WHERE], text=True, env=dict(os.environ))
    assert out.strip() == where(lease)


def test_redis_py_understands_the_redis_url(lease):
    with redis.Redis.from_url(url(lease, "{redis_url}"), decode_responses=True) as kv:
        assert kv.acl_whoami() == lease.redis_user
        kv.set("here", 1)
        assert kv.client_info()["db"] == lease.redis_db


def test_redis_py_understands_the_redis_url_asynchronously(lease):
    import redis.asyncio

    async def ask():
        kv = redis.asyncio.Redis.from_url(url(lease, "{redis_url}"))
        try:
            return (await kv.client_info())["db"]
        finally:
            await kv.aclose()

    assert asyncio.run(ask()) == lease.redis_db
