# SPDX-License-Identifier: MIT
"""A published test suite that nobody here wrote passes on four workers, as it is, with berth.

It is fetched from the package registry when this runs; nothing of it is in the repository, and
none of its files is changed. It needs a database for each worker: it creates an extension and a
schema called "another", and looks for its tables in the whole catalog.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.places import REPO
from harness.wait import LONG
from runs import BERTH, Run, clean_environment, run_pytest

pytestmark = pytest.mark.timeout(900)

NAME, VERSION = "sqlalchemy-searchable", "3.0.0"
TESTS = 134

# Its tests compare compiled SQL, which SQLAlchemy 2.1 and psycopg 3 write in another way.
NEEDS = ["SQLAlchemy>=2.0,<2.1", "psycopg2-binary", "pytest>=8.2,<10", "pytest-xdist>=3.6,<4"]

# How its conftest is told of a database. It writes postgresql://USER:PASSWORD@localhost/DB, so the
# server's address goes behind the name, where it overrules the host.
ADDRESS = """
[pytest]
berth_kind = {kind}
berth_env =
    SQLALCHEMY_SEARCHABLE_TEST_USER={{user}}
    SQLALCHEMY_SEARCHABLE_TEST_PASSWORD={{password}}
    SQLALCHEMY_SEARCHABLE_TEST_DB={{dbname}}?host={{host}}&port={{port}}
"""


@dataclass(frozen=True)
class Suite:
    """The unpacked source distribution and a Python that has it installed."""

    directory: Path
    python: Path

    def run(self, *options: str, around: tuple[str, ...] = (), **env: str) -> Run:
        return run_pytest(
            [*around, str(self.python), "-m", "pytest", "-q", "tests", *options],
            self.directory.parent / "report.xml",
            cwd=self.directory,
            env=clean_environment(**env),
        )

    def run_with_berth(self, kind: str, workers: int, *more: str) -> Run:
        ini = self.directory.parent / f"{kind}.ini"
        ini.write_text(ADDRESS.format(kind=kind))
        options = ["--berth", "-n", str(workers), "-c", str(ini), f"--rootdir={self.directory}"]
        return self.run(*options, *more, around=(BERTH, "run", "--"))


@pytest.fixture(scope="module")
def suite(tmp_path_factory) -> Suite:
    place = tmp_path_factory.mktemp("searchable")
    python = place / "venv" / "bin" / "python"
    run_or_fail("make a virtual environment", [sys.executable, "-m", "venv", place / "venv"])
    fetch = ["download", "--no-deps", "--no-binary", NAME, "--dest", place, f"{NAME}=={VERSION}"]
    pip(python, f"fetch the source of {NAME} {VERSION}", *fetch)
    (archive,) = place.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    # From a copy: building leaves files behind.
    plugin = shutil.copytree(REPO / "client" / "python", place / "plugin")
    pip(python, "install the suite and the plugin", "install", archive, plugin, *NEEDS)
    return Suite(place / archive.name.removesuffix(".tar.gz"), python)


def pip(python: Path, what: str, *arguments: object) -> None:
    quiet = ("--disable-pip-version-check", "--no-input", "--quiet")
    run_or_fail(f"{what} (is the package registry reachable?)", [python, "-m", "pip", *quiet, *arguments])


def run_or_fail(what: str, command: list) -> None:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if done.returncode != 0:
        pytest.fail(f"could not {what}:\n{(done.stderr or done.stdout)[-2000:]}", pytrace=False)


@pytest.fixture
def one_database(pg) -> dict[str, str]:
    """A database of a plain server, and the variables by which the suite finds it."""
    pg.sql("CREATE DATABASE searchable", db="postgres")
    yield {
        "SQLALCHEMY_SEARCHABLE_TEST_USER": "postgres",
        "SQLALCHEMY_SEARCHABLE_TEST_DB": f"searchable?host={pg.dir}&port={pg.port}",
    }
    pg.sql("DROP DATABASE searchable WITH (FORCE)", db="postgres")


@pytest.mark.skipif(not LONG, reason="that it passes by itself is no news of berth's")
def test_it_passes_in_one_process_without_berth(suite, one_database):
    run = suite.run(**one_database)

    assert (run.passed, run.wrong, run.status) == (TESTS, 0, 0), run


def test_four_workers_on_one_database_break_each_other(suite, one_database):
    run = suite.run("-n", "4", **one_database)

    assert run.wrong > 0, run


@pytest.mark.parametrize("workers", [0, 4] if LONG else [4])
def test_it_passes_with_a_database_for_each_worker(suite, workers):
    run = suite.run_with_berth("database", workers)

    assert (run.passed, run.wrong, run.status) == (TESTS, 0, 0), run


def test_a_schema_for_each_worker_is_not_enough(suite):
    run = suite.run_with_berth("schema", 4, "--maxfail=1")

    assert run.passed == 0, run
    assert 'permission denied to create extension "hstore"' in run.output, run
