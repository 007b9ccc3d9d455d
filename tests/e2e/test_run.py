# SPDX-License-Identifier: MIT
"""`berth run`: what a command gets, what it may do, and how its end is passed on."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from conftest import beside
from harness import places
from harness.resp import Client, as_map
from harness.wait import SLOW, eventually

BERTH = Path(os.environ.get("BERTH", places.REPO / "build" / "bin" / "berth"))
DIRECTORY = re.compile(r"/\S*berth-run-\w{6}")
TIMEOUT = 60 * SLOW

# Says where the socket is, then waits for the end of its input. (`exec`: a dash that is just about
# to fork forgets a SIGINT.)
WAIT = ["sh", "-c", "echo $BERTH_SOCKET; exec cat >/dev/null"]


def processes() -> list[int]:
    return [int(p) for p in os.listdir("/proc") if p.isdigit()]


def alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def cmdline(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def mentions(pid: int, word: str) -> bool:
    """Whether a process has `word` in its arguments, environment, directory or open files."""
    try:
        for name in "cmdline", "environ":
            if word.encode() in Path(f"/proc/{pid}/{name}").read_bytes():
                return True
        links = [f"/proc/{pid}/cwd"] + [
            f"/proc/{pid}/fd/{n}" for n in os.listdir(f"/proc/{pid}/fd")
        ]
    except OSError:
        return False
    for link in links:
        with contextlib.suppress(OSError):
            if word in os.readlink(link):
                return True
    return False


def users_of(word: str) -> list[str]:
    return [f"{p} {cmdline(p)}" for p in processes() if p != os.getpid() and mentions(p, word)]


def segments() -> set[tuple[str, str]]:
    """(id, creator's pid) of each System V shared memory segment."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    return {(line.split()[1], line.split()[4]) for line in lines}


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


class Run:
    """A running `berth run`, and what belongs to it."""

    def __init__(self, process: subprocess.Popen):
        self.process = process
        self.pid = process.pid
        line = process.stdout.readline().decode().strip()
        assert line.endswith("/berth.sock"), f"{line!r}\n{self.process.stderr.read().decode()}"
        self.socket = line
        self.dir = os.path.dirname(line)
        postmaster = (Path(self.dir) / "data" / "postmaster.pid").read_text().splitlines()
        self.postgres = int(postmaster[0])
        self.segment = (postmaster[6].split()[1], postmaster[0])
        self.keeper = parent(self.postgres)
        assert self.segment in segments()

    def server(self, name: str) -> int:
        return next(
            p
            for p in processes()
            if name in cmdline(p).partition(" ")[0] and parent(p) == self.keeper
        )

    def signal(self, sig: int, group: bool = False) -> None:
        (os.killpg if group else os.kill)(self.pid, sig)

    def line(self) -> str:
        return self.process.stdout.readline().decode().strip()

    def finish(self) -> int:
        """Ends the command's input; returns the exit status. Reads what is left of the output."""
        out, err = self.process.communicate(timeout=TIMEOUT)
        self.out, self.err = out.decode(), (err or b"").decode()
        return self.process.returncode

    def left(self) -> list[str]:
        """What is still there of this run: processes, the directory, shared memory."""
        found = users_of(os.path.basename(self.dir))
        if os.path.exists(self.dir):
            found.append(self.dir)
        if self.segment in segments():
            found.append(f"segment {self.segment}")
        return found


def nothing_is_left(run: Run) -> None:
    """At once after the end of main there is nothing."""
    assert run.left() == []


class Berth:
    """Starts `berth run`, in a process group of its own."""

    def __init__(self, cache: Path, berth: Path = BERTH, prefix: tuple = ()):
        drop = ("BERTH", "PG", "XDG_")
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
        if "BERTHD" in os.environ:
            self.env["BERTHD"] = os.environ["BERTHD"]
        self.env["XDG_CACHE_HOME"] = str(cache)
        self.berth = berth
        self.prefix = prefix
        self.processes = []

    def popen(self, *options, command=WAIT, **kw) -> subprocess.Popen:
        argv = [*self.prefix, self.berth, "run", *options, "--", *command]
        kw = {"stdin": subprocess.PIPE, "env": self.env, "start_new_session": True} | kw
        kw = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | kw
        process = subprocess.Popen([str(a) for a in argv], **kw)
        self.processes.append(process)
        return process

    def start(self, *options, command=WAIT, **kw) -> Run:
        return Run(self.popen(*options, command=command, **kw))

    def run(self, *options, command, input=b"", **kw) -> subprocess.CompletedProcess:
        process = self.popen(*options, command=command, **kw)
        out, err = process.communicate(input, timeout=TIMEOUT)
        return subprocess.CompletedProcess(command, process.returncode, out, err.decode())

    def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the keeper does the rest
            process.communicate()


@pytest.fixture(scope="session")
def warm_cache(tmp_path_factory) -> Path:
    """A cache with an initialised data directory in it."""
    cache = tmp_path_factory.mktemp("cache")
    with beside():
        done = Berth(cache).run(command=["true"])
    assert done.returncode == 0, done.stderr
    return cache


@pytest.fixture
def berth(warm_cache):
    berth = Berth(warm_cache)
    yield berth
    berth.close()


SLOW_STAGE = re.compile(r"berth run: (copying|starting|initialising|stopping)[^\n]*\n")


def said(err: str) -> str:
    """What was said on stderr, without the stages that took half a second on a busy machine."""
    return SLOW_STAGE.sub("", err)


def python(source: str) -> list[str]:
    """A command that runs this source; `out(text)` writes a line."""
    prelude = "import os, signal, sys\ndef out(text): os.write(1, f'{text}\\n'.encode())\n"
    return [sys.executable, "-I", "-c", prelude + source]


# -- the end of the command


@pytest.mark.parametrize("status", [0, 1, 3, 69, 255])
def test_passes_the_exit_status_on(berth, status):
    assert berth.run(command=["sh", "-c", f"exit {status}"]).returncode == status


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_ends_of_the_signal_of_which_the_command_ended(berth, sig):
    assert berth.run(command=["sh", "-c", f"kill -{int(sig)} $$"]).returncode == -sig


def test_a_command_that_is_not_there_is_127_as_in_a_shell(berth):
    done = berth.run(command=["no-such-command"])

    assert done.returncode == 127
    assert "no-such-command: No such file or directory" in done.stderr


def test_a_command_that_cannot_be_run_is_126_as_in_a_shell(berth):
    assert berth.run(command=["/etc/passwd"]).returncode == 126


def test_without_a_command_it_is_wrong_usage():
    done = subprocess.run([BERTH, "run"], capture_output=True, text=True)

    assert done.returncode == 2
    assert "which command" in done.stderr


# -- what the command gets


def test_the_environment_is_ours_and_one_variable(berth):
    berth.env |= {"PGHOST": "elsewhere", "PGOPTIONS": "-c nonsense=1", "BERTH_SOCKET": "/nowhere"}

    done = berth.run(command=["env", "-0"])

    env = dict(v.split("=", 1) for v in done.stdout.decode().split("\0") if v)
    assert env.pop("BERTH_SOCKET") != "/nowhere"
    expected = dict(berth.env)
    del expected["BERTH_SOCKET"]
    assert env == expected


def test_input_output_and_other_descriptors_are_the_commands(berth):
    read, write = os.pipe()
    source = f"out(sys.stdin.read()); os.write(2, b'three'); os.write({write}, b'four')"

    done = berth.run(command=python(source), input=b"one", pass_fds=[write])
    os.close(write)

    with os.fdopen(read) as pipe:
        assert pipe.read() == "four"
    assert done.stdout == b"one\n"
    assert said(done.stderr) == "three"


def test_a_warm_start_says_nothing(berth):
    assert said(berth.run(command=["true"]).stderr) == ""


def test_the_first_request_gets_a_lease_that_works(berth):
    run = berth.start()

    with Client(run.socket) as client:
        lease = as_map(client("ACQUIRE", "gw0", "WAIT", 10000))
        assert lease.state == "held"
        with psycopg.connect(lease.dsn) as conn:
            assert conn.execute("SELECT current_schema()").fetchone() == (lease.schema,)
        assert lease.host == f"{run.dir}/pg"
        assert lease.redis_url.startswith("unix://")

    assert run.finish() == 0
    nothing_is_left(run)


def test_a_redis_of_ones_own_works_and_goes_with_the_run(berth):
    run = berth.start()

    with Client(run.socket) as client:
        lease = as_map(client("ACQUIRE", "gw0", "REDIS", "private", "WAIT", 10000))
        assert lease.redis == "private"
        with Client(lease.redis_socket) as redis:
            assert redis("AUTH", lease.redis_password) == "OK"
            assert redis("SET", "key", "value") == "OK"

        assert run.finish() == 0

    nothing_is_left(run)


def test_an_acquire_that_does_not_wait_is_not_told_unavailable(berth):
    """The command is started only when berthd has reached both servers."""
    source = """
import socket
s = socket.socket(socket.AF_UNIX)
s.connect(os.environ["BERTH_SOCKET"])
s.sendall(b"ACQUIRE gw0\\r\\n")
out(s.recv(65536)[:1].decode())
"""
    assert berth.run(command=python(source)).stdout == b"*\n"


def test_postgresql_is_set_for_tests(berth):
    wanted = {
        "fsync": "off",
        "jit": "off",
        "wal_level": "minimal",
        "max_connections": "300",
        "listen_addresses": "",
        "server_encoding": "UTF8",
    }
    run = berth.start()

    with psycopg.connect(f"host={run.dir}/pg user=postgres dbname=app") as conn:
        got = {name: conn.execute(f"SHOW {name}").fetchone()[0] for name in wanted}

    assert got == wanted


def test_with_tcp_leases_lead_to_loopback_and_nobody_comes_in_without_a_password(berth):
    run = berth.start("--tcp")

    with Client(run.socket) as client:
        lease = as_map(client("ACQUIRE", "gw0", "WAIT", 10000))
        assert (lease.host, lease.redis_host) == ("127.0.0.1", "127.0.0.1")
        with psycopg.connect(lease.dsn) as conn:
            assert conn.execute("SELECT current_schema()").fetchone() == (lease.schema,)
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(host=lease.host, port=lease.port, user="postgres", dbname="app")
        with socket.create_connection((lease.redis_host, lease.redis_port), timeout=10) as redis:
            redis.sendall(b"PING\r\n")
            assert redis.recv(100).startswith(b"-NOAUTH")

    secrets = re.findall(r":(\w+)@127", environ_of(run.server("berthd")))
    assert len(secrets) == 2
    for pid in processes():
        assert not any(secret in cmdline(pid) for secret in secrets)
    assert run.finish() == 0
    nothing_is_left(run)


def environ_of(pid: int) -> str:
    return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")


@pytest.mark.root
def test_other_users_do_not_get_in(berth):
    """To connect to a socket is to write to it."""
    run = berth.start("--keep")
    as_nobody = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups"]

    def nobody_may(flag: str, path: str) -> bool:
        assert subprocess.run(["test", flag, path]).returncode == 0, path
        return subprocess.run([*as_nobody, "test", flag, path]).returncode == 0

    try:
        assert not nobody_may("-w", run.socket)
        assert not nobody_may("-e", f"{run.dir}/pg/.s.PGSQL.5432")
        assert not nobody_may("-e", f"{run.dir}/redis/redis.sock")
        for name in os.listdir(run.dir):
            assert not nobody_may("-r", f"{run.dir}/{name}"), name
        assert not nobody_may("-r", run.dir)
        assert run.finish() == 0
    finally:
        shutil.rmtree(run.dir)


@pytest.mark.root
def test_as_root_only_postgresql_and_redis_are_another_user(berth):
    run = berth.start(command=["sh", "-c", "echo $BERTH_SOCKET; id -u; cat >/dev/null"])

    assert run.line() == "0"
    uids = {
        name: os.stat(f"/proc/{run.server(name)}").st_uid
        for name in ("postgres", "redis", "berthd")
    }
    assert uids["berthd"] == 0
    assert uids["postgres"] == uids["redis"] != 0


# -- a daemon that is there


def test_a_daemon_that_answers_is_used(berth):
    outer = berth.start()
    berth.env["BERTH_SOCKET"] = outer.socket

    done = berth.run(command=["sh", "-c", "echo $BERTH_SOCKET; exit 7"])

    assert done.returncode == 7
    assert done.stdout.decode().strip() == outer.socket
    assert done.stderr == f"berth run: using the daemon at {outer.socket}\n"


def test_a_socket_that_nobody_answers_on_is_not(berth, tmp_path):
    berth.env["BERTH_SOCKET"] = str(tmp_path / "gone.sock")

    run = berth.start()

    assert run.socket != berth.env["BERTH_SOCKET"]
    assert run.finish() == 0


# -- signals

COUNT = """
def count(sig, frame): out(signal.Signals(sig).name)
for name in ("SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"):
    sig = getattr(signal, name)
    if signal.getsignal(sig) != signal.SIG_IGN:
        signal.signal(sig, count)
out(os.environ["BERTH_SOCKET"])
while os.read(0, 1):
    out("byte")
out("end")
"""
PASSED_ON = ["SIGINT", "SIGQUIT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"]


@pytest.mark.parametrize("group", [False, True], ids=["to-main-alone", "to-the-group"])
@pytest.mark.parametrize("name", PASSED_ON)
def test_a_signal_reaches_the_command_once(berth, name, group):
    run = berth.start(command=python(COUNT))

    run.signal(getattr(signal, name), group=group)

    assert run.line() == name
    if (
        group
    ):  # one that main passed on too would be here by now: its patience with the witness is over
        run.signal(signal.SIGUSR1 if name != "SIGUSR1" else signal.SIGUSR2)
        assert run.line() in ("SIGUSR1", "SIGUSR2")
    assert run.finish() == 0
    assert run.out == "end\n"
    nothing_is_left(run)


def test_a_signal_that_our_caller_ignores_stays_ignored(berth):
    berth.prefix = ("sh", "-c", "trap '' HUP; exec \"$@\"", "sh")
    run = berth.start(command=python(COUNT))

    run.signal(signal.SIGHUP)
    run.signal(signal.SIGTERM)

    assert run.line() == "SIGTERM"
    assert run.finish() == 0
    assert run.out == "end\n"


def test_ctrl_c_on_a_terminal_interrupts_the_command_once_and_then_us(berth):
    read, write = os.pipe()
    source = f"""
def interrupted(sig, frame):
    os.write({write}, b"interrupted\\n")
    signal.signal(sig, signal.SIG_DFL)
    signal.raise_signal(sig)
signal.signal(signal.SIGINT, interrupted)
os.write({write}, os.environ["BERTH_SOCKET"].encode() + b"\\n")
while True:
    signal.pause()
"""
    command = python(source)
    os.set_inheritable(write, True)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(BERTH, ["berth", "run", "--", *command], berth.env)
    os.close(write)

    with os.fdopen(read) as pipe:
        directory = os.path.dirname(pipe.readline().strip())
        os.write(terminal, b"\x03")
        assert pipe.read() == "interrupted\n"
    status = os.waitpid(pid, 0)[1]
    os.close(terminal)

    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT
    assert not os.path.exists(directory)
    assert users_of(os.path.basename(directory)) == []


# -- servers that end, directories that stay, stages that are told


def test_a_server_that_ends_is_reported_and_the_command_goes_on(berth, tmp_path):
    said = tmp_path / "stderr"
    with said.open("w") as stderr:
        run = berth.start(stderr=stderr)

    os.kill(run.server("redis"), signal.SIGKILL)

    ended = "Redis ended while the command was running (signal 9 (Killed)); the end of its log:"
    eventually(lambda: ended in said.read_text())
    assert "ready to accept connections" in said.read_text()
    assert run.finish() == 0
    nothing_is_left(run)


def test_keep_leaves_the_directory_and_no_process(berth):
    run = berth.start("--keep")
    with psycopg.connect(f"host={run.dir}/pg user=postgres dbname=app") as conn:
        conn.execute("CREATE TABLE kept ()")

    try:
        assert run.finish() == 0
        assert said(run.err) == f"berth run: kept {run.dir}\n"
        assert run.left() == [run.dir]
        assert berth.run(command=["true"]).returncode == 0  # whose sweep leaves it alone
        names = set(os.listdir(run.dir))
        assert {"data", "postgres.log", "redis.log", "berthd.log"} <= names
        assert "postmaster.pid" not in os.listdir(f"{run.dir}/data")
    finally:
        shutil.rmtree(run.dir)


def test_verbose_tells_how_long_each_stage_took(berth):
    err = berth.run("--verbose", command=["true"]).stderr

    stages = [line.partition(": ")[2].rpartition(":")[0] for line in err.splitlines()]
    assert stages == [
        "copying the data directory",
        "starting PostgreSQL and Redis",
        "starting berthd",
        "start",
        "stopping",
    ]


def test_two_runs_at_once_do_not_meet(berth):
    first, second = berth.start(), berth.start()

    assert first.dir != second.dir
    assert first.finish() == 0
    nothing_is_left(first)
    with Client(second.socket) as client:
        assert as_map(client("ACQUIRE", "gw0", "WAIT", 10000)).state == "held"
    assert second.finish() == 0
    nothing_is_left(second)
