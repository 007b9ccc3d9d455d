# SPDX-License-Identifier: MIT
"""berth orphans: what is left over, shown and dropped from the command line."""

import signal

import psycopg
import pytest
from harness import eventually
from harness.cli import Cli, Terminal
from harness.leftovers import Leftovers
from harness.pg_server import DAEMON
from test_cli import says
from test_orphans import QUICK, calm

FIELDS = """
    kind name class runner host run worker uid age_ms tables bytes sessions action why
""".split()


@pytest.fixture
def other(make_daemon, pg):
    daemon = make_daemon(**QUICK).ready()
    calm(pg)
    return daemon


@pytest.fixture
def daemon(other):
    return other


@pytest.fixture
def left(pg):
    return Leftovers(pg)


def on_terminal(berth, *words) -> list[list[str]]:
    """The words of each line; the second screen of a progress line is one of its own."""
    terminal = Terminal(berth.argv(*words), berth.env, columns=200)
    try:
        said = terminal.rest()
    finally:
        terminal.close()
    return [line.split() for line in said.replace("\r\033[K", "\n").splitlines() if line.split()]


def test_they_are_listed_as_lines_as_json_and_as_a_table(berth, left):
    assert berth.ok("orphans") == "" and berth.json("orphans") == []
    left.schema("test_dead01_1", tables=1)

    lines = [line.split("\t") for line in berth.ok("orphans").splitlines()]
    assert [dict(zip(FIELDS, line))["kind"] for line in lines] == ["schema", "role"]
    assert lines[0][:8] == ["schema", "test_dead01_1", "stamped", "dead01", "ci-7", "-", "-", "-"]
    schema, role = berth.json("orphans", "--older-than", "1h", "--like", "test%")
    assert list(schema) == FIELDS and schema["tables"] == 1 and role["tables"] is None
    assert berth.json("orphans", "--older-than", "2d") == []
    table = on_terminal(berth, "orphans")
    assert table[0] == "KIND NAME CLASS HOST RUN WORKER AGE TABLES SIZE SESSIONS WHY".split()
    assert table[1][:7] == ["schema", "test_dead01_1", "stamped", "ci-7", "1d", "1", "24K"]

    berth("orphans", "--drop")


def test_a_dry_run_says_what_would_go_and_then_it_goes(berth, left, pg):
    left.schema("test_dead01_1")
    left.database("test_dead01_2")
    dry = berth.json("orphans", "--drop", "--dry-run")
    assert [x["action"] for x in dry] == ["would-drop"] * 4
    assert pg.schema_exists("test_dead01_1") and pg.database_exists("test_dead01_2")

    done = berth("orphans", "--drop")

    assert done.returncode == 0 and "berth: 4 dropped in" in done.stderr, done
    assert [line.split("\t")[12] for line in done.stdout.splitlines()] == ["dropped"] * 4
    assert on_terminal(berth, "orphans") == [["berth:", "no", "orphans"]]


@pytest.mark.superuser("nobody else may drop what is its, or end a session of it")
def test_what_is_kept_is_told_and_makes_it_fail(berth, left, pg):
    left.foreign("test_gw0")
    left.schema("test_dead01_1")
    with pg.connect() as busy:
        busy.execute("BEGIN; LOCK TABLE test_gw0.t0 IN ROW EXCLUSIVE MODE")
        words = ("orphans", "--drop", "--foreign", "--like", "test_%")
        done = berth(*words, "--json")
        assert done.returncode == 1
        for told in ("berth: 2 dropped", ", 1 kept", "hint: --with-sessions"):
            assert told in done.stderr
        table = on_terminal(berth, *words)  # of --drop, only these
        assert [line[:3] for line in table if line[0] in ("schema", "role")] == [
            ["schema", "test_gw0", "foreign"]
        ]
        assert berth(*words, "--with-sessions").returncode == 0
        with pytest.raises(psycopg.OperationalError):
            busy.execute("COMMIT")
    assert not pg.schema_exists("test_gw0")


def test_it_may_be_interrupted_and_goes_on_the_next_time(make_daemon, make_pg):
    pg = make_pg()
    berth = Cli(make_daemon(pg=pg, **QUICK).ready().socket)
    stamp = Leftovers(pg).stamp()
    names = [f"test_dead01_{i}" for i in range(300)]
    pg.sql("".join(f"CREATE SCHEMA {n} AUTHORIZATION {DAEMON}; COMMENT ON SCHEMA {n} IS '{stamp}';" for n in names))
    calm(pg)

    def there() -> int:
        return pg.one("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'test\\_dead%'")

    running = berth.start("orphans", "--drop")
    try:
        eventually(lambda: there() < 300)
        pg.pause()
        running.send_signal(signal.SIGINT)
        pg.resume()
        out, err = running.communicate(timeout=60)
        assert running.returncode == 128 + signal.SIGINT, err
        assert "interrupted; the same again goes on" in err
        # Everything that went was told, and nothing else.
        assert 0 < there() == 300 - len(out.splitlines())
        assert berth("orphans", "--drop").returncode == 0
        assert there() == 0
    finally:
        berth.close()


def test_when_redis_is_away_that_is_said(make_daemon, make_redis):
    server = make_redis()
    daemon = make_daemon(redis=server, **QUICK).ready()
    server.stop()
    eventually(lambda: daemon.client().info()["redis_up"] == "0")
    done = Cli(daemon.socket)("orphans")
    assert done.returncode == 0
    assert "Redis is not looked at, for it cannot be asked now: " in done.stderr
    server.start()


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["x"], "'x' is one word too many"),
        (["--with-sessions"], "--with-sessions goes with --drop"),
        (["--foreign"], "it needs LIKE pattern"),
        (["--foreign", "--like", "%", "--drop"], "matches nearly everything"),
        (["--older-than", "soon"], "a duration is a number"),
    ],
)
def test_wrong_usage_is_told(berth, words, complaint):
    assert complaint in says(berth("orphans", *words), 2, "USAGE")


def test_without_a_daemon_it_is_unreachable():
    assert "/nowhere/b.sock" in says(Cli("/nowhere/b.sock")("orphans"), 69, "UNAVAILABLE")
