# SPDX-License-Identifier: MIT
"""What cannot be done is said once, before collection, with a way out; and nothing is kept."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess

import pytest

from fake_berthd import Refusal
from harness import eventually
from harness.wait import SLOW

COUNTS = pytest.mark.parametrize("count", ["0", "2"])


@pytest.fixture
def project(project):
    project.write("test_one.py", "def test_one(): pass\n")
    return project


def refused(result) -> str:
    """Asserts that there is one usage error and nothing was run; its text."""
    assert result.status == 4, result.both
    errors = [line for line in result.both.splitlines() if "ERROR" in line]
    assert len(errors) == 1, result.both
    assert "Traceback" not in result.both
    assert "passed" not in result.out
    return errors[0] + result.err.partition(errors[0])[2]


@COUNTS
def test_without_a_daemon_there_is_one_error_that_names_the_socket_and_the_ways_out(project, count):
    error = refused(project.run("--berth", "--berth-socket=/nonexistent/b.sock", "-n", count))

    assert "/nonexistent/b.sock: No such file or directory" in error
    for way_out in ("--berth=private", "berth run -- pytest", "--berth-socket", "berth=false"):
        assert way_out in error


@COUNTS
def test_what_is_no_daemon_is_told(project, make_fake, count):
    fake = make_fake()
    fake.on["HELLO"] = lambda args: Refusal("ERR what is HELLO?")

    assert "what is HELLO?" in refused(
        project.run("--berth", f"--berth-socket={fake.path}", "-n", count)
    )


@COUNTS
def test_a_lease_that_is_refused_ends_the_run_at_once(project, fake, count):
    fake.on["ACQUIRE"] = lambda args: Refusal(
        "INUSE schema test_gw0 belongs to run 4f2a worker gw3"
    )

    error = refused(project.run("-n", count))

    assert "got no lease: INUSE schema test_gw0 belongs to run 4f2a worker gw3" in error
    assert fake.verbs().count("ACQUIRE") <= 4  # xdist would start each worker again, four times


def waiting(fake, **changes):
    """Makes the fake answer that everybody is queued."""

    def acquire(args):
        lease = dict.fromkeys(fake._new(1, args[0], {}))
        return lease | {
            "lease": "fake-1", "run": "r", "worker": args[0], "state": "queued", "position": 3,
            "kind": "schema", "why": "all 15 Redis databases are leased", **changes,
        }  # fmt: skip

    fake.on["ACQUIRE"] = acquire


@COUNTS
def test_a_lease_that_does_not_come_in_time_ends_the_run_and_says_what_it_waited_for(
    project, fake, count
):
    waiting(fake)

    error = refused(project.run("-o", "berth_wait=0.2", "-n", count))

    assert "still queued at position 3 after 0.2 s: all 15 Redis databases are leased" in error


@COUNTS
def test_while_it_waits_it_says_for_what(project, fake, count):
    waiting(fake)
    workers = ["master"] if count == "0" else ["gw0", "gw1", "gw2", "gw3"]

    result = project.run("-o", "berth_wait=1.2", "-n", count)

    line = "[Worker {}] Waiting: all 15 Redis databases are leased"
    assert any(line.format(worker) in result.err for worker in workers), result.both


@pytest.mark.parametrize(
    "setting, says",
    [
        ("berth_kind=cluster", "it may be schema, database"),
        ("berth_redis=yes", "it may be acl, index, private, none"),
        ("berth_wait=soon", "a number of seconds"),
        ("berth_wait=-1", "a number of seconds"),
        ("berth_name=test_{gw}", "it may hold {worker} and {run}"),
        ("berth_name=test_{", "it may hold {worker} and {run}"),
        ("berth_env=DATABASE_URL", "not NAME=FORMAT"),
        ("berth_env=DATABASE_URL={url}", "there are {dsn} {dsn_tail}"),
        ("berth_env=DATABASE_URL={dsn!r}", "without : and !"),
        ("berth_env=DATABASE_URL={dsn", "expected '}'"),
    ],
)
def test_a_setting_that_cannot_be_followed_is_refused(project, fake, setting, says):
    assert says in refused(project.run("-o", setting, "-n", "2"))
    assert "ACQUIRE" not in fake.verbs()


@COUNTS
def test_a_field_that_the_lease_has_nothing_for_is_told(project, make_fake, count):
    fake = make_fake(redis="none")
    project.options += ["--berth", f"--berth-socket={fake.path}"]
    project.ini("berth_env = CACHE=redis://{redis_host}\n")

    assert "CACHE needs {redis_host}, which this lease has not" in refused(project.run("-n", count))
    eventually(lambda: fake.leases == {})


def test_a_url_that_cannot_hold_a_socket_directory_is_refused_with_the_form_that_can(
    project, make_fake
):
    fake = make_fake(host="/run/postgresql")
    project.options += ["--berth", f"--berth-socket={fake.path}"]
    project.ini(
        "berth_env = DATABASE_URL=postgresql+asyncpg://{user}:{password}@{host}:{port}/{dbname}\n"
    )
    error = refused(project.run())

    assert "{host} is /run/postgresql" in error
    assert "postgresql+asyncpg://{dsn_tail}" in error


def test_the_fixtures_say_what_they_need(project):
    project.write(
        "test_one.py",
        """
        def test_lease(berth_lease): pass
        def test_dsn(berth_dsn): pass
        """,
    )
    result = project.run()

    assert result.counts() == {"error": 2}
    assert result.out.count("UsageError: berth's fixtures need --berth") >= 2


def test_the_redis_fixture_says_when_there_is_no_redis(make_fake, project):
    fake = make_fake(redis="none")
    project.write("test_one.py", "def test_url(berth_redis_url): pass\n")

    result = project.run("--berth", f"--berth-socket={fake.path}")

    assert "this lease has no Redis: set berth_redis" in result.out


@pytest.mark.parametrize(
    "count, conftest, test",
    [
        ("0", "", "this is no Python\n"),
        ("2", "", "import nothing_of_that_name\n"),
        ("0", "import nothing_of_that_name\n", ""),
        ("0", "def pytest_configure(config): raise RuntimeError('no')\n", ""),
        ("2", "def pytest_sessionstart(session): raise RuntimeError('no')\n", ""),
        ("0", "def pytest_unconfigure(config): raise RuntimeError('no')\n", "def test_a(): pass\n"),
        ("2", "import pytest\npytest.exit('enough')\n", ""),
    ],
)
def test_the_lease_is_given_back_however_badly_the_run_goes(project, fake, conftest, test, count):
    project.write("conftest.py", conftest)
    project.write("test_one.py", test)

    assert project.run("-n", count).status != 0
    eventually(lambda: fake.leases == {})
    if count == "0":
        assert fake.released == ["master"]


@pytest.mark.parametrize("count", ["0", "2"])
def test_a_lease_that_is_lost_during_the_run_is_told_at_the_end(project, fake, count):
    def gone(args):
        if fake.verbs()[-2:].count("LEASE") and any("test_started" in r for r in fake.requests):
            raise Refusal("NOLEASE the daemon was restarted")
        return fake._lease(args, None)

    fake.on["LEASE"] = gone
    project.write(
        "test_one.py",
        """
        import os
        import berth

        def test_one():
            with berth.connect() as client:
                try:
                    client.command("test_started")
                except berth.BerthError:
                    pass
        """,
    )
    result = project.run("-n", count)

    worker = "master" if count == "0" else "gw0"
    assert f"berth: {worker} lost its lease before the end" in result.out, result.both
    assert "NOLEASE the daemon was restarted" in result.out


def test_a_daemon_that_goes_away_before_the_end_leaves_the_results_alone(project, fake):
    fake.on["RELEASE"] = lambda args: Refusal("NOLEASE who?")

    project.run("-n", 2).passed(1)


@pytest.mark.parametrize("count", ["0", "2"])
def test_ctrl_c_gives_the_lease_back(project, fake, count):
    project.write(
        "test_one.py",
        """
        import pathlib, time, pytest

        @pytest.mark.parametrize("n", range(8))
        def test_one(n, berth_lease):
            pathlib.Path("running-" + berth_lease.worker).touch()
            time.sleep(60)
        """,
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with project.popen("-n", count, start_new_session=True, **quiet) as process:
        try:
            running = max(1, int(count))
            eventually(lambda: len(list(project.path.glob("running-*"))) == running)
            os.killpg(process.pid, signal.SIGINT)
            assert process.wait(30 * SLOW) == 2
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    eventually(lambda: fake.leases == {})
    if count == "0":
        assert fake.released == ["master"]


# -- what is seen


def on_a_terminal(project, *args) -> str:
    """What a run writes to a terminal."""
    ours, theirs = pty.openpty()
    process = project.popen(*args, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    out = b""
    while select.select([ours], [], [], 30 * SLOW)[0]:
        try:
            data = os.read(ours, 65536)
        except OSError:
            break
        out += data
    process.wait(30 * SLOW)
    os.close(ours)
    return out.decode()


def test_on_a_terminal_each_worker_has_a_line_of_its_own(project, fake):
    out = on_a_terminal(project, "-n", "3", "--color=no")

    shown = [line.rpartition("\r")[2].rstrip() for line in out.split("\r\n")]
    lines = sorted(line for line in shown if "[Worker" in line)
    assert [line.rpartition("_")[0] for line in lines] == [
        f"[Worker gw{i}] Using schema: test_fake" for i in range(3)
    ]


def test_quiet_is_quiet(project, fake):
    for count in ("0", "2"):
        out = project.run("-q", "-n", count).out
        assert "Worker" not in out
        assert "berth" not in out


def test_a_database_is_called_one(project, fake):
    result = project.run("-o", "berth_kind=database")

    assert "[Worker master] Using database: app" in result.out


@pytest.mark.parametrize("forget", [False, True])
def test_a_daemon_that_is_started_again_goes_on_with_the_lease_or_has_lost_it(
    project, fake, forget
):
    fake.on["RESTART"] = lambda args: fake.restart(forget)
    project.write(
        "test_one.py",
        """
        import berth, contextlib
        from pytest_berth.plugin import holder_of

        def test_one(pytestconfig):
            with contextlib.suppress(berth.BerthError), berth.connect(reattach=0) as client:
                client.command("RESTART")
            holder_of(pytestconfig).client.ping()  # told while this one runs, and passes

        def test_another(berth_clean): pass
        """,
    )
    result = project.run()

    lost = "[Worker master] Lost its lease fake-1: NOLEASE no lease fake-1"
    assert result.both.count(lost) == forget, result.both
    assert result.counts() == ({"passed": 1, "error": 1} if forget else {"passed": 2}), result.both
    assert fake.released == ([] if forget else ["master"])
