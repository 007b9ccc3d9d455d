# SPDX-License-Identifier: MIT
"""Who builds the template that the ini file describes, and what everybody is told of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from types import SimpleNamespace

import berth
import pytest

from fake_berthd import Refusal
from harness import eventually
from harness.wait import SLOW

INI = """
    berth_template_files = migrations
    berth_template_command = echo $BERTH_SCHEMA $DATABASE_URL >>built
"""

TESTS = """
    import os
    from pathlib import Path
    import conftest
    import pytest

    @pytest.mark.parametrize("n", range(6))
    def test_it(n, berth_lease, berth_template):
        assert conftest.SCHEMA == os.environ["BERTH_SCHEMA"] == berth_lease.schema
        assert berth_lease.template == berth_template.key
        if Path("built").exists():
            assert berth_lease.dsn not in Path("built").read_text()
        Path(f"told-{berth_lease.worker}").write_text(repr(berth_template))
"""


@pytest.fixture
def suite(project, fake):
    project.ini(INI)
    project.write("migrations/1.sql", "CREATE TABLE t ()")
    project.write("conftest.py", "import os\nSCHEMA = os.environ['BERTH_SCHEMA']\n")
    project.write("test_one.py", TESTS)
    return project


def built(suite) -> list[str]:
    file = suite.path / "built"
    return file.read_text().splitlines() if file.exists() else []


def keys(fake) -> set[str]:
    """What templates were asked for."""
    return {r[r.index("TEMPLATE") + 1] for r in fake.requests if "TEMPLATE" in r[1:]}


# One builds


@pytest.mark.parametrize("count", [0, 2])
def test_one_worker_builds_and_the_next_run_uses_it(suite, fake, count):
    first = suite.run("-n", count).passed(6)
    second = suite.run("-n", count).passed(6)

    assert len(built(suite)) == 1
    assert re.search(r"wait \d+ ms, template built in \d\.\d s", first.out)
    assert "template reused" in second.out and "Building" not in second.err
    assert "Building the template" in first.err and "Built the template" in first.err
    told = [file.read_text() for file in suite.path.glob("told-*")]
    assert all("built=False" in one for one in told) and len(told) == max(1, count)
    assert len(keys(fake)) == 1


def test_those_that_wait_are_told_for_whom(suite, fake):
    suite.ini(INI.replace("echo", "until [ -e go ]; do sleep 0.1; done; echo"))
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with suite.popen("-n", 2, **quiet) as process:
        seen = ""
        while "Waiting" not in seen:
            line = process.stderr.readline()
            assert line, seen
            seen += line
        (suite.path / "go").touch()
        out, err = process.communicate(timeout=60 * SLOW)

    assert process.returncode == 0, out + err
    assert re.search(
        r"^\[Worker gw\d\] Waiting: template [0-9a-f]{12} is being built by run \S+ worker gw\d, ",
        seen,
        re.MULTILINE,
    )


def test_the_time_of_the_builder_does_not_count_as_waiting(suite, fake):
    suite.ini(INI.replace("echo", "sleep 1; echo") + "    berth_wait = 0.3\n")

    suite.run("-n", 2).passed(6)


def test_the_scripts_of_this_python_are_found_and_berth_env_counts(suite, fake):
    suite.ini(
        """
        berth_env = APP_DB={schema}
        berth_template_key = k
        berth_template_command =
            type pytest >>built
            echo $APP_DB $BERTH_SCHEMA >>built
        """
    )
    suite.env["PATH"] = "/usr/bin:/bin"
    suite.run().passed(6)

    script, schemas = built(suite)
    assert script == f"pytest is {suite.command()[0].rpartition('/')[0]}/pytest"
    assert schemas == "test_fake_1 test_fake_1"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_function_is_called_with_the_lease_in_a_process_of_its_own(suite, fake, kind):
    suite.ini(
        """
        pythonpath = source
        berth_template_key = k
        berth_template_call = app.migrations:Migrations.run
        """
    )
    suite.write("source/app/__init__.py", "")
    suite.write(
        "source/app/migrations.py",
        f"""
        import os
        URL = os.environ["DATABASE_URL"]

        class Migrations:
            {kind} run(lease):
                assert lease.is_builder and lease.template == "k" and lease.dsn == URL
                with open("built", "a") as file:
                    file.write(lease.schema)
        """,
    )
    suite.write(
        "conftest.py",
        """
        import os
        import app.migrations
        SCHEMA = os.environ["BERTH_SCHEMA"]
        assert app.migrations.URL == os.environ["DATABASE_URL"]
        """,
    )
    suite.run().passed(6)

    assert built(suite) == ["test_fake_1"]


# It fails


@pytest.mark.parametrize("count", [0, 2])
def test_a_migration_that_fails_ends_the_run_with_its_last_words(suite, fake, count):
    suite.ini(INI.replace("echo", "seq 100; echo no such table >&2; sleep 0.5; exit 3 #"))

    result = suite.run("-n", count)

    assert result.status == 4
    (error,) = [line for line in result.both.splitlines() if line.startswith("ERROR")]
    assert re.search(r"got no lease: BUILDFAILED 'seq 100;.* exited with status 3 on .*", error)
    assert error.endswith("99 | 100 | no such table")
    assert "Traceback" not in result.both
    assert re.search(r"This has failed: seq 100;.*\n    82\n", result.err)
    aborts = [r[3] for r in fake.requests if r[:2] == ["TEMPLATE", "ABORT"]]
    assert aborts  # a worker that starts when it is over tries for itself
    assert all(message.endswith("99 | 100 | no such table") for message in aborts)
    eventually(lambda: fake.leases == {})


def test_what_cannot_be_sealed_is_told(suite, fake):
    def template(args):
        if args[0] == "SEAL":
            raise Refusal("BUILDFAILED large object 4711 cannot be carried")
        return fake._template(args, None)

    fake.on["TEMPLATE"] = template

    result = suite.run()

    assert result.status == 4
    assert "got no lease: BUILDFAILED large object 4711 cannot be carried" in result.err


def test_ctrl_c_ends_what_migrates_and_lets_another_one_build(suite, fake):
    suite.ini(INI.replace("echo", "echo $$ >pid; sleep 60; echo"))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with suite.popen(**quiet) as process:
        file = suite.path / "pid"
        pid = int(eventually(lambda: file.exists() and file.read_text()))
        process.send_signal(signal.SIGINT)
        process.wait(30 * SLOW)

    assert [r[:2] for r in fake.requests if len(r) == 3 and r[1] == "ABORT"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


# Settings


def recipe(tmp_path, kind=None, **settings):
    from pytest_berth.template import recipe_of

    (tmp_path / "m.sql").touch()
    values = {"files": [], "command": "", "call": "", "key": ""} | settings
    ini = {f"berth_template_{name}": value for name, value in values.items()} | {"pythonpath": []}
    config = SimpleNamespace(getini=ini.__getitem__, inipath=tmp_path / "pytest.ini")
    return recipe_of(config, kind)


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"files": ["m.sql"]}, "set one of them"),
        ({"key": "k"}, "set one of them"),
        ({"files": ["m.sql"], "command": "true", "call": "a:b"}, "set one of them"),
        ({"command": "true"}, "berth_template_files is missing"),
        ({"files": ["m.sql"], "call": "a.b"}, "it is package.module:function"),
        ({"files": ["m.sql"], "call": "a.b:c d"}, "it is package.module:function"),
        ({"files": ["m.sql"], "command": "true", "key": "k"}, "write .* k-{files}"),
        ({"files": ["m.sql"], "command": "true", "key": "{file}"}, "it may hold {files}"),
        ({"files": ["m.sql"], "command": "true", "key": "{"}, "it may hold {files}"),
        ({"command": "true", "key": "{files}"}, "berth_template_files is missing"),
        ({"command": "true", "key": "two words"}, "without blanks"),
        ({"command": "true", "key": "k" * 256}, "1 to 255"),
        ({"files": ["*.py"], "command": "true"}, r"nothing matches '\*\.py'"),
        ({"files": ["m.sql/x"], "command": "true"}, "nothing matches"),
    ],
)
def test_what_cannot_be_followed_is_refused(tmp_path, settings, says):
    with pytest.raises(pytest.UsageError, match=says):
        recipe(tmp_path, **settings).make_key()


def test_the_key_is_made_of_files_and_command_or_as_the_ini_file_says(tmp_path):
    files = {"files": ["m.sql"]}
    keys = [
        recipe(tmp_path, **one).make_key()
        for one in (
            {**files, "command": "a:b"},
            {**files, "command": "a:b", "kind": "database"},
            {**files, "command": "c"},
            {**files, "call": "a:b"},
            {**files, "command": "c", "key": "{files}"},
            {**files, "command": "c", "key": "app-{files}"},
            {"command": "c", "key": "mine"},
        )
    ]
    of_files = berth.template_key(tmp_path / "m.sql")

    assert len(set(keys)) == 7
    assert keys[4:] == [of_files, f"app-{of_files}", "mine"]


def test_globs_directories_and_byte_code(tmp_path):
    for name in ("a/migrations/1.py", "b/migrations/2.py", "b/migrations/__pycache__/2.pyc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    forms = (["*/migrations/*"], ["a", "b"], ["**/*.py"], [str(tmp_path / "*" / "migrations")])

    assert len({recipe(tmp_path, files=f, command="true").make_key() for f in forms}) == 1
    assert recipe(tmp_path) is None


def test_files_that_are_not_there_end_the_run_before_a_worker_starts(suite, fake):
    suite.ini(INI.replace("= migrations", "= nowhere"))

    result = suite.run("-n", 2)

    assert result.status == 4
    (error,) = [line for line in result.both.splitlines() if line.startswith("ERROR")]
    assert "nothing matches 'nowhere'" in error
    assert "ACQUIRE" not in fake.verbs()


# A fixture of the suite's own


OWN = """
    import pytest
    from pathlib import Path

    @pytest.fixture(scope="session")
    def berth_template():
        return {}

    def migrate(lease):
        assert not lease.is_builder
        Path(f"built-{{lease.worker}}").write_text(lease.schema)

    async def migrate_later(lease):
        migrate(lease)
