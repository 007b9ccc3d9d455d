# SPDX-License-Identifier: MIT
"""The plugin, a real berthd, a real PostgreSQL and a real Redis, as people use them together."""

from __future__ import annotations

import os
import signal
import subprocess

import berth
import pytest

from harness import eventually
from harness.wait import SLOW

#: An application that reads its environment when it is imported and a suite that would break
#: itself: every worker makes the same tables and types and flushes the cache.
APPLICATION = """
    import os
    import psycopg
    import redis

    connection = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    cache = redis.Redis.from_url(os.environ["REDIS_URL"], decode_responses=True)
    SCHEMA = connection.execute("SELECT current_schema").fetchone()[0]
"""

CONFTEST = """
    import os, sys
    import pytest

    URL = os.environ["DATABASE_URL"]

    @pytest.fixture(scope="session")
    def app():
        import app
        app.connection.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        app.connection.execute("CREATE TABLE t (n int PRIMARY KEY, m mood)")
        yield app
        app.connection.close()
        app.cache.close()
"""

TESTS = """
    import os
    import pytest

    @pytest.mark.parametrize("n", range(40))
    def test_nobody_else_is_here(app, n, berth_lease):
        assert app.SCHEMA == berth_lease.schema == os.environ["BERTH_SCHEMA"]
        app.connection.execute("TRUNCATE t")
        app.connection.execute("INSERT INTO t VALUES (1, 'ok')")
        app.cache.flushdb()
        app.cache.set("mine", n)
        assert app.connection.execute("SELECT count(*) FROM t").fetchone() == (1,)
        assert app.cache.dbsize() == 1
"""


@pytest.fixture
def project(project, daemon):
    project.env["BERTH_SOCKET"] = str(daemon.socket)
    project.options.append("--berth")
    project.write("app.py", APPLICATION)
    project.write("conftest.py", CONFTEST)
    project.write("test_app.py", TESTS)
    return project


def test_four_workers_do_not_see_each_other(project, daemon):
    result = project.run("-n", 4).passed(40)

    assert sorted(result.schemas()) == ["gw0", "gw1", "gw2", "gw3"]
    assert all(schema.startswith("test_") for schema in result.schemas().values())
    assert "berth: 4 leases, wait " in result.out


def test_a_single_process_has_a_schema_of_its_own_and_never_public(project):
    schemas = project.run().passed(40).schemas()

    assert schemas["master"].startswith("test_")


def test_two_runs_at_once_do_not_see_each_other(project):
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    runs = [project.popen("-n", 2, **quiet) for _ in range(2)]
    outs = [run.communicate(timeout=100 * SLOW)[0] for run in runs]

    assert [run.returncode for run in runs] == [0, 0], outs


def test_a_killed_worker_leaves_nothing_and_its_replacement_has_its_own(project, daemon):
    project.write(
        "test_app.py",
        """
        import os, pathlib, signal

        def test_dies(app, berth_lease):
            pathlib.Path("dead").write_text(berth_lease.schema)
            app.cache.set("left", "behind")
            app.connection.execute("BEGIN; LOCK TABLE t")
            os.kill(os.getpid(), signal.SIGKILL)

        def test_lives(app, berth_lease):
            assert berth_lease.schema != pathlib.Path("dead").read_text()
        """,
    )
    result = project.run("-n", 1)

    assert result.counts() == {"passed": 1, "failed": 1}, result.both
    dead = (project.path / "dead").read_text()
    assert sorted(result.schemas()) == ["gw0", "gw1"]
    assert result.schemas()["gw0"] == dead
    eventually(lambda: not daemon.pg.schema_exists(dead) and not daemon.pg.role_exists(dead))
    assert daemon.pg.sessions(dead) == 0


def test_a_killed_run_leaves_nothing(project, daemon):
    project.write(
        "test_app.py",
        """
        import pathlib, time, pytest

        @pytest.mark.parametrize("n", range(8))
        def test_sleeps(app, n, berth_lease):
            pathlib.Path("running-" + berth_lease.worker).touch()
            time.sleep(100)
        """,
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with project.popen("-n", 2, start_new_session=True, **quiet) as process:
        try:
            eventually(lambda: len(list(project.path.glob("running-*"))) == 2, 30)
        finally:
            os.killpg(process.pid, signal.SIGKILL)

    client = daemon.client()
    eventually(lambda: client.leases() == [])


def test_an_exact_name_is_taken_and_a_second_run_is_told_whose_it_is(project, daemon):
    project.ini("berth_name = test_{worker}\n")
    assert project.run("-n", 2).passed(40).schemas() == {"gw0": "test_gw0", "gw1": "test_gw1"}

    with berth.connect(daemon.socket) as other:
        other.acquire("mine", run="other", name="test_gw0")
        result = project.run("-n", 1)

    assert result.status == 4
    assert "got no lease: INUSE" in result.err
    assert "other" in result.err


def test_a_database_of_its_own_is_leased_when_asked(project):
    project.write(
        "test_app.py",
        """
        import pytest

        @pytest.mark.parametrize("n", range(4))
        def test_public_is_ours(app, n, berth_lease):
            assert app.SCHEMA == berth_lease.schema == "public"
            where = app.connection.execute("SELECT current_database()::text").fetchone()
            assert where == (berth_lease.dbname,)
        """,
    )
    result = project.run("-n", 2, "-o", "berth_kind=database").passed(4)

    assert len(set(result.schemas().values())) == 2


@pytest.mark.parametrize("redis", ["acl", "index", "private", "none"])
def test_redis_is_isolated_as_asked(project, redis):
    project.write(
        "test_app.py",
        f"""
        def test_redis(berth_lease):
            assert berth_lease.redis == "{redis}"
            assert (berth_lease.redis_url is None) is {redis == "none"}
        """,
    )
    project.run("-o", f"berth_redis={redis}").passed(1)


def test_a_daemon_without_redis_serves_suites_without_redis(project, make_daemon):
    daemon = make_daemon(redis=None)
    project.env["BERTH_SOCKET"] = str(daemon.socket)
    project.write(
        "test_app.py", "def test_it(berth_dsn, berth_lease): assert not berth_lease.redis_url\n"
    )

    project.run().passed(1)


def test_when_everything_is_taken_a_run_waits_for_another_to_end(project, make_daemon, make_redis):
    """One Redis database, two runs: the second has its turn when the first is done."""
    daemon = make_daemon(redis=make_redis(databases=3))
    project.env["BERTH_SOCKET"] = str(daemon.socket)
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    runs = [project.popen("-o", "berth_wait=60", **quiet) for _ in range(3)]
    outs = [run.communicate(timeout=100 * SLOW)[0] for run in runs]

    assert [run.returncode for run in runs] == [0, 0, 0], outs


def test_a_forked_child_does_not_keep_the_lease_of_a_dead_worker(project, daemon):
    project.write(
        "test_app.py",
        """
        import os, signal, pathlib

        def test_dies(app, berth_lease):
            child = os.fork()
            if child == 0:
                os.close(1)
                signal.alarm(60)
                signal.pause()
                os._exit(0)
            pathlib.Path("child").write_text(str(child))
            pathlib.Path("dead").write_text(berth_lease.schema)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    project.ini("addopts = -p no:faulthandler\n")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with project.popen(**quiet) as process:
        process.wait(60 * SLOW)
    child = int((project.path / "child").read_text())
    try:
        dead = (project.path / "dead").read_text()
        eventually(lambda: not daemon.pg.schema_exists(dead))
        os.kill(child, 0)  # it is still there
    finally:
        os.kill(child, signal.SIGKILL)
