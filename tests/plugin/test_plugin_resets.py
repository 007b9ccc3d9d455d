# SPDX-License-Identifier: MIT
"""When the plugin resets and when it declares the baseline, seen by a daemon without servers."""

from __future__ import annotations

import pytest

from fake_berthd import Refusal

CONFTEST = """
    import berth
    import pytest

    def saw(what):
        with berth.connect() as client:
            client.command("SAW", what)

    @pytest.fixture(scope="session")
    def tables(berth_lease):
        saw("tables")

    @pytest.fixture(scope="session")
    def seeds():
        saw("seeds")

    @pytest.fixture
    def row(tables):
        saw("row")
"""

TESTS = """
    import pytest
    from conftest import saw

    @pytest.fixture(scope="module")
    def module_rows():
        saw("module")

    class TestA:
        def test_a(self, row, module_rows, tables): saw("a")
        def test_b(self, row): saw("b")

    class TestB:
        def test_c(self, tables, seeds): saw("c")

    def test_d(): saw("d")
"""


@pytest.fixture
def suite(project, fake):
    fake.on["SAW"] = lambda args: "OK"
    project.env["BERTH_SOCKET"] = str(fake.path)
    project.write("conftest.py", CONFTEST)
    project.write("test_one.py", TESTS)
    project.write("test_two.py", "from conftest import saw\ndef test_e(): saw('e')\n")
    return project


def seen(fake) -> str:
    """What happened in the lease, in its order."""
    words = {"RESET": "reset", "BASELINE": "baseline"}
    return " ".join(words.get(r[0], r[-1]) for r in fake.requests if r[0] in ("SAW", *words))


@pytest.mark.parametrize(
    "every, order",
    [
        (
            "test",
            "tables baseline module row a reset row b reset seeds baseline c reset d reset e",
        ),
        ("class", "tables baseline module row a row b reset seeds baseline c reset d reset e"),
        ("module", "tables baseline module row a row b seeds c d reset e"),
        ("session", "tables baseline module row a row b seeds c d e"),
        ("never", "tables module row a row b seeds c d e"),
    ],
)
def test_a_reset_comes_first_and_the_baseline_after_the_session_fixtures(suite, fake, every, order):
    result = suite.run("-o", f"berth_reset={every}").passed(5)

    assert seen(fake) == order
    resets = order.count("reset")
    assert (f"{resets} resets (0.9 ms each)" in result.out) is (resets > 1)


def test_without_a_baseline_the_first_test_is_reset_too(suite, fake):
    suite.run("-o", "berth_reset=test", "-o", "berth_baseline=false", "test_two.py").passed(1)

    assert seen(fake) == "reset e"


def test_every_worker_resets_its_own_and_all_are_counted(suite, fake):
    fake.on["RESET"] = lambda args: {
        "tables": 9, "rows": 9, "sequences": 0, "rebuilt": 1, "us": 2500
    }  # fmt: skip
    result = suite.run("-n", 2, "--dist=loadfile", "-o", "berth_reset=test").passed(5)

    assert "3 resets (2.5 ms each), 3 rebuilds" in result.out
    assert len({r[1] for r in fake.requests if r[0] == "BASELINE"}) == 2


def test_berth_clean_resets_before_the_fixtures_of_the_test_that_asks(suite, fake):
    suite.write(
        "test_one.py",
        """
        from conftest import saw

        def test_a(row): saw("a")
        def test_b(row, berth_clean): saw("b")
        def test_c(row): saw("c")
        def test_d(request, row):
            request.getfixturevalue("berth_clean")
            request.getfixturevalue("berth_clean")
            saw("d")
        """,
    )
    suite.run("test_one.py").passed(4)

    assert seen(fake) == "tables baseline row a reset row b row c row reset d"


def test_berth_clean_at_the_beginning_of_a_module_resets_once(suite, fake):
    suite.write(
        "test_one.py",
        """
        from conftest import saw

        def test_a(berth_clean): saw("a")
        def test_b(): saw("b")
        """,
    )
    suite.run("-o", "berth_reset=module", "-o", "berth_baseline=false").passed(3)

    assert seen(fake) == "reset a b reset e"


