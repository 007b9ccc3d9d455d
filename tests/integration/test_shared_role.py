# SPDX-License-Identifier: MIT
"""A berthd that may make no roles: all leases share one, and the options of their DSNs say which schema is whose."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import closing

import asyncpg
import psycopg
import pytest

from harness import eventually, places
from harness.cli import Cli
from harness.pg_server import DAEMON, DAEMON_PASSWORD, LEASE_PASSWORD, PgServer
from harness.resp import ReplyError, as_map
from harness.wait import ms, stays

ROLE = "App Tests"
SETTINGS = "SELECT current_user, current_schema(), current_setting('jit'), current_setting('statement_timeout')"


@pytest.fixture(scope="module")
def shared():
    with closing(PgServer(lease_role=ROLE, max_prepared_transactions=10)) as server:
        yield server


@pytest.fixture
def house(make_daemon, shared):
    """A daemon on it; the role that all leases share is at the end as it was at first."""
    look = f"SELECT a::text, s.setconfig FROM pg_authid a LEFT JOIN pg_db_role_setting s ON s.setrole = a.oid"
    look += f" WHERE rolname = '{ROLE}'"
    before = shared.sql(look)
    yield make_daemon(pg=shared, redis=None, heartbeat_ms=200).ready()
    assert shared.sql(look) == before and before


def refused(call, *words, **kw):
    with pytest.raises(ReplyError) as e:
        call(*words, **kw)
    return e.value


def other_name(lease) -> str:
    """The lease's DSN, under another application_name, as JDBC or psql have one."""
    return lease.dsn + "&application_name=mine"


def reset(client, lease, *words):
    return as_map(client("RESET", lease.lease, *words))


def seal(house, client, key, ddl, kind="schema"):
    lease = client.acquire("builder", template=key, kind=kind)
    assert lease.state == "building"
    house.sql(lease).execute(ddl)
    client("TEMPLATE", "SEAL", lease.lease)
    client("RELEASE", lease.lease)


# -- a lease ---------------------------------------------------------------------------------------


def test_its_dsn_leads_into_its_schema_and_has_the_settings_of_a_role(house):
    client = house.client()
    lease = client.acquire("gw0")
    assert (lease.user, lease.role, lease.password) == (ROLE, ROLE, LEASE_PASSWORD)
    assert [(row.schema, row.role) for row in client.leases()] == [(lease.schema, ROLE)]
    assert f"search_path={lease.schema},public" in lease.options
    at_home = (ROLE, lease.schema, "off", "1min")
    assert house.sql(lease).execute(SETTINGS).fetchone() == at_home

    async def as_asyncpg_has_it():
        connection = await asyncpg.connect(lease.dsn)
        try:
            return tuple(await connection.fetchrow(SETTINGS))
        finally:
            await connection.close()

    assert asyncio.run(as_asyncpg_has_it()) == at_home


def test_exec_has_libpq_in_its_schema(house):
    cli = Cli(house.socket)
    script = 'echo $BERTH_SCHEMA; psql -XAtc "SELECT current_schema()"'
    schema, current = cli.ok("exec", "--", "sh", "-c", script).split()
    assert schema == current and schema.startswith("test_")


def test_exec_drops_options_that_lead_elsewhere_and_leaves_others(daemon):
    """With a role for each lease there are none to set."""
    cli, ask = Cli(daemon.socket), ("exec", "--", "sh", "-c", "echo ${PGOPTIONS-unset}")
    assert cli.ok(*ask, env={"PGOPTIONS": "-c work_mem=8MB"}) == "-c work_mem=8MB\n"
    assert cli.ok(*ask, env={"PGOPTIONS": "-c Search_Path=other"}) == "unset\n"


def test_leases_do_not_see_each_others_tables_by_name(house):
    client = house.client()
    one, other = client.acquire("gw0"), client.acquire("gw1")
    house.sql(one).execute("CREATE TABLE t AS SELECT 1 AS a")
    with pytest.raises(psycopg.errors.UndefinedTable):
        house.sql(other).execute("SELECT * FROM t")


