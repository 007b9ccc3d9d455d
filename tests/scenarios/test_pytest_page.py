# SPDX-License-Identifier: MIT
"""docs/pytest.md leads from a suite that breaks itself to a green run; its recipes are done here."""

import re
import shutil

import pytest
from harness.places import REPO
from harness.resp import as_map
from pages import Page
from racers import APPS

pytestmark = pytest.mark.timeout(300)  # five runs of pytest, one after the other
PAGE = Page("pytest")


@pytest.fixture
def daemon(make_daemon):
    return make_daemon().ready()


@pytest.fixture
def follow(berth, daemon, tmp_path):
    """follow(*titles): does what these sections say, one after the other; what that printed."""
    project = shutil.copytree(APPS / "recipes", tmp_path / "project")
    yield lambda *titles: "".join(PAGE.follow(title, berth, project) for title in titles)
    for key in templates(daemon):
        daemon.client()("TEMPLATE", "DROP", key)


def templates(daemon) -> list[str]:
    return [as_map(row).key for row in daemon.client()("TEMPLATE", "LIST")]


def test_no_block_is_left_out():
    assert PAGE.unmarked() == 0
    named = re.findall(r"`(tests/\S+)`", PAGE.text) + [f"docs/{link}" for link in PAGE.links()]
    assert [path for path in named if not (REPO / path).exists()] == []


def test_one_line_then_migrations_then_alembic(follow, daemon):
    said = follow("One line", "Migrate once, begin clean", "Alembic", "SQLAlchemy with asyncpg, FastAPI")

    assert (said.count("40 passed"), said.count("1 passed")) == (3, 2), said
    assert len(templates(daemon)) == 2


def test_django(follow, daemon):
    assert "8 passed" in follow("Django")
    assert len(templates(daemon)) == 1


def test_fixtures_of_other_plugins(follow):
    assert "4 passed" in follow("pytest-postgresql and pytest-redis")


def test_what_a_schema_does_not_hold(follow):
    said = follow("What a schema does not hold")

    assert "1 passed" in said
    shown = re.findall(r"^    (fails|channel|outside) +(\S.*?)  ", PAGE.text, re.M)
    assert [tuple(line.split("\t")[:2]) for line in said.splitlines()[:3]] == shown
