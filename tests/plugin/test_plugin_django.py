# SPDX-License-Identifier: MIT
"""pytest-django on leases: its test databases, and what its options and marks mean there."""

from __future__ import annotations

import subprocess

import berth
import pytest

from conftest import PYTHON
from pytest_berth.django import here

INI = """
    DJANGO_SETTINGS_MODULE = settings
"""

#: Whatever it says of PostgreSQL leads nowhere, so that nothing but a lease can be meant.
SETTINGS = """
    SECRET_KEY = "s"
    USE_TZ = True
    INSTALLED_APPS = ["django.contrib.contenttypes", "shop"]
    DEFAULT_AUTO_FIELD = "django.db.models.AutoField"

    def nowhere(name, **more):
        return {
            "ENGINE": "django.db.backends.postgresql", "NAME": name, "HOST": "db.invalid",
            "USER": "nobody", "OPTIONS": {"options": "-c search_path=elsewhere -c jit=off"}, **more,
        }

    DATABASES = {
        "other": nowhere("other"),
        "again": nowhere("other"),
        "default": nowhere("first"),
        "replica": nowhere("first", TEST={"MIRROR": "default"}),
        "file": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    }
"""

MODELS = """
    from django.db import models

    class Item(models.Model):
        name = models.CharField(max_length=20)
"""

MIGRATION = """
    import pathlib
    from django.db import migrations, models

    def add(apps, editor):
        alias = editor.connection.alias
        apps.get_model("shop", "Item").objects.using(alias).create(name="seed")
        with open(pathlib.Path(__file__).parents[2] / "migrated", "a") as file:
            print(alias, file=file)

    class Migration(migrations.Migration):
        operations = [
            migrations.CreateModel(
                "Item",
                [("id", models.AutoField(primary_key=True)),
                 ("name", models.CharField(max_length=20))],
            ),
            migrations.RunPython(add),
        ]
"""

TESTS = """
    import pytest
    from django.db import connections
    from django.test import TestCase
    from shop.models import Item

    def names(alias="default"):
        return [item.name for item in Item.objects.using(alias).order_by("id")]

    def schema(alias):
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT current_schema, current_setting('jit'), current_user")
            schema, jit, user = cursor.fetchone()
        assert jit == "off" and (user == schema or schema == "public")
        return user

    @pytest.mark.django_db(databases="__all__")
    def test_where_each_of_them_is(berth_lease):
        assert schema("default") == schema("replica") == berth_lease.role
        assert schema("other") == schema("again") != berth_lease.role
        assert names() == names("other") == names("again") == names("file") == ["seed"]

    @pytest.mark.django_db
    @pytest.mark.parametrize("n", range(4))
    def test_rolls_back(n):
        assert names() == ["seed"]
        Item.objects.create(name="mine")

    class ClassTest(TestCase):
        databases = ["default", "other"]

        @classmethod
        def setUpTestData(cls):
            Item.objects.using("other").create(name="class")

        def test_one(self):
            assert names("other") == ["seed", "class"]
            Item.objects.using("other").all().delete()

        def test_two(self):
            self.test_one()

    @pytest.mark.django_db(
        transaction=True, serialized_rollback=True, databases=["default", "replica", "other"]
    )
    @pytest.mark.parametrize("n", range(4))
    def test_commits(n):
        assert names() == ["seed"]
        for alias in ("default", "other"):
            Item.objects.using(alias).all().delete()
            Item.objects.using(alias).create(name="committed")
        assert names("replica") == ["committed"]
"""


@pytest.fixture
def suite(project, daemon, no_templates_afterwards):
    pytest.importorskip("pytest_django")
    project.without.discard("django")
    project.env["BERTH_SOCKET"] = str(daemon.socket)
    project.options.append("--berth")
    project.ini(INI)
    project.write("settings.py", SETTINGS)
    project.write("shop/__init__.py", "")
    project.write("shop/models.py", MODELS)
    project.write("shop/migrations/__init__.py", "")
    project.write("shop/migrations/0001_initial.py", MIGRATION)
    project.write("test_shop.py", TESTS)
    return project


def migrated(suite) -> list[str]:
    """The aliases that have been migrated since this was last asked, but for the file."""
    path = suite.path / "migrated"
    lines = path.read_text().split()
    path.write_text("")
    return sorted(alias for alias in lines if alias != "file")


def test_each_database_is_a_lease_and_none_is_created(suite, daemon, pg):
    result = suite.run("-n", 2, "--berth-name", "test_{worker}").passed(11)

    assert result.schemas() == {"gw0": "test_gw0", "gw1": "test_gw1"}
    assert migrated(suite) == ["default", "default", "other", "other"]
    assert "berth: 4 leases" in result.out
    assert pg.sql("SELECT datname FROM pg_database WHERE datname LIKE 'test%'") == []
    assert daemon.client().leases() == []