@pytest.mark.pg_dump
def test_a_released_schema_is_dropped_and_its_name_does_not_come_again(house, shared):
    """Nobody can be locked out: whoever has an old DSN finds nothing, and never the next lease's."""
    client = house.client()
    seal(house, client, "recycled", "CREATE TABLE t (a int)")
    old = client.acquire("gw0", template="recycled")
    client("RELEASE", old.lease)
    eventually(lambda: not shared.schema_exists(old.schema))
    seen = set()
    for n in range(6):
        lease = client.acquire(f"gw{n}", template="recycled")
        seen.add(lease.schema)
        client("RELEASE", lease.lease)
    assert old.schema not in seen and len(seen) == 6
    with psycopg.connect(old.dsn) as late, pytest.raises(psycopg.errors.UndefinedTable):
        late.execute("SELECT * FROM t")
    client("TEMPLATE", "DROP", "recycled")


@pytest.mark.parametrize("dsn", [lambda lease: lease.dsn, other_name], ids=["by-name", "by-lock"])
def test_a_release_ends_the_sessions_at_work_in_it_and_no_others(house, shared, dsn):
    client = house.client()
    lease, other = client.acquire("gw0"), client.acquire("gw1")
    bystander = house.sql(other)
    bystander.execute("CREATE TABLE t (a int); BEGIN; LOCK TABLE t")
    with psycopg.connect(dsn(lease)) as session:
        session.execute("CREATE TABLE t (a int)")
        session.commit()
        session.execute("SELECT * FROM t")
        client("RELEASE", lease.lease)
        eventually(lambda: not shared.schema_exists(lease.schema))
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    bystander.execute("COMMIT")
    assert bystander.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_what_somebody_is_just_making_does_not_keep_it(house, shared):
    """Its locks are on relations that nobody else can see yet, and on the schema."""
    lease = house.client().acquire("gw0")
    with psycopg.connect(other_name(lease)) as session:
        session.execute("CREATE TABLE t (a int)")
        house.hang_up()
        eventually(lambda: not shared.schema_exists(lease.schema))
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


@pytest.mark.parametrize("restarted", [False, True])
def test_a_prepared_transaction_does_not_keep_it(house, shared, restarted):
    client = house.client()
    lease, other = client.acquire("gw0"), client.acquire("gw1")
    for one, gid in ((lease, "goes"), (other, "stays")):
        session = house.sql(one)
        session.execute("CREATE TABLE t (a int)")
        session.execute("BEGIN")
        session.execute("CREATE TABLE u (a int); LOCK TABLE t")
        session.execute(f"PREPARE TRANSACTION '{gid}'")
    if restarted:
        shared.restart()
        client("RELEASE", client.acquire("gw2").lease)
    else:
        assert "prepared transaction 'goes'" in refused(client, "RESET", lease.lease).message
    client("RELEASE", lease.lease)
    eventually(lambda: not shared.schema_exists(lease.schema))
    assert shared.sql("SELECT gid FROM pg_prepared_xacts") == [("stays",)]
    house.sql(other).execute("ROLLBACK PREPARED 'stays'")


# -- reset -----------------------------------------------------------------------------------------


@pytest.mark.pg_dump
def test_a_reset_is_exact_in_place_whatever_others_of_the_role_do(house):
    client = house.client()
    seal(house, client, "seeded", "CREATE TABLE t (a serial); INSERT INTO t DEFAULT VALUES; CREATE VIEW v AS TABLE t")
    lease, other = client.acquire("gw0", template="seeded"), client.acquire("gw1", template="seeded")
    assert lease.schema != other.schema
    session, bystander = house.sql(lease), house.sql(other)
    assert reset(client, lease).rebuilt == 0
    for _ in range(3):
        session.execute("INSERT INTO t DEFAULT VALUES; DELETE FROM t WHERE a = 1")
        bystander.execute("CREATE TABLE IF NOT EXISTS more (a int); INSERT INTO t DEFAULT VALUES")
        done = reset(client, lease)
        assert (done.tables, done.rows, done.rebuilt) == (1, 1, 0)
        assert session.execute("TABLE v").fetchall() == [(1,)]
    assert bystander.execute("SELECT count(*) FROM t").fetchone() == (4,)
    session.execute("CREATE TABLE more (a int)")
    assert reset(client, lease).rebuilt == 1
    assert session.execute("SELECT to_regclass('more'), a FROM t").fetchall() == [(None, 1)]
    assert session.execute("INSERT INTO t DEFAULT VALUES RETURNING a").fetchone() == (2,)
    assert bystander.execute("SELECT count(*) FROM more").fetchone() == (0,)
    for one in (lease, other):
        client("RELEASE", one.lease)
    client("TEMPLATE", "DROP", "seeded")


