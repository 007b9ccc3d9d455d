# SPDX-License-Identifier: MIT
"""Which process takes a lease, and what those that take none find in their environment."""

from __future__ import annotations

import subprocess
import textwrap

import berth
import pytest

from conftest import PYTHON

READS_AT_IMPORT = """
    import os
    URL = os.environ["DATABASE_URL"]
    REDIS_URL = os.environ["REDIS_URL"]
    PGHOST = os.environ["PGHOST"]
    SCHEMA = os.environ["BERTH_SCHEMA"]
"""

FOUR_TESTS = """
    import os
    import conftest
    import pytest

    @pytest.mark.parametrize("n", range(4))
    def test_conftest_saw_the_lease(n, berth_lease, berth_dsn, berth_redis_url):
        assert conftest.URL == os.environ["DATABASE_URL"] == berth_dsn == berth_lease.dsn
        assert conftest.REDIS_URL == os.environ["REDIS_URL"] == berth_redis_url
        assert conftest.SCHEMA == berth_lease.schema
        assert os.environ["BERTH_WORKER"] == os.environ.get("PYTEST_XDIST_WORKER", "master")
        assert os.environ["BERTH_LEASE"] == berth_lease.id
"""


@pytest.fixture
def project(project):
    project.write("conftest.py", READS_AT_IMPORT)
    project.write("test_four.py", FOUR_TESTS)
    return project


def test_each_worker_has_a_lease_before_conftest_is_imported_and_the_controller_none(project, fake):
    result = project.run("-n", 3).passed(4)

    assert sorted(result.schemas()) == ["gw0", "gw1", "gw2"]
    assert len(set(result.schemas().values())) == 3
    assert fake.verbs().count("ACQUIRE") == 3
    assert sorted(fake.released) == ["gw0", "gw1", "gw2"]
    assert "berth: 3 leases, wait " in result.out
    assert f"berth: berthd 0.0-fake at {fake.path}" in result.out


def test_the_run_is_xdists_testrunuid(project, fake):
    project.run("-n", 2, "--testrunuid", "job/4711").passed(4)

    runs = {request[request.index("RUN") + 1] for request in fake.requests if "RUN" in request}
    assert runs == {"job-4711"}


def test_without_xdist_the_worker_is_master(project, fake):
    result = project.run().passed(4)

    assert result.schemas() == {"master": "test_fake_1"}
    assert "berth: 1 lease, wait " in result.out
    assert fake.released == ["master"]


@pytest.mark.parametrize(
    "options, workers",
    [
        (["-n", "0"], ["master"]),
        (["-n0", "--dist=load"], ["master"]),
        (["-p", "no:xdist"], ["master"]),
        (["--dist=loadfile"], ["master"]),
        (["-n1"], ["gw0"]),
        (["--numprocesses=2", "--dist=worksteal"], ["gw0", "gw1"]),
        (["-n2", "--dist=no"], ["gw0", "gw1"]),
        (["-n3", "--maxprocesses=2"], ["gw0", "gw1"]),
        (["--dist=loadscope", "--tx=2*popen"], ["gw0", "gw1"]),
        (["-d", "--tx", "popen", "--tx", "popen"], ["gw0", "gw1"]),
        (["-n", "auto", "--pdb"], ["master"]),
    ],
    ids=" ".join,
)
def test_it_knows_whether_xdist_will_distribute(project, fake, options, workers):
    result = project.run(*options)

    assert sorted(fake.released) == workers
    if "MISSING test execution (tx)" in result.err:
        pytest.skip("this xdist refuses --dist without workers")
    assert sorted(result.passed(4).schemas()) == workers


@pytest.mark.parametrize("count, workers", [("0", ["master"]), ("2", ["gw0", "gw1"])])
def test_auto_is_asked_for_early(project, fake, count, workers):
    project.env["PYTEST_XDIST_AUTO_NUM_WORKERS"] = count

    assert sorted(project.run("-n", "auto").passed(4).schemas()) == workers


def test_options_may_come_from_the_ini_file(project, fake):
    project.options.clear()
    project.env["BERTH_SOCKET"] = str(fake.path)
    project.ini("addopts = -n 2\nberth = true\n")

    assert sorted(project.run().passed(4).schemas()) == ["gw0", "gw1"]
    assert project.run("-o", "berth=false", "-n0").schemas() == {}


