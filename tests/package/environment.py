# SPDX-License-Identifier: MIT
"""Virtual environments with what `pip install` brings, as a person would make them."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from harness import places

#: The Pythons that client/python is for; those that are not here are skipped, by name.
CLAIMED = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")

#: What a project finds in a worker: the daemon's file, and the schema that psql lands in.
PROJECT = """
import os, socket, struct, subprocess
from pathlib import Path

import pytest

def daemon():
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(os.environ["BERTH_SOCKET"])
        peer = s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return os.readlink(f"/proc/{struct.unpack('3i', peer)[0]}/exe")

def sql(text):
    return subprocess.check_output(["psql", "-AtXc", text], text=True).strip()

@pytest.mark.parametrize("number", range(4))
def test_a_worker_is_in_its_schema(number):
    assert sql("SELECT current_schema()") == os.environ["BERTH_SCHEMA"]
    assert os.environ["REDIS_URL"]
    assert daemon() == BERTHD
"""


@cache
def interpreter(version: str) -> str | None:
    """Python of this version with venv, in PATH, Debian's, or one of pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    name = f"python{version}"
    places_to_look = [name, f"/usr/bin/{name}", *pyenv.glob(f"{version}.*/bin/{name}")]
    for python in filter(None, map(shutil.which, places_to_look)):
        argv = [python, "-c", "import venv, ensurepip"]  # a shim of pyenv may stand for nothing
        if subprocess.run(argv, capture_output=True).returncode == 0:
            return python
    return None


def clean_env(*path) -> dict[str, str]:
    """An environment in which PATH leads to these directories and to nothing of ours."""
    ours = re.compile(r"BERTH|PG|PYTHON|PYTEST|XDG|VIRTUAL_ENV|REDIS|DATABASE_URL|DESTDIR")
    env = {k: v for k, v in os.environ.items() if not ours.match(k)}
    return env | {"PATH": os.pathsep.join(map(str, path))}


def run(*argv, **kw) -> str:
    """What the command prints; it has to succeed."""
    done = subprocess.run(
        [str(a) for a in argv], text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw
    )
    assert done.returncode == 0, f"{argv}\n{done.stdout}"
    return done.stdout


class Environment:
    """A virtual environment in which `pip install 'SOURCE[xdist]'` was all that was done."""

    def __init__(self, python: str, root: Path, source: str, *path):
        self.root, self.bin = root, root / "bin"
        run(python, "-m", "venv", root, env=clean_env("/usr/bin", "/bin"))
        self.pip("install", f"{source}[xdist]", env=clean_env(self.bin, *path))

    def env(self) -> dict[str, str]:
        return clean_env(self.bin, places.pg_bindir(), "/usr/bin", "/bin")

    def pip(self, *argv, env=None) -> str:
        return run(self.bin / "pip", *argv, cwd=places.REPO, env=env or self.env())

    def installed(self) -> importlib.metadata.Distribution:
        """What pip knows of us."""
        (site,) = self.root.glob("lib/python*/site-packages")
        (found,) = importlib.metadata.distributions(name="pytest-berth", path=[str(site)])
        return found

    def has_two_workers_pass(self, berth: Path, project: Path) -> None:
        """`berth run -- pytest -n 2 --berth` in a project that knows nothing of berth."""
        berthd = berth.with_name("berthd")
        (project / "test_it.py").write_text(f"BERTHD = {str(berthd)!r}\n{PROJECT}")
        argv = [berth, "run", "--", "pytest", "-n", "2", "--berth"]
        out = run(*argv, cwd=project, env=self.env())
        assert "4 passed" in out and "berth: 2 leases" in out, out
