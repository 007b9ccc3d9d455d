# SPDX-License-Identifier: MIT
"""What the plugin can be told is in its README and in its manual, and nothing else is."""

from __future__ import annotations

import re

import pytest

from harness.places import REPO

README = (REPO / "client" / "python" / "README.md").read_text()
MANUAL = (REPO / "docs" / "pytest-berth.7").read_text()
TABLE = README.partition("## Settings\n")[2].partition("\nA line of")[0]


@pytest.fixture
def told(project) -> str:
    return project.run("--help").out


def test_every_option_is_documented(told):
    options = set(re.findall(r"^  (--berth[a-z-]*)", told, re.M))

    assert options == set(re.findall(r"`(--berth[a-z-]*)", TABLE))
    assert options == {f"-{name}" for name in re.findall(r"^\.It Fl (-berth[a-z-]*)", MANUAL, re.M)}


def test_every_line_of_the_ini_file_is_documented(told):
    keys = set(re.findall(r"^  (berth\w*) \(", told, re.M))
    section = MANUAL.partition(".Sh INI FILE")[2].partition(".Sh FIXTURES")[0]

    assert keys == set(re.findall(r"`(berth\w*)[` ]", re.sub(r"\|[^|]*\|\n", "|\n", TABLE)))
    assert keys == set(re.findall(r"^\.It Ic (berth\w*)", section, re.M))


def test_every_fixture_is_documented(project):
    fixtures = set(re.findall(r"^(berth_\w+)", project.run("--fixtures").out, re.M))
    section = MANUAL.partition(".Sh FIXTURES")[2].partition(".Sh ENVIRONMENT")[0]

    assert fixtures == set(re.findall(r"berth_\w+", " ".join(re.findall(r"^\.It Ic (.*)", section, re.M))))
    assert [name for name in fixtures if f"`{name}`" not in README] == []