def test_auto_that_a_conftest_turns_to_none_is_refused_before_collection(project, fake):
    project.write(
        "conftest.py",
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_xdist_auto_num_workers():
            return 0
        """,
    )
    result = project.run("-n", "auto")

    assert result.status == 4
    assert "say -n 0" in result.err


@pytest.mark.parametrize(
    "count, option",
    [
        *(("0", option) for option in ("--help", "--version", "--fixtures", "--markers")),
        *(("2", option) for option in ("--collect-only", "--fixtures-per-test", "--setup-plan")),
    ],
)
def test_what_runs_no_test_takes_no_lease(project, fake, option, count):
    result = project.run(option, "-n", count)

    assert result.status == 0, result.both
    assert "ACQUIRE" not in fake.verbs()


def test_what_runs_no_test_needs_no_daemon(project):
    project.options += ["--berth", "--berth-socket=/nonexistent/b.sock"]

    assert project.run("--collect-only", "-q").status == 0


def test_a_process_without_a_lease_finds_variables_that_lead_nowhere(project, fake):
    project.env |= {"DATABASE_URL": "postgresql://real/production", "PGHOST": "real"}
    project.write(
        "conftest.py",
        """
        import os, sys
        def pytest_configure(config):
            if not hasattr(config, "workerinput"):
                for name in ("DATABASE_URL", "PGHOST", "BERTH_SCHEMA", "BERTH_LEASE"):
                    print(name, os.environ.get(name), file=sys.stderr)
        URL = REDIS_URL = SCHEMA = ""
        """,
    )
    result = project.run("-n", 1)

    said = dict(line.split(" ", 1) for line in result.err.splitlines() if line.count(" ") == 1)
    assert "real" not in said["DATABASE_URL"]
    assert "no_lease" in said["DATABASE_URL"]
    assert said["PGHOST"] == "this-process-has-no-berth-lease.invalid"
    assert said["BERTH_SCHEMA"] == "berth_no_lease_here"
    assert said["BERTH_LEASE"] == "None"


def test_what_leads_nowhere_is_understood_by_the_drivers_and_says_why_it_fails():
    program = """
        import psycopg, redis
        from pytest_berth.environment import NOWHERE
        try:
            psycopg.connect(NOWHERE.dsn)
        except psycopg.OperationalError as e:
            print(e)
        try:
            redis.Redis.from_url(NOWHERE.redis_url).ping()
        except redis.ConnectionError as e:
            print(e)
    """
    command = [PYTHON, "-c", textwrap.dedent(program)]
    out = subprocess.run(command, capture_output=True, text=True)

    assert out.stdout.count("this-process-has-no-berth-lease") >= 2, out


def test_a_variable_that_the_lease_has_nothing_for_keeps_its_value_in_the_workers(
    make_fake, project
):
    fake = make_fake(redis="none")
    project.options += ["--berth", f"--berth-socket={fake.path}"]
    project.env["REDIS_URL"] = "redis://mine"
    project.write("conftest.py", "")
    project.write(
        "test_four.py",
        """
        import os

        def test_redis_is_as_it_was(berth_lease):
            assert berth_lease.redis == "none"
            assert os.environ["REDIS_URL"] == "redis://mine"
            assert "BERTH_REDIS_DB" not in os.environ
        """,
    )
    project.run("-n", 1).passed(1)
    project.run().passed(1)


def test_a_pytest_that_a_test_starts_is_no_worker(project, fake):
    """It inherits xdist's variables; taken for its worker, it would give that one's lease back."""
    project.write(
        "inner/test_inner.py",
        """
        import os

        def test_inside(berth_lease):
            assert berth_lease.schema == os.environ["BERTH_SCHEMA"]
            assert berth_lease.schema != os.environ["OUTER"]
        """,
    )
    project.write(
        "test_four.py",
        """
        import os, subprocess, sys
        import pytest

        ARGS = ["--berth", "-p", "no:cacheprovider", "inner"]

        @pytest.fixture(autouse=True)
        def lease_stays(berth_lease, monkeypatch):
            monkeypatch.setenv("OUTER", berth_lease.schema)
            yield
            assert os.environ["BERTH_SCHEMA"] == berth_lease.schema

        @pytest.mark.parametrize("count", ["-n0", "-n1"])
        def test_as_a_process(count):
            command = [sys.executable, "-m", "pytest", count, *ARGS]
            done = subprocess.run(command, capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr

        @pytest.mark.parametrize("count", ["-n0", "-n1"])
        def test_in_process(count):
            assert pytest.main([count, *ARGS]) == 0
        """,
    )
    project.run("-n", 1, "test_four.py").passed(4)

    assert fake.released[-1] == "gw0"
    assert len(fake.released) == 5


def test_two_sessions_that_call_themselves_the_same_are_kept_apart(project, fake):
    """The same (run, worker) is the same lease: the first to end would take it from the other."""
    project.write("test_four.py", "def test_nothing(): pass\n")
    with berth.connect(fake.path) as other:
        other.acquire("gw0", run="fixed")
        result = project.run("-n", 1, "--testrunuid=fixed")

        assert result.status == 4, result.both
        assert "at work in another pytest session" in result.err
        assert "fixed/gw0" in fake.leases
    assert fake.released == []


def test_a_worker_that_is_replaced_gets_a_lease_of_its_own(project, fake):
    project.write(
        "test_four.py",
        """
        import os, signal

        def test_dies():
            if os.environ["PYTEST_XDIST_WORKER"] == "gw0":
                os.kill(os.getpid(), signal.SIGKILL)

        def test_lives(berth_lease):
            assert berth_lease.worker == os.environ["PYTEST_XDIST_WORKER"]
        """,
    )
    result = project.run("-n", 1)

    assert result.counts() == {"passed": 1, "failed": 1}
    assert sorted(result.schemas()) == ["gw0", "gw1"]
    assert "berth: 2 leases" in result.out
    assert fake.released == ["gw1"]


def test_stopping_at_a_failure_and_going_on_with_it_leave_no_lease(project, fake):
    project.without.discard("cacheprovider")
    project.write("test_four.py", FOUR_TESTS + "        assert n != 0\n")

    assert project.run("-x", "-n", 2).counts()["failed"] == 1
    assert project.run("--lf").counts() == {"failed": 1}
    assert fake.leases == {} and fake.released[-1] == "master"
