# SPDX-License-Identifier: MIT
"""Starts a throwaway PostgreSQL and Redis on Unix sockets, for a command that shares them.

    python demo/servers.py -- alembic upgrade head

The command gets DATABASE_URL and REDIS_URL in its environment, as on any machine where everybody
uses the same two servers. They are stopped and removed when the command ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

# Without a lock_timeout some runs that share a database never end: one test waits for a lock that
# another process' TRUNCATE waits for, which waits for the same test's other session. PostgreSQL
# sees no circle there.
POSTGRES_OPTIONS = "-c listen_addresses='' -c fsync=off -c lock_timeout=10s"
START_SECONDS = 30


@contextlib.contextmanager
def running() -> Iterator[dict[str, str]]:
    """Run both servers, and give the variables that lead to them."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with (
        tempfile.TemporaryDirectory(prefix="docsearch-", dir=memory) as name,
        contextlib.ExitStack() as stack,
    ):
        directory = Path(name)
        directory.chmod(0o755)
        stack.enter_context(_postgres(directory / "pg"))
        stack.enter_context(_redis(directory / "redis.sock"))
        host = quote(str(directory / "pg"), safe="")
        yield {
            "DATABASE_URL": f"postgresql://postgres@/postgres?host={host}",
            "REDIS_URL": f"unix://{directory / 'redis.sock'}?db=0",
        }


@contextlib.contextmanager
def _postgres(directory: Path) -> Iterator[None]:
    directory.mkdir()
    if os.geteuid() == 0:
        shutil.chown(directory, "postgres")
    data = str(directory / "data")
    _postgres_program("initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync")
    options = f"{POSTGRES_OPTIONS} -k {directory}"
    log = str(directory / "log")
    _postgres_program("pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start")
    try:
        yield
    finally:
        _postgres_program("pg_ctl", "-D", data, "-m", "fast", "stop")


def _postgres_program(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs, which refuse to be run by root."""
    debian = [str(path) for path in Path("/usr/lib/postgresql").glob("*/bin")]
    path = os.pathsep.join([*sorted(debian, reverse=True), os.environ.get("PATH", os.defpath)])
    program = shutil.which(name, path=path)
    if program is None:
        raise SystemExit(f"there is no {name}: install PostgreSQL")
    user = "postgres" if os.geteuid() == 0 else None
    environment = {"PATH": path, "LC_ALL": "C.UTF-8"}
    subprocess.run(
        [program, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        cwd="/",
        env=environment,
    )


@contextlib.contextmanager
def _redis(socket: Path) -> Iterator[None]:
    command = ["redis-server", "--port", "0", "--unixsocket", str(socket), "--save", ""]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=socket.parent) as server:
        try:
            deadline = time.monotonic() + START_SECONDS
            while not socket.exists():
                if server.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("redis-server does not start")
                time.sleep(0.01)
            yield
        finally:
            server.terminate()


def main(arguments: Sequence[str]) -> int:
    command = [word for i, word in enumerate(arguments) if (i, word) != (0, "--")]
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with running() as variables:
        return subprocess.run(command, env={**os.environ, **variables}).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
