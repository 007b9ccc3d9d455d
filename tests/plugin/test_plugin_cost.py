# SPDX-License-Identifier: MIT
"""What the plugin costs where it is installed and not asked for, and that it can be left out."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from conftest import PYTHON
from harness.wait import SLOW

#: Milliseconds; measured 0.8 on the machine it was written on.
BUDGET_MS = 5.0


@pytest.fixture
def project(project):
    project.write("test_one.py", "def test_one(): pass\n")
    return project


def python(*args) -> subprocess.CompletedProcess:
    return subprocess.run([PYTHON, *args], capture_output=True, text=True, check=True)


def import_ms() -> float:
    """What importing the plugin adds to a process that has pytest already."""
    err = python("-X", "importtime", "-c", "import pytest, pytest_berth.plugin").stderr
    times = {name: int(us) for us, name in re.findall(r"\|\s+(\d+) \|\s+(\S+)$", err, re.MULTILINE)}
    return times["pytest_berth.plugin"] / 1000


def test_importing_the_plugin_costs_next_to_nothing():
    import_ms()  # compiles, where that is still to be done

    assert min(import_ms() for _ in range(5)) < BUDGET_MS * SLOW


def test_nothing_else_is_imported_until_berth_is_asked_for(project):
    project.write(
        "test_one.py",
        """
        import sys
        def test_one():
            ours = [m for m in sys.modules if m.split(".")[0] in ("berth", "pytest_berth")]
            assert sorted(ours) == ["pytest_berth", "pytest_berth.plugin"]
        """,
    )
    project.run().passed(1)


def test_the_plugin_imports_the_standard_library_alone():
    """At module level; pytest is there already when it loads."""
    code = """
import sys, pytest
before = set(sys.modules)
import pytest_berth.plugin, pytest_berth.start, berth
new = {m.partition(".")[0] for m in set(sys.modules) - before}
print(*sorted(new - set(sys.stdlib_module_names) - {"berth", "pytest_berth"}))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert out.stdout.split() == []


@pytest.mark.parametrize("count", ["0", "2"])
def test_without_berth_nothing_is_seen_of_it(project, count):
    result = project.run("-n", count).passed(1)

    assert "berth:" not in result.out
    assert "Worker" not in result.out


def test_the_plugin_can_be_disabled_by_its_name(project, fake):
    project.options.clear()

    project.run("-p", "no:berth").passed(1)
    assert project.run("-p", "no:berth", "--berth").status == 4
    assert fake.requests == []


def test_berth_is_found_in_the_help_and_among_the_fixtures(project):
    told = project.run("--help").out

    for word in (
        "--berth ",
        "--berth-socket",
        "--berth-name",
        "berth_env",
        "berth_kind",
        "berth_wait",
    ):
        assert word in told
    fixtures = project.run("--fixtures").out
    assert "berth_lease" in fixtures
    assert "berth_dsn" in fixtures
