# SPDX-License-Identifier: MIT
"""Published suites, fetched from the package registry when they run: nothing of them is in here.

They share one virtual environment, whose making costs more time than their tests: it is made
while those run that need none of it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.places import REPO
from runs import BERTH, Run, clean_environment, run_pytest

SUITES = {"sqlalchemy-searchable": "3.0.0", "django-model-utils": "5.0.0", "rq": "3.0.0"}

# What they need, or what their releases were made for: the first compares compiled SQL, which
# SQLAlchemy 2.1 and psycopg 3 write in another way.
NEEDS = [
    *("pytest>=8.2,<10", "pytest-xdist>=3.6,<4"),
    *("SQLAlchemy>=2.0,<2.1", "psycopg2-binary"),
    *("Django>=5,<6", "pytest-django>=4.9,<5", "time-machine"),
    *("redis>=5,<9", "psutil"),
    *("psycopg[binary]>=3.2,<4", "pytest-postgresql>=7,<11", "pytest-redis>=3,<6"),
]
BACKENDS = ["hatchling", "setuptools", "wheel"]


@dataclass(frozen=True)
class Suite:
    """The unpacked source distribution of one and a Python that has all installed."""

    directory: Path
    python: Path

    def run(self, *options: str, around: tuple[str, ...] = (), **env: str) -> Run:
        env.setdefault("PATH", f"{self.python.parent}:/usr/bin:/bin")  # for their scripts
        return run_pytest(
            [*around, str(self.python), "-m", "pytest", "-q", *options],
            self.directory.parent / "report.xml",
            cwd=self.directory,
            env=clean_environment(**env),
        )

    def run_with_berth(self, ini: str, workers: int, *options: str, tcp: bool = False, **env) -> Run:
        """With the lines of a pytest.ini of ours in place of the suite's own."""
        file = self.directory.parent / f"{self.directory.name}.ini"
        file.write_text(f"[pytest]\n{ini}")
        around = (BERTH, "run", *(["--tcp"] if tcp else []), "--")
        given = ("--berth", "-n", str(workers), "-c", str(file), f"--rootdir={self.directory}")
        return self.run(*options, *given, around=around, **env)


def needs_place(item: pytest.Item) -> bool:
    return "place" in getattr(item, "fixturenames", ())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=needs_place)


@pytest.fixture(scope="session", autouse=True)
def making(request, tmp_path_factory) -> Iterator[Future[Path] | None]:
    """The place, which is being made from now on if anybody asks for it."""
    with ThreadPoolExecutor(1) as pool:
        wanted = any(map(needs_place, request.session.items))
        yield pool.submit(make, tmp_path_factory.mktemp("published")) if wanted else None


@pytest.fixture(scope="session")
def place(making) -> Path:
    """The suites' directories, and venv/."""
    return making.result()


def make(place: Path) -> Path:
    python = place / "venv" / "bin" / "python"
    run_or_fail("make a virtual environment", [sys.executable, "-m", "venv", place / "venv"])
    pip(python, "install what builds them", "install", *BACKENDS)
    fetch = ["--no-deps", "--no-build-isolation", "--no-binary", ",".join(SUITES), "--dest", place]
    wanted = [f"{name}=={version}" for name, version in SUITES.items()]
    pip(python, "fetch their sources", "download", *fetch, *wanted)
    archives = list(place.glob("*.tar.gz"))
    for archive in archives:
        with tarfile.open(archive) as tar:
            tar.extractall(place, filter="data")
    # From a copy: building leaves files behind.
    plugin = shutil.copytree(REPO / "client" / "python", place / "plugin")
    pip(python, "install them", "install", "--no-build-isolation", *archives, plugin, *NEEDS)
    return place


@pytest.fixture(scope="session")
def published(place):
    """published(name) → the Suite of that name."""

    def get(name: str) -> Suite:
        directory = place / f"{name.replace('-', '_')}-{SUITES[name]}"
        if not directory.exists():
            directory = place / f"{name}-{SUITES[name]}"
        return Suite(directory, place / "venv" / "bin" / "python")

    return get


def pip(python: Path, what: str, *arguments: object) -> None:
    quiet = ("--disable-pip-version-check", "--no-input", "--quiet")
    run_or_fail(f"{what} (is the package registry reachable?)", [python, "-m", "pip", *quiet, *arguments])


def run_or_fail(what: str, command: list) -> None:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        pytest.fail(f"could not {what}:\n{(done.stderr or done.stdout)[-2000:]}", pytrace=False)
