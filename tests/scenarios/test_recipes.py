# SPDX-License-Identifier: MIT
"""The pages with recipes say what works: their files are written and their commands are run."""

import re
import shutil

import pytest
from harness.places import REPO
from harness.resp import as_map
from pages import Page
from racers import APPS

PAGE = Page("enums-and-migrations", "templates-and-reset")


@pytest.fixture
def project(tmp_path):
    """What a project has already: alembic.ini and migrations/env.py."""
    return shutil.copytree(APPS / "recipes", tmp_path / "project")


@pytest.fixture
def recipe(berth, pg, new_database, project):
    """recipe(title): does what the section of this title says."""
    berth.env["DATABASE_URL"] = pg.dsn(db=new_database())
    berth.env["OTHER_DATABASE_URL"] = pg.dsn(db=new_database())

    return lambda title: PAGE.follow(title, berth, project)


def test_no_block_is_left_out():
    assert PAGE.unmarked() == 0


def test_workers_with_a_lease_each(recipe):
    recipe("Test workers, each with a lease")


@pytest.fixture
def daemon(request, make_daemon, tmp_path):
    """With the berth.conf that the test names, else without."""
    conf = tmp_path / "berth.conf"
    conf.write_text(getattr(request, "param", ""))
    return make_daemon(redis_default="none", env={"BERTH_CONFIG": str(conf)}).ready()


@pytest.mark.parametrize("daemon", [PAGE.file("berth.conf")], indirect=True, ids=["berth.conf"])
def test_enums_that_everybody_shares(recipe, pg):
    said = recipe("Enums that everybody shares")

    assert "created\nappended\n" in said and "1 passed" in said
    assert pg.one("SELECT count(*) FROM pg_type WHERE typname IN ('documents', 'keys')") == 0


@pytest.mark.pg_dump
def test_migrations_run_once_and_resets_bring_them_back(recipe):
    said = recipe("Migrate once") + recipe("Back to where it was")

    assert said.count("user 3") == 4
    assert "sealed" in said and "rebuilt" in said
    assert said.split()[-3:-1] == ["ann", "bob"] or said.split()[-2:] == ["ann", "bob"]


@pytest.fixture
def migrations(project):
    """The page's first migration, as if the section that shows it had been followed."""
    path = project / "migrations/versions/0001_users.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAGE.file("migrations/versions/0001_users.py"))


@pytest.mark.pg_dump
def test_enums_that_a_template_carries(recipe, migrations, daemon, pg):
    try:
        said = recipe("Enums in each worker's schema, migrated once")

        assert said.count("migrating\n") == 1 and said.count("doctor\n") == 3, said
        assert pg.one("SELECT to_regtype('public.userrole') IS NULL")
    finally:
        client = daemon.client()
        for row in map(as_map, client("TEMPLATE", "LIST")):
            client("TEMPLATE", "DROP", row.key)


def test_one_database_that_many_migrate(recipe, pg):
    said = recipe("One database, many that migrate it")

    assert said.count(" is up\n") == 5


def test_the_helper_of_the_page_is_the_one_that_is_tested():
    tested = (APPS / "ensure.py").read_text()

    assert tested.endswith(PAGE.file("ensure.py"))


def test_the_page_names_only_what_is_there():
    for path in re.findall(r"`(tests/\S+)`", PAGE.text):
        assert (REPO / path).exists(), path
