# SPDX-License-Identifier: MIT
"""Every finding of `berth doctor` is provoked: the row in the table cannot be there for nothing."""

from __future__ import annotations

import re
import subprocess
from contextlib import ExitStack, closing

import pytest
from harness import eventually, places
from harness.cli import Cli, Terminal
from harness.daemon import Daemon
from harness.pg_server import PgServer
from harness.redis_server import RedisServer
from harness.resp import Map, as_map

CHECKS = re.findall(r'^\t\{ "(\w+)", +NEEDS_', (places.REPO / "daemon/doctor.c").read_text(), re.M)
SEVERITIES = ["ok", "info", "warn", "bad"]


class House:
    """A berthd on a small server and a smaller Redis, with its registry left alone by everybody."""

    def __init__(self) -> None:
        self.pg = PgServer(superuser=False, max_connections=30, max_prepared_transactions=4)
        self.redis = RedisServer(4, "", False)
        self.pg_dump = places.new_dir("pgdump") / "pg_dump"
        self.daemon = Daemon(
            self.pg,
            self.redis,
            wrapper=["prlimit", "--nofile=512:512"],
            pool_schemas=4,
            max_connections=2000,
            heartbeat_ms=600000,
            runner_grace_ms=3600000,
            socket_group="nosuchgroup",
            pg_dump=self.pg_dump,
        )
        self.dump_says("pg_dump (PostgreSQL) 99.1")
        self.daemon.start().ready()
        self.cli = Cli(self.daemon.socket)

    def close(self) -> None:
        self.cli.close()
        wrong = self.daemon.finish()
        self.redis.close()
        self.pg.close()
        assert wrong == []

    def dump_says(self, text: str) -> None:
        self.pg_dump.write_text(f"#!/bin/sh\necho '{text}'\n")
        self.pg_dump.chmod(0o755)

    def look(self) -> dict[str, Map]:
        with self.daemon.client() as client:
            return {row.key: row for row in map(as_map, client("DOCTOR"))}

    def template(self, key: str, **columns) -> None:
        """A sealed template that is in the registry alone."""
        columns = {"key": key, "kind": "schema", "state": "sealed", "fence": 1} | columns
        columns |= {"runner": "ffffff", "builder": "nobody"}
        names = ", ".join(columns)
        values = ", ".join(f"'{v}'" for v in columns.values())
        self.pg.sql(f"INSERT INTO berth.template ({names}) VALUES ({values})")

    def set(self, **settings) -> None:
        """ALTER SYSTEM; None resets."""
        for name, value in settings.items():
            to = f"RESET {name}" if value is None else f"SET {name} = '{value}'"
            self.pg.sql(f"ALTER SYSTEM {to}")
        self.pg.sql("SELECT pg_reload_conf()")
        for name, value in settings.items():
            eventually(lambda n=name, v=value: v in (None, self.pg.one(f"SHOW {n}")), 30)


@pytest.fixture(scope="module")
def house():
    one = House()
    yield one
    one.close()


# How each is provoked: a function of the house and of an ExitStack that undoes it → the least severity.


def connections(house, undo) -> str:
    """Nearly all are taken; two more than that needs, for one of autovacuum's may have been counted."""
    more = 2
    while house.look()["connections"].severity == "info" or (more := more - 1) >= 0:
        undo.enter_context(closing(house.pg.connect()))
    return "warn"


def locks(house, undo) -> str:
    house.template("huge", tables=3000)
    undo.callback(house.pg.sql, "DELETE FROM berth.template")
    return "bad"


def fsync(house, undo) -> str:
    house.set(fsync="on")
    undo.callback(house.set, fsync=None)
    return "info"


def checkpoints(house, undo) -> str:
    for _ in range(12):
        house.pg.sql("CHECKPOINT")
    return "warn"


def autovacuum(house, undo) -> str:
    house.set(autovacuum="off")
    undo.callback(house.set, autovacuum=None)
    return "warn"


def public_connect(house, undo) -> str:
    house.pg.sql("CREATE DATABASE payroll", db="postgres")
    undo.callback(house.pg.sql, "DROP DATABASE payroll", db="postgres")
    assert "DATABASE payroll FROM PUBLIC" in house.look()["public_connect"].remedy
    return "warn"