def test_what_is_reused_is_a_template_until_it_is_to_be_created(suite, daemon):
    built = suite.run("-n", 2, "--reuse-db").passed(11)
    assert migrated(suite) == ["default", "other"]
    assert "template built" in built.out

    reused = suite.run("--reuse-db").passed(11)
    assert "template reused" in reused.out
    assert migrated(suite) == []

    with berth.connect(daemon.socket) as client:
        key = min(row.key for row in client.template_list())
        lease = client.acquire("gw0", template=key)
        in_use = suite.run("--reuse-db", "--create-db")
        client.release(lease)
    assert in_use.status == 4
    assert "--create-db: the template" in in_use.err

    suite.run("--reuse-db", "--create-db").passed(11)
    assert migrated(suite) == ["default", "other"]


def test_the_key_is_another_when_a_migration_changes(suite):
    def key():
        module = [PYTHON, "-m", "pytest_berth.django_reuse", "schema", "migrate"]
        env = {**suite.environment(), "DJANGO_SETTINGS_MODULE": "settings"}
        return subprocess.run(
            module, cwd=suite.path, env=env, check=True, capture_output=True, text=True
        ).stdout

    before = key()
    suite.write("shop/migrations/0002_more.py", MIGRATION)

    assert "key: " in before
    assert before != key()


def test_resets_leave_what_was_migrated(suite):
    suite.ini(INI + "    berth_reset = test\n")
    tests = TESTS.replace("serialized_rollback=True, ", "")
    commits = 'assert names() == ["seed"]\n        for'
    assert commits in tests
    suite.write(
        "test_shop.py",
        tests.replace(commits, commits.replace("()", '() == names("other")')),
    )

    result = suite.run().passed(11)

    assert " resets (" in result.out


def test_databases_are_leased_as_well(suite):
    options = ["-o", "berth_kind=database", "-o", "berth_reset=class"]
    result = suite.run("--reuse-db", *options).passed(11)

    assert "Using database: " in result.out
    assert " resets (" in result.out


def test_fixtures_of_the_suite_are_in_force(suite):
    suite.write(
        "conftest.py",
        """
        import pytest

        @pytest.fixture(scope="session")
        def django_db_modify_db_settings(): pass

        @pytest.fixture(scope="session")
        def django_db_setup(django_db_setup, django_db_blocker):
            from shop.models import Item
            with django_db_blocker.unblock():
                Item.objects.create(name="suite")
        """,
    )
    suite.write(
        "test_shop.py",
        """
        import pytest
        from shop.models import Item

        @pytest.mark.django_db
        @pytest.mark.parametrize("n", range(2))
        def test_it(n):
            assert list(Item.objects.values_list("name", flat=True)) == ["seed", "suite"]
            Item.objects.all().delete()
        """,
    )
    suite.ini(INI + "    berth_reset = test\n")

    suite.run().passed(2)


def test_without_migrations_the_models_make_the_tables(suite):
    suite.write(
        "test_shop.py",
        """
        import pytest
        from shop.models import Item

        @pytest.mark.django_db
        def test_it(): assert not Item.objects.exists()
        """,
    )
    suite.run("--no-migrations", "--reuse-db").passed(1)
    assert not (suite.path / "migrated").exists()


def test_a_project_that_cannot_be_prepared_migrates_in_each_worker(suite):
    suite.write(
        "settings.py", "    import builtins\n    builtins.only_in_pytest\n" + SETTINGS
    )
    suite.write("conftest.py", "")
    suite.write("only.py", "import builtins\nbuiltins.only_in_pytest = True\n")

    result = suite.run("-p", "only", "--reuse-db").passed(11)

    assert "each worker migrates by itself" in result.err
    assert "only_in_pytest" in result.err


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ("-c search_path=a,b", ""),
        ("-csearch_path=a -c jit=off", "-c jit=off"),
        ("--search-path=a -c jit=off", "-c jit=off"),
        (
            r"-c jit=off -c search_path=a\ b -c work_mem=1MB",
            "-c jit=off -c work_mem=1MB",
        ),
    ],
)
def test_a_search_path_among_the_options_goes(options, left):
    assert here({"options": options}).get("options", "") == left


def test_the_options_of_a_lease_of_a_shared_role_come_after_the_projects():
    ours = "-c search_path=test_x,public"
    assert here({}, ours) == {"options": ours}
    theirs = {"options": "-c search_path=a -c work_mem=1MB", "pool": True}
    assert here(theirs, ours) == {"pool": True, "options": f"-c work_mem=1MB {ours}"}


def test_what_leads_to_another_server_goes_and_the_rest_stays():
    options = {
        "host": "h",
        "service": "s",
        "assume_role": "r",
        "pool": True,
        "sslmode": "prefer",
    }

    assert here(options) == {"pool": True, "sslmode": "prefer"}
