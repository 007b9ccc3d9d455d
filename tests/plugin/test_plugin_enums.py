# SPDX-License-Identifier: MIT
"""berth_enums: shared enum types are there before any worker has its lease."""

from __future__ import annotations

import pytest

from fake_berthd import Refusal

TESTS = """
    import os
    import psycopg
    import pytest

    @pytest.mark.parametrize("n", range(8))
    def test_the_types_are_there(n, berth_dsn):
        with psycopg.connect(berth_dsn) as session:
            labels = session.execute("SELECT enum_range(NULL::mood)::text[]").fetchone()[0]
            assert labels == ["sad", "a, b", 'say "x"']
            session.execute("CREATE TABLE IF NOT EXISTS t (m mood)")
            session.execute("INSERT INTO t VALUES ('sad')")
"""
ENUMS = """
    berth_enums =
        mood = sad, "a, b" , "say ""x\"""
        unit = kg
"""


@pytest.fixture
def real(project, daemon):
    project.env["BERTH_SOCKET"] = str(daemon.ready().socket)
    project.options.append("--berth")
    project.ini(ENUMS)
    project.write("test_types.py", TESTS)
    yield project
    with daemon.pg.connect() as session:
        session.execute("DROP TYPE IF EXISTS mood, unit CASCADE")


@pytest.mark.parametrize("count", [0, 2])
def test_every_test_finds_the_types_and_they_stay(real, daemon, count):
    real.run("-n", count).passed(8)
    real.run("-n", count).passed(8)

    assert daemon.pg.one("SELECT enum_range(NULL::unit)::text") == "{kg}"


@pytest.mark.parametrize("count", [0, 2])
def test_a_suite_whose_enums_stand_in_its_code_asks_for_the_fixture(project, daemon, count):
    project.env["BERTH_SOCKET"] = str(daemon.ready().socket)
    project.options.append("--berth")
    project.write("test_types.py", TESTS)
    project.write(
        "conftest.py",
        """
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def types(berth_enums):
            made = berth_enums({"mood": ["sad", "a, b", 'say "x"'], "unit": ("kg",)})
            assert set(made) == {"mood", "unit"} and set(made.values()) <= {"created", "exists"}
        """,
    )
    try:
        project.run("-n", count).passed(8)
    finally:
        daemon.pg.sql("DROP TYPE IF EXISTS mood, unit CASCADE")


@pytest.mark.parametrize("count", [0, 2])
def test_other_labels_end_the_run_with_the_difference_said_once(real, daemon, count):
    daemon.pg.sql("CREATE TYPE mood AS ENUM ('sad')")

    result = real.run("-n", count)

    assert result.status == 4
    assert result.both.count("berth: no enum mood: DRIFT") == 1, result.both
    assert "a, b" in result.both and "Traceback" not in result.both
    assert daemon.client().leases() == []


@pytest.fixture
def project_of_one(project, fake):
    project.write("test_one.py", "def test_one(): pass\n")
    project.ini("berth_enums =\n    mood = sad, ok\n")
    fake.on["ENUM"] = lambda args: "created"
    return project


@pytest.mark.parametrize("count", [0, 2])
def test_they_are_ensured_once_and_before_the_first_lease(project_of_one, fake, count):
    project_of_one.run("-n", count).passed(1)

    asked = [r for r in fake.requests if r[0] in ("ENUM", "ACQUIRE")]
    assert asked[0] == ["ENUM", "ENSURE", "mood", "sad", "ok"]
    assert [r[0] for r in asked].count("ENUM") == 1


def test_a_worker_that_did_not_inherit_the_controllers_environment_ensures_them_itself(
    project_of_one, fake
):
    """As one on another host, which may have a daemon of its own."""
    project_of_one.write(
        "conftest.py",
        """
        import pytest

        @pytest.hookimpl(trylast=True, optionalhook=True)
        def pytest_configure_node(node):
            del node.workerinput["berth_environment"]
        """,
    )

    project_of_one.run("-n", 2).passed(1)

    assert fake.verbs().count("ENUM") == 3


def test_a_server_that_is_away_for_a_moment_is_waited_for(project_of_one, fake):
    answers = [Refusal("UNAVAILABLE PostgreSQL is starting"), "created"]

    def ensure(args):
        answer = answers.pop(0)
        if isinstance(answer, Refusal):
            raise answer
        return answer

    fake.on["ENUM"] = ensure

    project_of_one.run().passed(1)
    assert answers == []


def test_a_server_that_stays_away_ends_the_run(project_of_one, fake):
    fake.on["ENUM"] = lambda args: Refusal("UNAVAILABLE PostgreSQL is away")

    result = project_of_one.run("-o", "berth_wait=0.3")

    assert result.status == 4 and "no enum mood: UNAVAILABLE PostgreSQL is away" in result.both
    assert "ACQUIRE" not in fake.verbs()


@pytest.mark.parametrize(
    "line", ["mood", "mood =", "= sad", "mood = sad,", 'mood = "sad', 'mood = a"b', "mood = a,, b"]
)
def test_a_line_that_cannot_be_read_is_refused(project, fake, line):
    project.write("test_one.py", "def test_one(): pass\n")
    project.ini(f"berth_enums =\n    {line}\n")

    result = project.run()

    assert result.status == 4 and f"berth_enums has the line {line!r}" in result.both


def test_a_name_may_stand_once(project, fake):
    project.write("test_one.py", "def test_one(): pass\n")
    project.ini("berth_enums =\n    mood = a\n    mood = b\n")

    assert "each name stands once" in project.run().both