@pytest.mark.parametrize("dsn", [lambda lease: lease.dsn, other_name], ids=["by-name", "by-lock"])
def test_a_reset_waits_for_nobody_and_forces_only_its_own(house, dsn):
    client = house.client()
    lease, other = client.acquire("gw0"), client.acquire("gw1")
    bystander = house.sql(other)
    bystander.execute("CREATE TABLE t (a int); BEGIN; LOCK TABLE t")
    assert reset(client, lease).rebuilt == 0  # nothing was there, and the other is not in its way
    with psycopg.connect(dsn(lease)) as session:
        session.execute("CREATE TABLE t (a int)")
        session.commit()
        session.execute("SELECT * FROM t")
        assert "is idle in transaction" in refused(client, "RESET", lease.lease).message
        assert reset(client, lease, "FORCE").rebuilt == 1
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    bystander.execute("COMMIT")


@pytest.mark.pg_dump
def test_a_template_that_is_written_into_is_not_sealed(make_daemon, shared, tmp_path):
    """Its builder cannot be locked out, so what is taken counts only if nothing has changed meanwhile."""
    dump, writes = tmp_path / "pg_dump", tmp_path / "writes"
    real, psql = places.pg_bindir() / "pg_dump", places.pg_bindir() / "psql"
    dump.write_text(f"#!/bin/sh\n[ ! -e {writes} ] || {psql} -qX '{shared.dsn('postgres')}' -f {writes}\n"
                    f'exec {real} "$@"\n')  # fmt: skip
    dump.chmod(0o755)
    tmp_path.chmod(0o755)
    house = make_daemon(pg=shared, redis=None, pg_dump=dump)
    client = house.ready().client()
    lease = client.acquire("builder", template="busy")
    house.sql(lease).execute("CREATE TABLE t (a int)")
    writes.write_text(f"INSERT INTO {lease.schema}.t VALUES (1)")
    said = refused(client, "TEMPLATE", "SEAL", lease.lease)
    assert said.code == "BUSY" and "somebody writes into it" in said.message
    writes.unlink()
    client("TEMPLATE", "SEAL", lease.lease)
    client("RELEASE", lease.lease)
    client("TEMPLATE", "DROP", "busy")


def test_leaks_tells_of_its_own_alone(house):
    client = house.client()
    lease, other = client.acquire("gw0"), client.acquire("gw1")
    for n, one in enumerate((lease, other)):
        house.sql(one).execute(f"SELECT pg_advisory_lock({41 + n})")
    found = [as_map(row) for row in client("LEAKS", lease.lease)]
    assert sorted((row.kind, row.what) for row in found) == [
        ("advisory", "41"), ("session", "SELECT pg_advisory_lock(41)"),
    ]  # fmt: skip


# -- databases -------------------------------------------------------------------------------------


def test_a_database_of_its_own_comes_from_a_template_and_goes(house, shared):
    client = house.client()
    seal(house, client, "base", "CREATE TABLE t AS SELECT 7 AS a", kind="database")
    lease = client.acquire("gw0", template="base", kind="database")
    assert lease.schema == "public" and "search_path" not in lease.options
    with psycopg.connect(lease.dsn) as session:
        session.execute("INSERT INTO t VALUES (8); CREATE TABLE mine (a int)")
    client("RESET", lease.lease)
    session = house.sql(lease)
    assert session.execute("SELECT array_agg(a), to_regclass('mine') FROM t").fetchone() == ([7], None)
    client("RELEASE", lease.lease)
    eventually(lambda: not shared.database_exists(lease.dbname))
    client("TEMPLATE", "DROP", "base", )
    eventually(lambda: not shared.sql("SELECT FROM pg_database WHERE datname LIKE 'berth_t_%'"))


def test_a_template_of_a_database_is_of_a_role(house, shared, make_daemon):
    """Whoever has roles of their own cannot act as the one that owns what is in it."""
    client = house.client()
    seal(house, client, "base", "CREATE TABLE t (a int)", kind="database")
    shared.sql(f"ALTER ROLE {DAEMON} CREATEROLE")
    try:
        other = make_daemon(pg=shared, redis=None, lease_role=None, lease_role_password=None)
        said = refused(other.ready().client().acquire, "gw0", template="base", kind="database")
        assert not other.finish()
        assert said.code == "NOTEMPLATE" and f"belong to the role {ROLE}" in said.message
    finally:
        shared.sql(f"ALTER ROLE {DAEMON} NOCREATEROLE")
    client("TEMPLATE", "DROP", "base")


