# SPDX-License-Identifier: MIT
"""A running daemon takes new settings, says which it cannot take, and ignores a bad file."""

import signal

import pytest

from harness import eventually, places
from harness.cli import Cli
from harness.resp import ReplyError, as_map

FILE = "pool_schemas = 1\nbuilds = 2\npg_connections = 3\n"


@pytest.fixture
def conf():
    path = places.new_dir("conf") / "berth.conf"
    path.write_text(FILE)
    return path


@pytest.fixture
def daemon(make_daemon, conf):
    return make_daemon(args=["--config", conf], pool_schemas=None).ready()


def setting(daemon, key) -> str:
    return as_map(daemon.client()("CONFIG", "GET", key))[key]


def reload(daemon) -> dict[str, str]:
    rows = map(as_map, daemon.client()("RELOAD"))
    return {row.key: row.effect for row in rows}


def free_schemas(daemon) -> int:
    return sum(as_map(s).state == "free" for s in daemon.client()("SLOTS"))


def test_what_can_be_taken_is_in_force_and_the_rest_is_named(daemon, conf):
    assert reload(daemon) == {}
    conf.write_text("pool_schemas = 5\nbuilds = 2\npg_connections = 9\nlog_level = debug\n")

    effects = {"pool_schemas": "taken", "pg_connections": "restart", "log_level": "taken"}
    assert reload(daemon) == effects

    assert setting(daemon, "pool_schemas") == "5"
    assert setting(daemon, "pg_connections") == "3"
    eventually(lambda: free_schemas(daemon) == 5, 30)
    assert reload(daemon) == {"pg_connections": "restart"}
    conf.write_text(FILE)
    assert reload(daemon) == {"pool_schemas": "taken", "log_level": "taken"}
    eventually(lambda: free_schemas(daemon) == 1, 30)


def test_sighup_reloads_and_the_log_says_what(daemon, conf):
    conf.write_text("builds = 7\nheartbeat_ms = 1500\n")
    daemon.process.send_signal(signal.SIGHUP)
    daemon.log.wait(30, event="config.reload")
    assert daemon.log.has(event="config.change", key="builds", effect="taken")
    assert daemon.log.has(event="config.change", key="heartbeat_ms", effect="restart")
    assert setting(daemon, "builds") == "7"


def test_a_bad_file_changes_nothing(daemon, conf):
    conf.write_text("builds = 7\nnosuch = 1\n")
    with pytest.raises(ReplyError) as e:
        daemon.client()("RELOAD")
    assert e.value.code == "USAGE" and f"{conf} line 2" in str(e.value)
    daemon.process.send_signal(signal.SIGHUP)
    eventually(lambda: len(daemon.log.find(event="config.refused")) == 2, 30)
    assert setting(daemon, "builds") == "2"


def test_berth_reload_prints_what_the_daemon_says(daemon, conf):
    berth = Cli(daemon.socket)
    conf.write_text("pool_schemas = 1\nbuilds = 9\npg_connections = 9\n")
    assert berth.ok("reload") == "pg_connections\trestart\nbuilds\ttaken\n"
    assert berth.json("reload") == [{"key": "pg_connections", "effect": "restart"}]
    conf.write_text("builds\n")
    done = berth("reload")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{conf} line 1" in done.stderr


def test_what_the_command_line_says_stays_secrets_too(make_daemon, conf, pg):
    args = ["--config", conf, "--pg-dsn", pg.dsn()]
    daemon = make_daemon(pg_dsn=None, args=args, builds=6).ready()
    conf.write_text("builds = 9\nidle_in_transaction_ms = 70000\npg_connections = 3\n")
    assert reload(daemon)["idle_in_transaction_ms"] == "taken"
    assert reload(daemon) == {}
    assert setting(daemon, "builds") == "6"


def test_enums_are_taken_too(make_daemon, make_pg, conf):
    pg = make_pg()
    daemon = make_daemon(pg=pg, args=["--config", conf], redis=None).ready()
    conf.write_text(FILE + "[enums]\nmood = sad,\n  ok\n")
    assert reload(daemon) == {"[enums]": "taken"}
    labels = "SELECT count(*) FROM pg_enum JOIN pg_type t ON t.oid = enumtypid AND typname = 'mood'"
    eventually(lambda: pg.one(labels) == 2)
    assert reload(daemon) == {}
    conf.write_text(FILE)
    assert reload(daemon) == {"[enums]": "taken"}
    assert daemon.client().acquire("gw0").state == "held"


@pytest.mark.root
def test_others_may_not_reload(daemon):
    with pytest.raises(ReplyError) as e:
        daemon.client_of(65534)("RELOAD")
    assert e.value.code == "DENIED"