def test_berth_baseline_can_be_asked_for_without_resets(suite, fake):
    suite.write(
        "test_two.py",
        """
        from conftest import saw

        def test_e(tables, berth_baseline, berth_lease):
            saw("e")
        """,
    )
    suite.run("test_two.py").passed(1)
    suite.run("-o", "berth_baseline=true", "test_two.py").passed(1)

    assert seen(fake) == "tables baseline e tables baseline e"


def test_a_session_fixture_of_a_test_that_is_not_set_up_is_kept(suite, fake):
    suite.write(
        "test_two.py",
        """
        import pytest
        from conftest import saw

        @pytest.fixture(scope="session")
        def broken(tables): raise RuntimeError("no")

        def test_a(): saw("a")
        def test_b(broken): pass
        @pytest.mark.skip
        def test_c(): pass
        def test_d(tables): saw("d")
        """,
    )
    counts = suite.run("-o", "berth_reset=test", "test_two.py").counts()

    assert counts == {"passed": 2, "skipped": 1, "error": 1}
    assert seen(fake) == "baseline a reset tables baseline reset d"


# What stands in the way

BUSY = "BUSY pid 4711 (idle in transaction): INSERT INTO t VALUES (1)"


def test_a_session_that_ends_in_a_moment_is_waited_for(suite, fake):
    answers = [Refusal(BUSY)] * 3

    def reset(args):
        if answers:
            raise answers.pop()
        return fake._reset(args, None)

    fake.on["RESET"] = reset

    suite.run("-o", "berth_reset=module").passed(5)
    assert answers == []


def test_a_session_that_stays_is_named_with_the_test_that_left_it(suite, fake):
    fake.on["RESET"] = lambda args: Refusal(BUSY)

    result = suite.run("-o", "berth_reset=test")

    assert result.counts() == {"passed": 1, "error": 4}
    assert f"berth: no reset before test_one.py::TestA::test_b: {BUSY}" in result.out
    assert "(test_one.py::TestA::test_a was the last one)" in result.out
    assert "Traceback" not in result.both


def test_a_module_that_could_not_begin_clean_does_so_with_its_next_test(suite, fake):
    suite.write("test_two.py", "def test_f(): pass\ndef test_g(): pass\ndef test_h(): pass\n")
    answers = [Refusal("PGERR deadlock detected")]

    def reset(args):
        if answers:
            raise answers.pop()
        return fake._reset(args, None)

    fake.on["RESET"] = reset

    assert suite.run("-o", "berth_reset=module").counts() == {"passed": 6, "error": 1}
    assert fake.verbs().count("RESET") == 2


def test_a_lease_that_is_gone_is_told(suite, fake):
    fake.on["RESET"] = lambda args: Refusal("NOLEASE no lease fake-1")
    fake.on["BASELINE"] = lambda args: Refusal("PGERR out of shared memory")

    reset = suite.run("-o", "berth_reset=test", "-o", "berth_baseline=false", "test_two.py")
    baseline = suite.run("-o", "berth_baseline=true", "test_two.py")

    assert "no reset before test_two.py::test_e: NOLEASE no lease fake-1" in reset.out
    assert "berth: no baseline: PGERR out of shared memory" in baseline.out


@pytest.mark.parametrize(
    "setting, says",
    [
        ("berth_reset=always", "it may be test, class, module, session, never"),
        ("berth_baseline=perhaps", "it may be true or false"),
    ],
)
def test_a_setting_that_cannot_be_followed_is_refused(suite, fake, setting, says):
    result = suite.run("-o", setting)

    assert result.status == 4 and says in result.both
    assert "ACQUIRE" not in fake.verbs()


def test_a_database_has_no_baseline(suite, fake):
    database = ("-o", "berth_kind=database")

    assert "berth_baseline is for" in suite.run(*database, "-o", "berth_baseline=true").both
    suite.run(*database, "-o", "berth_reset=test", "test_two.py").passed(1)
    assert seen(fake) == "reset e"