def test_a_template_that_another_berthds_role_made_stands_in_nobodys_way(house, shared):
    client = house.client()
    for key in ("theirs", "ours"):
        seal(house, client, key, "CREATE TABLE t (a int)", kind="database")
    theirs, ours = (shared.one("SELECT schema FROM berth.template WHERE key = %s", key) for key in ("theirs", "ours"))
    shared.sql(f"ALTER DATABASE {theirs} OWNER TO postgres")
    try:
        for key in ("theirs", "ours"):
            client("TEMPLATE", "DROP", key)
        eventually(lambda: not shared.database_exists(ours))
        assert shared.database_exists(theirs)
    finally:
        shared.sql(f"ALTER DATABASE {theirs} OWNER TO {DAEMON}")
    eventually(lambda: not shared.database_exists(theirs))


@pytest.mark.parametrize("kind", ["schema", "database"])
def test_what_the_role_has_under_a_name_that_is_asked_for_stays(house, shared, kind):
    shared.sql(f'CREATE {kind} theirs {"AUTHORIZATION" if kind == "schema" else "OWNER"} "{ROLE}"')
    try:
        said = refused(house.client().acquire, "gw0", kind=kind, name="theirs")
        assert said.code == "INUSE"
        exists = shared.schema_exists if kind == "schema" else shared.database_exists
        eventually(lambda: not shared.sql("SELECT FROM berth.slot WHERE name = 'theirs'"))
        assert exists("theirs")
    finally:
        shared.sql(f"DROP {kind} theirs")


@pytest.mark.parametrize("kind", ["schema", "database"])
def test_a_name_that_is_asked_for(house, shared, kind):
    client = house.client()
    lease = client.acquire("gw0", kind=kind, name="test_gw0")
    house.sql(lease).execute("CREATE TABLE t (a int)")
    assert (lease.schema if kind == "schema" else lease.dbname) == "test_gw0"
    client("RELEASE", lease.lease)
    eventually(lambda: not shared.schema_exists("test_gw0") and not shared.database_exists("test_gw0"))


# -- other lives -----------------------------------------------------------------------------------


def test_a_dead_runners_slots_go_and_the_role_stays(house, shared, make_daemon):
    quick = {"runner_grace_ms": ms(1000), "heartbeat_ms": 100}
    doomed = make_daemon(pg=shared, redis=None, **quick).ready()
    client = doomed.client()
    schema, database = client.acquire("gw0"), client.acquire("gw1", kind="database")
    doomed.sql(schema).execute("CREATE TABLE t (a int)")
    doomed.kill()
    eventually(lambda: not shared.schema_exists(schema.schema) and not shared.database_exists(database.dbname), 60)
    assert shared.role_exists(ROLE)


def test_what_one_with_roles_of_its_own_left_waits_for_one_that_may_drop_them(house, shared, make_daemon):
    shared.sql(f"ALTER ROLE {DAEMON} CREATEROLE")
    try:
        quick = {"runner_grace_ms": ms(500), "heartbeat_ms": 100}
        doomed = make_daemon(pg=shared, redis=None, lease_role=None, lease_role_password=None, **quick).ready()
        own = doomed.client().acquire("gw0")
        runner = own.schema.split("_")[1]
        shared.sql(f"ALTER ROLE {DAEMON} NOCREATEROLE")
        doomed.kill()
        look = "SELECT count(*) FROM berth.slot WHERE runner = %s AND built"
        stays(lambda: shared.one(look, runner), 1.5)
    finally:
        shared.sql(f"ALTER ROLE {DAEMON} CREATEROLE")
    try:
        eventually(lambda: house.log.has(event="runner.dead", runner=runner), 30)
        eventually(lambda: not shared.sql("SELECT FROM pg_roles WHERE rolname LIKE %s", f"test_{runner}%"))
    finally:
        shared.sql(f"ALTER ROLE {DAEMON} NOCREATEROLE")


def restart(daemon, lease, **settings):
    """SIGKILL, and the next one with other settings, to which the holder comes back: its client and the lease."""
    daemon.kill()
    daemon.expected_exit = 0
    daemon.settings |= settings
    daemon.start()
    client = daemon.client()
    return client, client.attach(lease)


