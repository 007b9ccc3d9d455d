# SPDX-License-Identifier: MIT
"""berth enum: shared enum types from the command line."""

import pytest
from harness.cli import Cli, Terminal
from test_cli import says

NASTY = ['it\'s "quoted"', "a, b", " blank ", "é", "-dash"]


@pytest.fixture
def berth(daemon):
    daemon.ready()
    cli = Cli(daemon.socket)
    yield cli
    with daemon.pg.connect() as session:
        for name in ("mood", "Odd Name"):
            session.execute(f'DROP TYPE IF EXISTS "{name}"')
    cli.close()


def test_ensure_says_whether_it_made_the_type(berth):
    assert berth.ok("enum", "ensure", "mood", "sad", "ok") == "created\n"
    assert berth.ok("enum", "ensure", "mood", "sad", "ok") == "exists\n"
    assert berth.json("enum", "ensure", "mood", "sad", "ok") == {
        "name": "mood",
        "outcome": "exists",
    }


def test_other_labels_are_drift_and_append_adds_what_is_missing(berth):
    berth.ok("enum", "ensure", "mood", "sad", "ok")

    assert "'happy'" in says(berth("enum", "ensure", "mood", "sad", "ok", "happy"), 1, "DRIFT")
    assert berth.ok("enum", "append", "mood", "sad", "ok", "happy") == "appended\n"
    assert berth.ok("enum", "append", "mood", "sad", "ok", "happy") == "exists\n"
    assert berth.ok("enum", "ensure", "mood", "sad", "ok", "happy") == "exists\n"


def test_a_wait_for_somebody_elses_lock_is_told(daemon, berth):
    with daemon.pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(12345)")
        one = berth.start("enum", "ensure", "mood", "sad")
        assert one.stderr.readline() == "berth: waiting for others that make types or hold their lock\n"
        helper.execute("SELECT pg_advisory_unlock(12345)")
    assert one.communicate(timeout=30) == ("created\n", "")
    assert one.returncode == 0


def test_names_and_labels_are_taken_as_they_are(daemon, berth):
    assert berth.ok("enum", "ensure", "Odd Name", "--", *NASTY) == "created\n"

    found = {row["name"]: row for row in berth.json("enum", "ls")}
    assert found["Odd Name"] == {"name": "Odd Name", "schema": "public", "labels": NASTY}
    with daemon.pg.connect() as session:
        labels = session.execute('SELECT enum_range(NULL::"Odd Name")::text[]').fetchone()[0]
    assert labels == NASTY


def test_a_line_of_ls_may_be_put_into_the_daemons_configuration(make_daemon, berth, tmp_path):
    """Each label is quoted where berth.conf wants it quoted: another daemon finds no drift."""
    berth.ok("enum", "ensure", "Odd Name", "--", *NASTY)
    line = next(x for x in berth.ok("enum", "ls").splitlines() if x.startswith("Odd Name"))
    name, _, labels = line.split("\t")
    config = tmp_path / "berth.conf"
    config.write_text(f"[enums]\n{name} = {labels}\n")

    make_daemon(args=["--config", config]).ready()


def test_on_a_terminal_ls_is_a_table(berth):
    berth.ok("enum", "ensure", "mood", "sad", "ok")
    terminal = Terminal(berth.argv("enum", "ls"), berth.env)
    try:
        said = terminal.rest()
    finally:
        terminal.close()

    assert [line.split() for line in said.splitlines() if line.split()[0] in ("NAME", "mood")] == [
        ["NAME", "SCHEMA", "LABELS"],
        ["mood", "public", "sad,", "ok"],
    ]


@pytest.mark.parametrize(
    "words, complaint",
    [
        ([], "ensure, append or ls?"),
        (["make"], "'make': ensure, append or ls?"),
        (["ensure"], "ensure takes a name and at least one label"),
        (["append", "mood"], "append takes a name and at least one label"),
        (["ls", "mood"], "'mood' is one word too many"),
        (["ensure", "mood", *map(str, range(62))], "62 labels; 61 is the most"),
        (["ensure", "mood", "x" * 64], "label"),
        (["ensure", "mood", "sad", "sad"], "sad"),
    ],
)
def test_wrong_usage_is_told(berth, words, complaint):
    assert complaint in says(berth("enum", *words), 2, "USAGE")


def test_without_a_daemon_it_is_unreachable():
    assert "/nowhere/b.sock" in says(Cli("/nowhere/b.sock")("enum", "ls"), 69, "UNAVAILABLE")