def public_create(house, undo) -> str:
    house.pg.sql("GRANT CREATE ON SCHEMA public TO PUBLIC")
    undo.callback(house.pg.sql, "REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    return "warn"


def role(attribute: str, severity: str):
    def provoke(house, undo) -> str:
        no = attribute.removeprefix("NO") if attribute[:2] == "NO" else "NO" + attribute
        house.pg.sql(f"ALTER ROLE berthd {attribute}")
        undo.callback(house.pg.sql, f"ALTER ROLE berthd {no}")
        return severity

    return provoke


def create(house, undo) -> str:
    house.pg.sql("REVOKE CREATE ON DATABASE app FROM berthd")
    undo.callback(house.pg.sql, "GRANT CREATE ON DATABASE app TO berthd")
    return "bad"


def templates(house, undo) -> str:
    house.template("old", used="2001-01-01")
    undo.callback(house.pg.sql, "DELETE FROM berth.template")
    assert house.look()["templates"].remedy == "berth template drop 'old'"
    return "info"


def prepared(house, undo) -> str:
    house.pg.sql("BEGIN; CREATE TABLE t (); PREPARE TRANSACTION 'it''s'")
    undo.callback(house.pg.sql, "ROLLBACK PREPARED 'it''s'")
    assert house.look()["prepared"].remedy == "ROLLBACK PREPARED 'it''s';"
    return "info"


def pinned(house, undo) -> str:
    undo.enter_context(closing(house.pg.connect(house.pg.dsn("postgres", "template1"))))
    return "warn"


def pg_dump(house, undo) -> str:
    undo.callback(house.dump_says, "pg_dump (PostgreSQL) 99.1")
    house.dump_says("pg_dump (PostgreSQL) 9.6.24")
    assert "of PostgreSQL 9," in house.look()["pg_dump"].text
    house.dump_says("Hello")
    assert "does not say its version" in house.look()["pg_dump"].text
    house.pg_dump.unlink()
    return "bad"


def socket(house, undo) -> str:
    undo.callback(house.daemon.socket.chmod, 0o660)
    house.daemon.socket.chmod(0o666)
    assert "anybody on this machine" in house.look()["socket"].text
    undo.callback(house.daemon.dir.chmod, 0o755)
    house.daemon.dir.chmod(0o777)
    return "bad"


def versions(house, undo) -> str:
    house.pg.sql(
        "INSERT INTO berth.runner (id, host, pid, uid, version, grace)"
        " VALUES ('ffffff', 'ci-7', 1, 0, '0.0.9', '1 hour')"
    )
    undo.callback(house.pg.sql, "DELETE FROM berth.runner WHERE id = 'ffffff'")
    assert "0.0.9 on ci-7" in house.look()["versions"].text
    return "warn"


def always(severity: str):
    """So is this house."""
    return lambda house, undo: severity


PROVOKED = {
    "connections": connections,
    "locks": locks,
    "fsync": fsync,
    "checkpoints": checkpoints,
    "autovacuum": autovacuum,
    "public_connect": public_connect,
    "public_create": public_create,
    "superuser": role("SUPERUSER", "warn"),
    "createrole": role("NOCREATEROLE", "bad"),
    "createdb": role("NOCREATEDB", "info"),
    "create": create,
    "templates": templates,
    "prepared": prepared,
    "pinned": pinned,
    "pg_dump": pg_dump,
    "redis_databases": always("warn"),
    "redis_acl": always("warn"),
    "socket": socket,
    "descriptors": always("warn"),
    "versions": versions,
}
ELSEWHERE = {"postgresql", "registry", "redis", "clock"}  # each in a test below
ELSEWHERE |= {"lease_role"}  # in test_shared_role.py


def test_every_check_is_provoked():
    assert set(PROVOKED) | ELSEWHERE == set(CHECKS) and not set(PROVOKED) & ELSEWHERE


@pytest.mark.parametrize("key", PROVOKED)
def test_the_finding_is_provoked_and_goes_away(house, key):
    before = house.look()
    assert list(before) == CHECKS
    with ExitStack() as undo:
        severity = PROVOKED[key](house, undo)
        found = house.look()[key]
        assert (found.severity, bool(found.text), bool(found.remedy)) == (severity, True, True)
        assert len(found.text) < 400 and "  " not in found.text
    if PROVOKED[key].__name__ != "<lambda>" and key != "checkpoints":
        assert before[key].severity in SEVERITIES[: SEVERITIES.index(severity)]
        eventually(lambda: house.look()[key].severity == before[key].severity, 30)


def test_a_database_that_may_not_be_copied_is_seen(house):
    house.pg.sql("ALTER DATABASE template1 IS_TEMPLATE false", db="postgres")
    found = house.look()["createdb"]
    assert found.severity == "warn" and "may not copy database template1" in found.text
    house.pg.sql(found.remedy, db="postgres")
    assert house.look()["createdb"].severity == "ok"


def test_without_servers_it_says_so_and_looks_at_the_rest(make_daemon):
    nowhere = "?host=/nonexistent"
    daemon = make_daemon(pg_dsn=f"postgresql://nobody@/x{nowhere}", redis_url="unix:///nonexistent")
    found = {row.key: row for row in map(as_map, daemon.client()("DOCTOR"))}
    assert set(found) == {"postgresql", "redis", "socket", "descriptors"}
    assert found["postgresql"].severity == found["redis"].severity == "bad"
    assert "/nonexistent" in found["postgresql"].text


def test_without_a_registry_it_says_so(make_daemon, house):
    """The role may make no schema in this database."""
    house.pg.sql("CREATE DATABASE closed", db="postgres")
    daemon = make_daemon(pg=None, pg_dsn=house.pg.dsn(db="closed"), redis=None)
    client, found = daemon.client(), {}

    def looked() -> bool:
        found.update((row.key, row) for row in map(as_map, client("DOCTOR")))
        return "registry" in found and "not yet" not in found["registry"].text

    eventually(looked, 30, "PostgreSQL answers")
    assert found["registry"].severity == found["create"].severity == "bad"
    assert "templates" not in found
    daemon.stop()
    house.pg.sql("DROP DATABASE closed WITH (FORCE)", db="postgres")


AHEAD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *now)
{
	int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
	int status = real(id, now);
	if (id == CLOCK_REALTIME)
		now->tv_sec += 90;
	return status;
}
"""


def test_a_clock_that_is_wrong_is_seen(make_daemon):
    """berthd's own goes before by 90 s, and nothing else of it minds."""
    source = places.new_dir("ahead") / "ahead.c"
    source.write_text(AHEAD)
    library = source.with_suffix(".so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    # the sanitizer would come first
    env = {"LD_PRELOAD": str(library), "ASAN_OPTIONS": "verify_asan_link_order=0"}
    daemon = make_daemon(env=env).ready()
    found = {row.key: row for row in map(as_map, daemon.client()("DOCTOR"))}
    assert found["clock"].severity == "warn" and "is 90 s before the database's" in found["clock"].text
    assert found["pinned"].severity == found["locks"].severity == "ok"


# The command.


def test_who_asks_at_once_shares_one_look(house):
    clients = [house.daemon.client() for _ in range(20)]
    for client in clients:
        client.send("DOCTOR")
    answers = [[as_map(row).key for row in client.read()] for client in clients]
    assert answers == [CHECKS] * 20


def test_the_exit_status_says_the_worst(house):
    house.dump_says("pg_dump (PostgreSQL) 99.1")
    done = house.cli("doctor")
    assert (done.returncode, done.stderr) == (1, "")  # warn: the Redis of this house
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[1] for line in lines] == CHECKS and {len(line) for line in lines} == {4}
    house.pg_dump.unlink()
    assert house.cli("doctor", "--json").returncode == 3
    house.dump_says("pg_dump (PostgreSQL) 99.1")


def test_on_a_terminal_the_worst_comes_last(house):
    terminal = Terminal(house.cli.argv("doctor"), house.cli.env)
    said = terminal.rest()
    terminal.close()
    heads = re.findall(r"^\x1b\[\d+m(\w+) *\x1b\[0m  (\w+):", said, re.M)
    assert heads and [SEVERITIES.index(word) for word, _ in heads] == sorted(
        SEVERITIES.index(word) for word, _ in heads
    )
    assert "ok" not in {word for word, _ in heads}
    assert re.search(r"^\d+ ok, \d+ info, \d+ warn, 0 bad", said, re.M)

