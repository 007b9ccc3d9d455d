# SPDX-License-Identifier: MIT
"""Passwords reach the one who holds the lease, and nobody and nothing else."""

import re
import subprocess
from pathlib import Path

import pytest

from harness import places, process
from harness.cli import BERTH
from harness.pg_server import DAEMON_PASSWORD
from harness.resp import ReplyError, as_map


@pytest.fixture
def busy(make_daemon, make_pg, make_redis):
    """A berthd at log level debug that has seen everything; (daemon, all secrets)."""
    pg = make_pg(log_statement="all", log_min_messages="debug1", log_min_error_statement="debug1")
    kv = make_redis(password="redis-secret-of-the-daemon")
    daemon = make_daemon(pg=pg, redis=kv, log_level="debug", pool_databases=1)
    client = daemon.client()
    secrets = {DAEMON_PASSWORD, "redis-secret-of-the-daemon"}

    def took(lease):
        secrets.update(x for x in (lease.password, lease.redis_password) if x)
        return lease

    for i in range(4):
        took(client.acquire(f"gw{i}", run="a"))
    took(client.acquire("gw4", kind="database"))
    took(client.acquire("gw5", redis="private"))
    took(client.acquire("gw6", redis="index"))
    named = took(client.acquire("gw7", name="test_exact"))
    daemon.sql(named).execute("CREATE TABLE t (a int)")
    client("RELEASE", "a/gw0")
    client("RELEASE", "a/gw1", "KEEP", "60000")
    pg.restart()
    took(daemon.client().acquire("gw8", wait=30000))
    worker = daemon.spawn_worker()
    took(worker.acquire("gw9"))
    worker.kill()
    return daemon, secrets


def found_in(text: str, secrets) -> list[str]:
    """Where secrets stand in a text, shown by what precedes them."""
    return [
        text[max(0, m.start() - 60) : m.start()]
        for s in secrets
        for m in re.finditer(re.escape(s), text)
    ]


def test_no_password_reaches_log_list_error_or_process_title(busy):
    daemon, secrets = busy
    assert len(secrets) > 10
    client = daemon.client()

    errors = []
    for words in (
        ("ACQUIRE", "x", "NAME", "test_exact", "WAIT", "3000"),
        ("ACQUIRE", "x", "TTL", "0"),
        ("ATTACH", "default/gw4", "999999"),
        ("LEASE", "no/such"),
    ):
        with pytest.raises(ReplyError) as e:
            client(*words)
        errors.append(str(e.value))
    config = client("CONFIG", "GET", "*")
    shown = {
        "log": daemon.log.text(),
        "errors": "\n".join(errors),
        "LEASES": repr(client("LEASES")),
        "SLOTS": repr(client("SLOTS")),
        "RUNNERS": repr(client("RUNNERS")),
        "INFO": client("INFO"),
        "CONFIG": repr(config),
        "HELP": repr(client("HELP")),
        "title": process.cmdline(daemon.pid),
        "children": " ".join(process.cmdline(c) for c in process.children(daemon.pid)),
        "stamps": repr(
            daemon.pg.sql(
                "SELECT description FROM pg_description JOIN pg_namespace n ON objoid = n.oid"
            )
        ),
        "activity": repr(daemon.pg.sql("SELECT query, application_name FROM pg_stat_activity")),
    }
    assert {
        where: found_in(text, secrets) for where, text in shown.items() if found_in(text, secrets)
    } == {}
    assert as_map(config).pg_dsn == "***"


def test_postgresql_s_log_sees_verifiers_only(busy):
    daemon, secrets = busy
    lines = daemon.pg.log.read_text(errors="replace").splitlines()
    log = "\n".join(x for x in lines if "postgres@" not in x)  # but for what the harness said
    assert "CREATE ROLE" in log.upper(), "the story needs log_statement=all to work"
    assert found_in(log, secrets) == []
    for password in re.findall(r"PASSWORD\s+(?:E)?'([^']*)'", log, re.I):
        assert (
            password == "" or password.startswith("SCRAM-SHA-256$") or password == DAEMON_PASSWORD
        )


def test_redis_slowlog_and_monitor_see_hashes_only(busy):
    """ACL SETUSER #hash instead of >password: whoever may MONITOR learns nothing to log in with."""
    daemon, secrets = busy
    admin = daemon.redis.db(0)
    admin.config_set("slowlog-log-slower-than", 0)
    client = daemon.client()
    lease = client.acquire("late1", redis="acl")
    also = client.acquire("late2", redis="acl")
    more = client.acquire("late3", redis="acl")
    log = repr(admin.slowlog_get(500))
    assert found_in(log, {x.redis_password for x in (lease, also, more)}) == []


def test_the_registry_holds_no_password_that_others_could_read(busy):
    daemon, secrets = busy
    for table in ("lease", "slot", "runner", "meta"):
        grants = daemon.pg.sql(
            "SELECT grantee FROM information_schema.role_table_grants WHERE table_schema = 'berth'"
            f" AND table_name = '{table}' AND grantee <> 'berthd'"
        )
        assert grants == [], table


def test_files_of_the_daemon_are_for_its_user_alone(busy):
    daemon, secrets = busy
    wide = [
        str(p)
        for p in (daemon.dir / "private").rglob("*")
        if p.stat().st_mode & 0o007 and not p.is_symlink()
    ]
    assert [w for w in wide if (daemon.dir / "private").stat().st_mode & 0o007] == []


def test_two_leases_never_share_a_password(busy):
    daemon, secrets = busy
    lease = daemon.client().acquire("gw4")
    assert lease.password != lease.redis_password
    assert all(len(s) >= 22 for s in secrets)


def test_a_dsn_on_the_command_line_is_not_shown_by_ps(make_daemon, pg, redis_server):
    daemon = make_daemon(
        pg_dsn=None,
        redis_url=None,
        args=["--pg-dsn", pg.dsn(), f"--redis-url={redis_server.url()}"],
    )
    daemon.ready()
    shown = Path(f"/proc/{daemon.pid}/cmdline").read_bytes().split(b"\0")
    assert b"--pg-dsn" in shown
    assert not [x for x in shown if b"postgresql" in x or b"host=" in x or b"unix:" in x]


# The programs themselves


@pytest.mark.skipif("asan" in str(places.BERTHD.resolve()), reason="sanitizers bring checks of their own")
@pytest.mark.parametrize("program", [places.BERTHD, BERTH], ids=["berthd", "berth"])
def test_a_program_is_hard_to_bend(program):
    """Position-independent, its tables read-only before main(), copies and stacks checked."""

    def readelf(*options):
        return subprocess.run(["readelf", "-W", *options, program], check=True, capture_output=True, text=True).stdout

    assert "DYN (Position-Independent Executable" in readelf("-h")
    assert "GNU_RELRO" in readelf("-l") and "BIND_NOW" in readelf("-d")
    stack = next(line for line in readelf("-l").splitlines() if "GNU_STACK" in line)
    assert " RW " in stack
    symbols = readelf("--dyn-syms")
    assert "__stack_chk_fail" in symbols and "_chk@" in symbols
