# SPDX-License-Identifier: MIT
"""`berth run` leaves no process, no file and no shared memory, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import random
import signal
import subprocess
import time

import psycopg
import pytest
from harness.process import children
from harness.resp import Client
from harness.wait import eventually, stays

from test_run import (
    SLOW,
    TIMEOUT,
    Run,
    alive,
    berth,  # noqa: F401 (a fixture)
    cmdline,
    nothing_is_left,
    processes,
    python,
    said,
    users_of,
    warm_cache,  # noqa: F401 (a fixture)
)

# Detaches in every way there is, does not listen to anybody, and keeps a connection open.
ORPHAN = """
import subprocess
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            signal.signal(sig, signal.SIG_IGN)
        import socket
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.environ["BERTH_SOCKET"])
        s.sendall(b"ACQUIRE orphan WAIT 10000\\r\\n")
        s.recv(65536)
        os.chdir("/")
        os.set_inheritable(s.fileno(), True)
        os.dup2(os.open("/dev/null", os.O_RDWR), 1)
        os.dup2(1, 2)
        os.dup2(1, 0)
        os.write(write, b"%d" % os.getpid())
        forever = "import signal\\nwhile True: signal.pause()"
        os.execve(sys.executable, [sys.executable, "-I", "-c", forever], {})
    os._exit(0)
orphan = os.read(read, 20).decode()
out(os.environ["BERTH_SOCKET"])
out(orphan)
"""


def start_with_orphan(berth, then: str) -> tuple[Run, int]:
    run = berth.start(command=python(ORPHAN + then))
    orphan = int(run.line())
    assert alive(orphan)
    return run, orphan


def gone(run: Run) -> None:
    """Nothing is left, at the latest a moment after main was killed."""
    eventually(lambda: run.left() == [], timeout=10, what=f"{run.left()} gone")


@pytest.mark.parametrize("status", [0, 1])
def test_after_the_commands_own_end(berth, status):
    run = berth.start(command=["sh", "-c", f"echo $BERTH_SOCKET; cat; exit {status}"])

    assert run.finish() == status

    nothing_is_left(run)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_after_a_signal(berth, sig):
    run = berth.start(
        command=python(
            'out(os.environ["BERTH_SOCKET"]); signal.signal(2, signal.SIG_DFL)\nsignal.pause()'
        )
    )

    run.signal(sig)

    assert run.process.wait(TIMEOUT) == -sig
    nothing_is_left(run)


def test_after_ctrl_c_with_a_connection_in_a_transaction(berth):
    """What a test session that is interrupted looks like to PostgreSQL."""
    run = berth.start()
    with psycopg.connect(f"host={run.dir}/pg user=postgres dbname=app") as conn:
        conn.execute("CREATE TABLE t AS SELECT generate_series(1, 1000)")

        run.signal(signal.SIGINT, group=True)

        assert run.process.wait(TIMEOUT) == -signal.SIGINT
        nothing_is_left(run)
        conn.close()


def test_after_the_command_left_a_daemon_that_ignores_signals(berth):
    run, orphan = start_with_orphan(berth, "sys.exit(5)")

    assert run.finish() == 5

    assert not alive(orphan)
    nothing_is_left(run)


def test_a_leftover_that_listens_may_tidy_up(berth, tmp_path):
    """It is asked first (SIGTERM) and killed only a second later."""
    tidy = tmp_path / "tidy"
    source = f"""
import time
if os.fork() == 0:
    signal.signal(signal.SIGTERM, lambda *_: (open({str(tidy)!r}, "w").close(), os._exit(0)))
    out(os.environ["BERTH_SOCKET"])
    while True:
        signal.pause()