def test_a_lease_survives_berthd(make_daemon, shared):
    daemon = make_daemon(pg=shared, redis=None).ready()
    lease = daemon.client().acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t AS SELECT 42 AS a")
    client, back = restart(daemon, lease)
    assert back.dsn == lease.dsn
    assert daemon.sql(lease).execute("SELECT a FROM t").fetchone() == (42,)
    reset(client, lease)
    client("RELEASE", lease.lease)
    eventually(lambda: not shared.schema_exists(lease.schema))


def free_slots(client):
    return {row.name for row in map(as_map, client("SLOTS")) if row.state == "free"}


def test_what_the_settings_say_by_now_holds_for_what_an_earlier_life_made(make_daemon, shared):
    daemon = make_daemon(pg=shared, redis=None, pool_schemas=1).ready()
    lease = daemon.client().acquire("gw0")
    old = eventually(lambda: free_slots(daemon.client()))
    try:
        shared.sql(f"ALTER ROLE \"{ROLE}\" PASSWORD 'the next secret'")
        client, back = restart(daemon, lease, lease_role_password="the next secret")
        assert back.password == "the next secret" and reset(client, lease).rebuilt == 0
        other = client.acquire("gw1")
        assert other.schema in old
        assert daemon.sql(other).execute(SETTINGS).fetchone()[:2] == (ROLE, other.schema)
        old = eventually(lambda: free_slots(client))

        client, back = restart(daemon, lease, lease_role=DAEMON, lease_role_password=None)
        assert (back.user, back.password) == (ROLE, "the next secret") and reset(client, lease).rebuilt == 0
        assert client.acquire("gw2").user == DAEMON
        eventually(lambda: not any(map(shared.schema_exists, old)))
        assert daemon.log.has(event="adopt.refused") and "secret" not in daemon.log.path.read_text()
    finally:
        shared.sql(f"ALTER ROLE \"{ROLE}\" PASSWORD '{LEASE_PASSWORD}'")


def test_whoever_was_frozen_ends_no_sessions_of_the_next_lease_of_that_name(make_daemon, shared):
    quick = {"runner_grace_ms": ms(1000), "heartbeat_ms": 100}
    frozen, other = (make_daemon(pg=shared, redis=None, **quick).ready() for _ in range(2))
    client = frozen.client()
    lease = client.acquire("gw0", name="test_gw0")
    stubborn = frozen.sql(lease).info.backend_pid
    os.kill(stubborn, signal.SIGSTOP)  # it cannot end, and is asked to again and again
    try:
        client("RELEASE", lease.lease)
        eventually(lambda: [r.state for r in map(as_map, client("SLOTS")) if r.name == "test_gw0"] == ["dropping"])
        runner = client.info()["runner"]
        frozen.pause()
        keeper = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"
        shared.sql(keeper, f"berthd {runner} keeper")
        eventually(lambda: other.log.has(event="slot.inherit", slot="test_gw0"), 30)
    finally:
        os.kill(stubborn, signal.SIGCONT)
    eventually(lambda: not shared.schema_exists("test_gw0"))
    session = other.sql(other.client().acquire("gw0", name="test_gw0"))
    session.execute("CREATE TABLE t (a int)")
    frozen.expected_exit = 75  # it finds itself buried
    frozen.resume()
    frozen.process.wait(30)
    assert session.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_orphans_of_a_lost_registry_are_found_by_their_stamps(house, shared, make_daemon):
    lost = make_daemon(pg=shared, redis=None).ready()
    lease = lost.client().acquire("gw0")
    session = lost.sql(lease)
    session.execute("CREATE TABLE t (a int)")
    lost.kill()
    eventually(lambda: shared.sessions(ROLE) == 1)
    runner = lease.schema.split("_")[1]
    shared.sql("DELETE FROM berth.slot WHERE runner = %s", runner)
    shared.sql("DELETE FROM berth.runner WHERE id = %s", runner)
    client = house.client()

    def drop():
        return {as_map(row).name: as_map(row) for row in client("ORPHANS", "DROP")}.get(lease.schema)

    why = eventually(lambda: drop().why if "just started" not in drop().why else None, 30)
    assert "1 session" in why
    session.close()
    eventually(lambda: not shared.sessions(ROLE))
    eventually(lambda: drop().action == "dropped")
    assert not shared.schema_exists(lease.schema)


