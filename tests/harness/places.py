# SPDX-License-Identifier: MIT
"""Where things are: the repository, the binaries, one private directory for a test process."""

from __future__ import annotations

import atexit
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
REPO = TESTS.parent
BERTHD = Path(os.environ.get("BERTHD", REPO / "build" / "bin" / "berthd"))
# Beside it: in `bin`, or in meson's build directory.
_BESIDE = [BERTHD.parent / "berth", BERTHD.parent.parent / "client" / "cli" / "berth"]
BERTH = Path(os.environ.get("BERTH", next((p for p in _BESIDE if p.exists()), _BESIDE[0])))

_root: Path | None = None

# Waits for the end of its input (our death, however it came), lets the servers follow their
# parent, then removes what they left. In a session of its own, so that Ctrl-C does not reach it.
_JANITOR = """
import shutil, sys, time
sys.stdin.read()
for _ in range(20):
    shutil.rmtree(sys.argv[1], ignore_errors=True)
    time.sleep(0.1)
"""


def root() -> Path:
    """This process' directory, on a tmpfs if there is one; gone with the process, even killed."""
    global _root
    if _root is None:
        base = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
        _root = Path(tempfile.mkdtemp(prefix="berth-test-", dir=base))
        _root.chmod(0o755)
        janitor = subprocess.Popen(
            [sys.executable, "-I", "-c", _JANITOR, str(_root)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(_leave, janitor)
    return _root


def _leave(janitor: subprocess.Popen) -> None:
    shutil.rmtree(root(), ignore_errors=True)
    janitor.stdin.close()
    janitor.wait()


def new_dir(name: str) -> Path:
    """A new directory under root(); `name` is short, for Unix sockets live here."""
    path = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=root()))
    path.chmod(0o755)
    return path


@functools.cache
def has_pg_dump() -> bool:
    """Whether there is a pg_dump as new as the server: not where only PostgreSQL itself was fetched."""

    def major(program: str | Path) -> int:
        said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
        return int(re.search(r"\(PostgreSQL\) (\d+)", said)[1])

    dumps = [*Path("/usr/lib/postgresql").glob("*/bin/pg_dump"), shutil.which("pg_dump")]
    server = major(pg_bindir() / "postgres")
    return any(major(dump) >= server for dump in dumps if dump)


def pg_bindir() -> Path:
    """The PostgreSQL to test with: BERTH_TEST_PG_BINDIR, else Debian's newest, else PATH."""
    given = os.environ.get("BERTH_TEST_PG_BINDIR")
    if given:
        return Path(given)
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3])
    )
    if debian:
        return debian[-1].parent
    found = shutil.which("initdb")
    if not found:
        raise RuntimeError("no initdb: install PostgreSQL or set BERTH_TEST_PG_BINDIR")
    return Path(found).resolve().parent
