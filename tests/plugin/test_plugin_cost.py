# SPDX-License-Identifier: MIT
"""What the plugin does where it is installed and not asked for, and that it can be left out.

What that costs is measured by ./dev bench (tests/bench/figures/plugin.py).
"""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.fixture
def project(project):
    project.write("test_one.py", "def test_one(): pass\n")
    return project


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
