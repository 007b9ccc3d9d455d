# SPDX-License-Identifier: MIT
"""--berth=private: a session that starts its own servers, and leaves nothing of them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from conftest import PYTHON
from harness import eventually, places
from harness.cli import BERTH

#: Tests that find where their servers are, and note it.
TESTS = """
    import os, pathlib, subprocess
    import pytest

    @pytest.mark.parametrize("n", range(4))
    def test_the_servers_are_there(n, berth_lease):
        psql = ["psql", "-AtXc", "SELECT current_schema()", os.environ["DATABASE_URL"]]
        assert subprocess.check_output(psql, text=True).strip() == berth_lease.schema
        assert os.environ["REDIS_URL"] == berth_lease.redis_url
        pathlib.Path(f"seen-{n}").write_text(os.environ["BERTH_SOCKET"])
"""


@pytest.fixture
def project(project):
    project.env["PATH"] = os.pathsep.join(
        [str(BERTH.parent), str(places.pg_bindir()), os.environ["PATH"]]
    )
    project.options.append("--berth=private")
    project.write("test_it.py", TESTS)
    return project


def sockets(project) -> set[str]:
    return {file.read_text() for file in project.path.glob("seen-*")}


def left(sockets: set[str]) -> list[str]:
    """Directories and processes of these servers."""
    homes = [os.path.dirname(socket) for socket in sockets]
    found = [home for home in homes if os.path.exists(home)]
    for process in Path("/proc").iterdir():
        try:
            argv = (process / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        found += [argv for home in homes if home in argv]
    return found


def test_workers_share_servers_that_are_gone_when_pytest_returns(project):
    result = project.run("-n", 2).passed(4)

    assert "berth: private servers, started in" in result.out
    assert len(sockets(project)) == 1
    assert left(sockets(project)) == []


def test_a_session_that_is_killed_leaves_nothing(project):
    """Without xdist, and with a forked child that outlives its parent."""
    project.write(
        "test_it.py",
        TESTS
        + """
    def test_dies():
        import os, signal
        if os.fork() == 0:
            for fd in (1, 2):
                os.close(fd)
            signal.alarm(60)
            signal.pause()
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)
""",
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with project.popen(start_new_session=True, **quiet) as process:
        try:
            assert process.wait(60) == -signal.SIGKILL
            eventually(lambda: left(sockets(project)) == [], 30)
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize(
    "count, variable, value, says",
    [
        ("0", "PATH", "/usr/bin:/bin", "the program berth, which is neither"),
        ("2", "BERTHD", "/nonexistent/berthd", "no berthd: looked at $BERTHD"),
    ],
)
def test_a_program_that_is_missing_is_told_once(project, count, variable, value, says):
    project.env[variable] = value
    result = project.run("-n", count)

    assert result.status == 4
    (error,) = [line for line in result.both.splitlines() if line.startswith("ERROR")]
    assert says in error
    assert "Traceback" not in result.both and "passed" not in result.out


def test_a_daemon_that_answers_is_used(project, fake):
    """As by `berth run` itself; a test that starts pytest with the same options meets this."""
    project.options[:] = ["--berth=private"]
    project.env["BERTH_SOCKET"] = str(fake.path)
    project.write("test_it.py", "def test_it(): pass\n")

    result = project.run("test_it.py").passed(1)

    assert "BERTH_SOCKET names a daemon that answers" in result.out
    assert fake.released == ["master"]


def test_a_socket_beside_it_is_a_contradiction(project):
    result = project.run("--berth-socket=/nonexistent")

    assert result.status == 4 and "one of them is to go" in result.err


def test_what_runs_no_test_starts_nothing(project):
    project.env["PATH"] = os.path.dirname(PYTHON)

    assert project.run("--collect-only", "-q").status == 0


def test_what_is_kept_keeps_its_servers(project):
    project.write("test_it.py", TESTS + "    test_fails = lambda berth_lease: 1 / 0\n")

    result = project.run("--berth-keep")

    dsn = re.search(r"^  psql '(.*)'$", result.out, re.MULTILINE)[1]
    assert subprocess.check_output(["psql", "-AtXc", "SELECT 1", dsn], env=project.env) == b"1\n"
    os.kill(int(re.search(r"kill (\d+) ends them sooner", result.out)[1]), signal.SIGTERM)
    eventually(lambda: left(sockets(project)) == [], 30)