"""


@pytest.fixture
def own(project, fake):
    project.write(
        "test_one.py",
        """
        from pathlib import Path
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def seeds(berth_lease):
            built = Path(f"built-{berth_lease.worker}").read_text()
            assert built.strip() == berth_lease.schema

        @pytest.mark.parametrize("n", range(4))
        def test_it(n, seeds): pass
        """,
    )
    return project


@pytest.mark.parametrize(
    "how", ["migrate", "migrate_later", "'echo $BERTH_SCHEMA >built-$BERTH_WORKER'"]
)
def test_a_fixture_migrates_each_workers_schema_which_is_then_the_baseline(own, fake, how):
    own.write("conftest.py", OWN.format(how))

    result = own.run("-n", 2, "-o", "berth_reset=test").passed(4)

    assert len(list(own.path.glob("built-*"))) == 2
    assert fake.verbs().count("BASELINE") == 2
    assert fake.verbs().count("RESET") == 2
    assert re.search(r"wait \d+ ms, 2 migrations \(\d\.\d s\), 2 resets", result.out)


def test_a_fixture_whose_command_fails_shows_its_last_words(own, fake):
    own.write("conftest.py", OWN.format("'echo no such table; exit 3'"))

    result = own.run()

    assert result.counts() == {"error": 4}
    assert "exited with status 3" in result.out and "\n    no such table" in result.out
    assert "BASELINE" not in fake.verbs()


def test_a_fixture_that_makes_no_sense_is_refused(own, fake):
    own.write("conftest.py", OWN.format("17"))
    assert "the fixture berth_template returns 17" in own.run().out

    own.write("conftest.py", OWN.format("migrate"))
    database = own.run("-o", "berth_kind=database", "-o", "berth_reset=test")
    assert "only a schema has a baseline" in database.out

    own.ini("berth_template_key = k\nberth_template_command = true\n")
    assert "one of them is to go" in own.run().out


def test_without_a_template_there_is_none(project, fake):
    project.write("test_one.py", "def test_it(berth_template): assert berth_template is None\n")

    result = project.run().passed(1)

    assert "berth: 1 lease, wait " in result.out and "template" not in result.out.split("wait")[1]
    assert keys(fake) == set() and not {"RESET", "BASELINE"} & set(fake.verbs())