def test_the_role_is_nobodys_orphan(house, shared, make_daemon):
    """For its own runner, and for one with another setting as long as a slot has it."""
    other = make_daemon(pg=shared, redis=None, lease_role=DAEMON, lease_role_password=None).ready()
    house.client().acquire("gw0")
    for client in (house.client(), other.client()):
        assert client("ORPHANS", "DROP", "DRYRUN", "FOREIGN", "LIKE", "App%") == []


# -- what stands in the way ------------------------------------------------------------------------


def found(client, key):
    return {row.key: row for row in map(as_map, client("DOCTOR"))}.get(key)


def test_the_doctor_tells_what_is_missing_then(house, shared):
    client = house.client()
    look = found(client, "lease_role")
    assert look.severity == "warn" and f"share the role {ROLE}" in look.text and "berth grants" in look.remedy
    assert found(client, "createrole").severity == "info"
    shared.sql(f'ALTER ROLE "{ROLE}" SUPERUSER')
    try:
        look = found(client, "lease_role")
        assert look.severity == "bad" and "a superuser" in look.text
    finally:
        shared.sql(f'ALTER ROLE "{ROLE}" NOSUPERUSER')
    shared.sql(f'REVOKE "{ROLE}" FROM {DAEMON}')
    try:
        look = found(client, "lease_role")
        assert look.severity == "bad" and look.remedy.startswith(f'GRANT "{ROLE}" TO "{DAEMON}"')
    finally:
        shared.sql(look.remedy)


@pytest.mark.pg_dump
def test_the_doctor_tells_that_the_role_is_not_there(make_daemon, shared):
    daemon = make_daemon(pg=shared, redis=None, lease_role="nobody here")
    look = eventually(lambda: found(daemon.client(), "lease_role"))
    assert look.severity == "bad" and look.remedy.startswith('CREATE ROLE "nobody here" LOGIN;')


def test_berthds_own_role_may_be_the_shared_one(make_daemon, shared):
    """Its password is that of pg_dsn, then; the doctor says what a test can reach."""
    daemon = make_daemon(pg=shared, redis=None, lease_role=DAEMON, lease_role_password=None)
    client = daemon.ready().client()
    seal(daemon, client, "own", "CREATE TABLE t (a int)")
    lease = client.acquire("gw0", template="own")
    assert (lease.user, lease.password) == (DAEMON, DAEMON_PASSWORD)
    assert refused(client.acquire, "gw1", name=DAEMON).code == "INUSE"  # "$user" of them all
    session = daemon.sql(lease)
    session.execute("INSERT INTO t VALUES (1)")
    assert (reset(client, lease).rows, reset(client, lease).rebuilt) == (1, 0)
    assert "and the registry" in found(client, "lease_role").text
    session.execute("BEGIN; LOCK TABLE t")
    client("RELEASE", lease.lease)
    eventually(lambda: not shared.schema_exists(lease.schema))
    stays(lambda: client.info()["pg_state"] == "up" if "pg_state" in client.info() else True, 0.2)
    client("TEMPLATE", "DROP", "own")


@pytest.mark.parametrize(
    "lease_role, why",
    [
        (None, "may make no roles, and each lease has one: ALTER ROLE berthd CREATEROLE"),
        ("nobody here", "there is no role nobody here that may log in"),
        ("stranger", "may not act for stranger, which lease_role says that all leases share: GRANT stranger TO berthd"),
    ],
)
def test_what_is_missing_is_said_to_whoever_asks(make_daemon, shared, lease_role, why):
    shared.sql("CREATE ROLE stranger LOGIN")
    try:
        daemon = make_daemon(pg=shared, redis=None, lease_role=lease_role, lease_role_password=None)
        said = eventually(lambda: refused(daemon.client().acquire, "gw0", wait=0).message)
        eventually(lambda: why in refused(daemon.client().acquire, "gw0", wait=0).message)
    finally:
        shared.sql("DROP ROLE stranger")


@pytest.mark.parametrize(
    "setting, why", [("lease_role", "at most 63 bytes"), ("lease_role_password", "at most 255 bytes")]
)
def test_what_cannot_be_is_refused_at_once(make_daemon, shared, setting, why):
    daemon = make_daemon(start=False, pg=shared, redis=None, **{setting: "x" * 300})
    daemon.expected_exit = 2
    assert daemon.spawn().wait(30) == 2
    assert why in daemon.log.tail() and "x" * 200 not in daemon.log.tail()