os.read(0, 1)
"""
    run = berth.start(command=python(source))

    assert run.finish() == 0

    assert tidy.exists()
    nothing_is_left(run)


@pytest.mark.parametrize("whole_group", [False, True], ids=["main", "the-group"])
def test_after_sigkill(berth, whole_group):
    run, orphan = start_with_orphan(berth, "sys.stdin.read()")

    run.signal(signal.SIGKILL, group=whole_group)

    assert run.process.wait(TIMEOUT) == -signal.SIGKILL
    gone(run)
    assert not alive(orphan)


@pytest.mark.alone
def test_after_sigkill_of_the_keeper(berth):
    run, orphan = start_with_orphan(berth, "sys.stdin.read()")

    os.kill(run.keeper, signal.SIGKILL)

    assert run.process.wait(TIMEOUT) == -signal.SIGTERM  # which the kernel sent to the command
    assert not alive(orphan)
    nothing_is_left(run)
    assert b"the keeper was killed" in run.process.stderr.read()


@pytest.mark.alone
def test_after_sigkill_of_main_and_keeper_the_kernel_and_the_next_run_do_it(berth):
    run = berth.start(command=["sh", "-c", "echo $BERTH_SOCKET; sleep 1000"])
    with Client(run.socket) as client:
        client("ACQUIRE", "gw0", "REDIS", "private", "WAIT", 10000)
        servers = [run.server(name) for name in ("postgres", "redis", "berthd")]
        servers += children(run.server("berthd"))
        assert len(servers) == 4

        os.kill(run.keeper, signal.SIGSTOP)  # so that it cannot begin to clean up in between
        os.kill(run.pid, signal.SIGKILL)
        os.kill(run.keeper, signal.SIGKILL)

        eventually(lambda: not any(alive(p) for p in servers))
    assert os.path.isdir(run.dir)
    assert berth.run(command=["true"]).returncode == 0
    gone(run)


@pytest.mark.alone
def test_the_next_run_sweeps_what_a_killed_postgresql_left_too(berth):
    """Killed, it leaves its shared memory; stopped, a backend survives it."""
    run = berth.start()
    with psycopg.connect(f"host={run.dir}/pg user=postgres dbname=app") as conn:
        backend = conn.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        os.kill(run.keeper, signal.SIGSTOP)
        for pid in (run.postgres, run.pid, run.keeper):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(run.keeper))
        assert alive(backend)
        assert run.dir in run.left() and f"segment {run.segment}" in run.left()

        assert berth.run(command=["true"]).returncode == 0

        gone(run)
        assert not alive(backend)


def test_after_the_postmaster_was_killed(berth, tmp_path):
    said = tmp_path / "stderr"
    with said.open("w") as stderr:
        run = berth.start(stderr=stderr)

    os.kill(run.postgres, signal.SIGKILL)

    eventually(
        lambda: "PostgreSQL ended while the command was running (signal 9" in said.read_text()
    )
    assert run.finish() == 0
    nothing_is_left(run)


def test_a_run_that_is_alive_is_not_swept(berth):
    run = berth.start()

    assert berth.run(command=["true"]).returncode == 0

    assert os.path.exists(run.socket)
    assert run.finish() == 0


def unlocked() -> set[str]:
    """The run directories that are nobody's; others may be running too."""
    found = set()
    for name in glob.glob("/dev/shm/berth-run-*"):
        with contextlib.suppress(OSError):
            fd = os.open(name, os.O_RDONLY)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                found.add(name)
            except BlockingIOError:
                pass
            finally:
                os.close(fd)
    return found


@pytest.mark.alone
@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("cold", [False, True], ids=["warm", "cold"])
def test_at_any_moment_of_the_start(berth, tmp_path, sig, cold):
    if cold:
        berth.env["XDG_CACHE_HOME"] = str(tmp_path)
    seed = random.randrange(1 << 32)
    print("seed", seed)
    rng = random.Random(seed)
    marker = f"berth-test-marker-{seed}"
    berth.env["MARKER"] = marker

    for _ in range(8):
        before = unlocked()
        process = berth.popen(command=["sh", "-c", "kill -USR1 $PPID"], stdin=subprocess.DEVNULL)
        time.sleep(rng.uniform(0, 0.15 * SLOW))  # the moment, not a wait
        process.send_signal(sig)
        process.wait(TIMEOUT)

        eventually(lambda: users_of(marker) == [], what=f"{users_of(marker)} gone")
        # killed between making the directory and starting the keeper: left for the next one's sweep
        for path in unlocked() - before:
            assert sig == signal.SIGKILL and os.listdir(path) == []
            os.rmdir(path)


def test_a_start_that_is_interrupted_ends_of_that_signal(berth, tmp_path):
    berth.env["XDG_CACHE_HOME"] = str(tmp_path)
    process = berth.popen(command=["true"])
    eventually(lambda: any("initdb" in cmdline(p) for p in processes()))

    process.send_signal(signal.SIGTERM)

    assert process.wait(TIMEOUT) == -signal.SIGTERM
    assert said(process.stderr.read().decode()) == ""


def test_stopping_and_going_on_is_no_end(berth):
    """Ctrl-Z stops main and the command; the servers wait."""
    run = berth.start()

    run.signal(signal.SIGSTOP, group=True)
    stays(lambda: os.path.exists(run.socket), 0.3)
    run.signal(signal.SIGCONT, group=True)

    assert run.finish() == 0
    nothing_is_left(run)
