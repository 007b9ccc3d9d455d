# SPDX-License-Identifier: MIT
"""A lease is a schema, a role and a Redis database that nobody else has."""

import os
import subprocess
import threading

import psycopg
import pytest
import redis

from harness import eventually
from harness.resp import ReplyError, as_map, encode

FIELDS = """
    lease run worker state position kind template builder schema role dsn host port dbname user password
    options redis redis_url redis_host redis_port redis_socket redis_db redis_user redis_password
    fence expires_ms why
""".split()

LISTED = """
    lease run worker state position kind schema role dbname redis redis_db fence uid pid
    label age_ms expires_ms connections
""".split()


def refused(client, *words) -> ReplyError:
    with pytest.raises(ReplyError) as e:
        client(*words)
    return e.value


# What one gets.


def test_the_lease_map_has_its_fields_in_this_order(daemon):
    client = daemon.client()
    assert client("ACQUIRE", "gw0", "WAIT", "10000")[::2] == FIELDS
    client("HELLO", "3")
    lease = client("ACQUIRE", "gw0", "WAIT", "10000")
    assert client.raw.startswith(b"%%%d\r\n" % len(FIELDS))
    assert list(lease) == FIELDS


def test_a_held_lease_says_everything_one_needs(daemon):
    lease = daemon.client().acquire("gw0", run="r1")

    assert (lease.run, lease.worker, lease.state, lease.position) == ("r1", "gw0", "held", 0)
    assert lease.kind == "schema" and lease.why is None
    assert lease.role == lease.user == lease.schema
    assert lease.schema.startswith("test_")
    assert (
        lease.dbname == "app" and lease.host == str(daemon.pg.dir) and lease.port == daemon.pg.port
    )
    assert lease.redis == "acl" and lease.redis_db not in (0, 15)
    assert isinstance(lease.fence, int) and lease.fence > 0
    assert isinstance(lease.port, int) and isinstance(lease.redis_db, int)
    assert len(lease.password) >= 22  # 128 bits in base 64


def test_generated_names_carry_the_runner_and_a_number(daemon):
    lease = daemon.client().acquire("gw0")
    runner, _, number = lease.lease.partition("-")
    assert len(runner) == 6 and int(runner, 16) >= 0 and number.isdigit()
    assert lease.schema.rpartition("_")[0] == f"test_{runner}"
    assert lease.schema.rpartition("_")[2].isdigit()


def test_without_run_the_run_is_default(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    assert lease.run == "default"
    assert client.lease("default/gw0").lease == lease.lease


def test_an_unchanged_dsn_lands_in_the_slot(daemon):
    lease = daemon.client().acquire("gw0")
    session = daemon.sql(lease)
    session.execute("CREATE TABLE t (a int)")
    row = session.execute(
        "SELECT current_schema, current_user, current_database(), 't'::regclass::text,"
        " (SELECT relnamespace::regnamespace::text FROM pg_class WHERE oid = 't'::regclass)"
    ).fetchone()
    assert row == (lease.schema, lease.role, "app", "t", lease.schema)


def test_the_single_fields_lead_there_too(daemon):
    lease = daemon.client().acquire("gw0")
    with psycopg.connect(
        host=lease.host,
        port=lease.port,
        dbname=lease.dbname,
        user=lease.user,
        password=lease.password,
    ) as session:
        assert session.execute("SELECT current_schema").fetchone() == (lease.schema,)


@pytest.mark.parametrize("tcp", [False, True], ids=["unix socket", "tcp"])
def test_psql_takes_the_dsn(make_daemon, pg, tcp):
    daemon = make_daemon(pg_dsn=pg.dsn(tcp=tcp))
    lease = daemon.client().acquire("gw0")
    assert lease.host == ("127.0.0.1" if tcp else str(pg.dir))
    done = subprocess.run(
        ["psql", lease.dsn, "-qAtc", "SELECT current_schema"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.strip() == lease.schema, done.stderr


@pytest.mark.parametrize("tcp", [False, True], ids=["unix socket", "tcp"])
def test_the_redis_url_leads_into_the_lease_s_database(make_daemon, redis_server, tcp):
    daemon = make_daemon(redis_url=redis_server.url(tcp=tcp))
    lease = daemon.client().acquire("gw0")
    daemon.kv(lease).set("k", "v")
    assert redis_server.db(lease.redis_db).get("k") == "v"
    if tcp:
        assert (lease.redis_host, lease.redis_port) == ("127.0.0.1", redis_server.port)
        assert lease.redis_url.startswith("redis://")
    else:
        assert lease.redis_socket == str(redis_server.socket)
        assert lease.redis_url.startswith("unix://")


def test_the_settings_of_the_session_are_those_for_tests(daemon):
    session = daemon.sql(daemon.client().acquire("gw0"))
    shown = {
        name: session.execute(f"SHOW {name}").fetchone()[0]
        for name in ("jit", "statement_timeout", "idle_in_transaction_session_timeout")
    }
    assert shown == {
        "jit": "off",
        "statement_timeout": "1min",
        "idle_in_transaction_session_timeout": "1min",
    }
    path = session.execute("SHOW search_path").fetchone()[0]
    assert path.replace(" ", "").endswith(",public")


@pytest.mark.berthd(statement_timeout_ms=150, idle_in_transaction_ms=0)
def test_timeouts_are_configured(daemon):
    session = daemon.sql(daemon.client().acquire("gw0"))
    with pytest.raises(psycopg.errors.QueryCanceled):
        session.execute("SELECT pg_sleep(30)")
    assert session.execute("SHOW idle_in_transaction_session_timeout").fetchone() == ("0",)


@pytest.mark.berthd(role_connections=2)
def test_the_role_has_a_connection_limit(daemon):
    lease = daemon.client().acquire("gw0")
    daemon.sql(lease), daemon.sql(lease)
    with pytest.raises(psycopg.OperationalError, match="too many connections"):
        psycopg.connect(lease.dsn)


def test_the_schema_bears_a_stamp(daemon):
    lease = daemon.client().acquire("gw0")
    stamp = daemon.pg.one("SELECT obj_description(%s::regnamespace, 'pg_namespace')", lease.schema)
    assert stamp and lease.lease.split("-")[0] in stamp


# Who is who.


def test_different_workers_get_different_slots(daemon):
    client = daemon.client()
    leases = [client.acquire(f"gw{i}", run=run) for run in ("a", "b") for i in range(3)]
    for field in ("lease", "schema", "password", "redis_db", "redis_user"):
        assert len({lease[field] for lease in leases}) == 6, field


def test_asking_again_gives_the_same_lease(daemon):
    one, two = daemon.client(), daemon.client()
    first = one.acquire("gw0", run="r")
    for client in (one, two):
        again = client.acquire("gw0", run="r")
        assert {k: v for k, v in again.items() if k != "expires_ms"} == {
            k: v for k, v in first.items() if k != "expires_ms"
        }
    assert len(one.leases()) == 1


@pytest.mark.berthd(pool_schemas=0, pool_redis=0)
def test_two_connections_asking_at_the_same_moment_get_the_same_lease(daemon):
    clients = [daemon.client() for _ in range(8)]
    for client in clients:
        client("PING")
    for client in clients:
        client.send("ACQUIRE", "gw0", "RUN", "r", "WAIT", "20000")
    leases = [as_map(client.read()) for client in clients]
    assert {(x.state, x.lease, x.schema, x.password, x.redis_db) for x in leases} == {
        ("held", leases[0].lease, leases[0].schema, leases[0].password, leases[0].redis_db)
    }
    assert len(clients[0].leases()) == 1


def test_a_lease_is_found_by_its_id_and_by_run_and_worker(daemon):
    client = daemon.client()
    lease = client.acquire("gw0", run="build-7/a")
    assert client.lease(lease.lease).dsn == lease.dsn
    assert client.lease("build-7/a/gw0").dsn == lease.dsn
    assert refused(client, "LEASE", "build-7/a/gw1").code == "NOLEASE"
    assert refused(client, "LEASE", "ffffff-1").code == "NOLEASE"


def test_every_grant_has_a_higher_fence(daemon):
    client = daemon.client()
    fences = []
    for _ in range(3):
        lease = client.acquire("gw0", name="test_fenced")
        fences.append(lease.fence)
        client("RELEASE", lease.lease)
    assert fences == sorted(set(fences))


def test_release_gives_everything_back_and_the_worker_may_come_again(daemon):
    client = daemon.client()
    first = client.acquire("gw0")
    daemon.kv(first).set("k", "v")
    assert client("RELEASE", first.lease) == "OK"
    assert refused(client, "LEASE", first.lease).code == "NOLEASE"

    eventually(lambda: not daemon.pg.role_exists(first.role))
    assert not daemon.pg.schema_exists(first.schema)
    eventually(lambda: daemon.redis.db(first.redis_db).dbsize() == 0)
    second = client.acquire("gw0")
    assert second.lease != first.lease and second.password != first.password


def test_a_resent_release_does_no_harm_to_the_next_holder(daemon):
    client = daemon.client()
    first = client.acquire("gw0")
    client("RELEASE", first.lease)
    second = client.acquire("gw0")
    client.send("RELEASE", first.lease)
    answer = client.read_any()
    assert answer == "OK" or answer.code == "NOLEASE"
    assert client.lease(second.lease).state == "held"


# NAME.


def test_an_exact_name_is_honoured(daemon):
    lease = daemon.client().acquire("gw0", name="test_gw0")
    assert lease.schema == lease.role == "test_gw0"
    assert daemon.sql(lease).execute("SELECT current_schema").fetchone() == ("test_gw0",)


def test_a_name_is_ours_again_after_release(daemon):
    client = daemon.client()
    for run in ("a", "b"):
        lease = client.acquire("gw0", run=run, name="test_gw0")
        assert lease.schema == "test_gw0"
        client("RELEASE", lease.lease)


def test_the_name_of_a_foreign_schema_is_in_use(daemon):
    daemon.pg.sql("CREATE SCHEMA somebodys")
    try:
        daemon.pg.sql("CREATE TABLE somebodys.data AS SELECT 1 AS a")
        client = daemon.client()
        error = refused(client, "ACQUIRE", "gw0", "NAME", "somebodys", "WAIT", "10000")
        assert error.code == "INUSE" and "somebodys" in error.message
        assert client("PING") == "PONG" and client.leases() == []
        assert daemon.pg.one("SELECT a FROM somebodys.data") == 1
    finally:
        daemon.pg.sql("DROP SCHEMA somebodys CASCADE")


def test_the_name_of_a_foreign_role_is_in_use(daemon):
    daemon.pg.sql("CREATE ROLE somebody")
    try:
        error = refused(daemon.client(), "ACQUIRE", "gw0", "NAME", "somebody", "WAIT", "10000")
        assert error.code == "INUSE" and "somebody" in error.message
        assert daemon.pg.role_exists("somebody") and not daemon.pg.schema_exists("somebody")
    finally:
        daemon.pg.sql("DROP ROLE somebody")


def test_the_name_of_somebodys_lease_is_in_use_and_says_whose(daemon):
    client = daemon.client()
    client.acquire("gw0", run="first", name="test_gw0")
    error = refused(client, "ACQUIRE", "gw0", "RUN", "second", "NAME", "test_gw0", "WAIT", "5000")
    assert error.code == "INUSE"
    assert "first" in error.message and "gw0" in error.message
    assert [x.run for x in client.leases()] == ["first"]


@pytest.mark.parametrize("name", ["public", "berth", "pg_catalog", "information_schema", "pg_mine"])
def test_names_of_the_system_are_never_given(daemon, name):
    client = daemon.client()
    error = refused(client, "ACQUIRE", "gw0", "NAME", name, "WAIT", "5000")
    assert error.code in ("INUSE", "USAGE", "DENIED")
    assert client.leases() == []
    assert daemon.pg.schema_exists("public")


@pytest.mark.parametrize("name", ["app", "postgres", "template1"])
def test_a_database_that_exists_is_never_given(daemon, name):
    error = refused(
        daemon.client(), "ACQUIRE", "gw0", "KIND", "database", "NAME", name, "WAIT", "5000"
    )
    assert error.code in ("INUSE", "USAGE", "DENIED")
    assert daemon.pg.database_exists(name)


# KIND database.


def test_a_database_of_its_own_where_schemas_are_not_enough(daemon):
    client = daemon.client()
    lease = client.acquire("gw0", kind="database")
    assert lease.kind == "database" and lease.schema == "public"
    assert lease.dbname == lease.role == lease.user and lease.dbname.startswith("test_")

    session = daemon.sql(lease)
    assert session.execute("SELECT current_database()").fetchone() == (lease.dbname,)
    session.execute("CREATE TABLE public.t (a int)")
    session.execute("CREATE SCHEMA tenant_1")
    session.execute("CREATE EXTENSION citext")
    session.execute("LISTEN channel")
    owner = daemon.pg.one(
        "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = %s", lease.dbname
    )
    assert owner == lease.role

    client("RELEASE", lease.lease)
    eventually(lambda: not daemon.pg.database_exists(lease.dbname))
    eventually(lambda: not daemon.pg.role_exists(lease.role))


def test_a_database_lease_takes_an_exact_name(daemon):
    lease = daemon.client().acquire("gw0", kind="database", name="test_exact")
    assert lease.dbname == lease.role == "test_exact"


@pytest.mark.berthd(pool_databases=1)
def test_a_pooled_database_is_handed_out(daemon):
    client = daemon.client()
    eventually(lambda: [d for d in daemon.pg.made() if d.startswith("database test_")])
    lease = client.acquire("gw0", kind="database")
    assert daemon.sql(lease).execute("SELECT current_database()").fetchone() == (lease.dbname,)


def test_other_leases_cannot_see_into_a_database_lease(daemon):
    client = daemon.client()
    mine, other = client.acquire("gw0", kind="database"), client.acquire("gw1", kind="database")
    daemon.sql(mine).execute("CREATE TABLE t AS SELECT 1 AS a")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        psycopg.connect(other.dsn, dbname=mine.dbname)


# The fence around the role.


@pytest.fixture
def two(daemon):
    """(the session of one lease, the other lease) of one daemon, the other having a table t."""
    client = daemon.client()
    mine, other = client.acquire("gw0"), client.acquire("gw1")
    daemon.sql(other).execute("CREATE TABLE t AS SELECT 1 AS a")
    return daemon.sql(mine), other


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM {other}.t",
        "CREATE TABLE {other}.mine (a int)",
        "DROP TABLE {other}.t",
        "DROP SCHEMA {other} CASCADE",
        "CREATE TABLE public.mine (a int)",
        "CREATE SCHEMA another",
        "SELECT * FROM berth.lease",
        "SELECT * FROM berth.slot",
        "DELETE FROM berth.runner",
        "SET ROLE {other}",
        "SET SESSION AUTHORIZATION {other}",
        "ALTER ROLE {other} PASSWORD 'x'",
        "ALTER ROLE CURRENT_USER SUPERUSER",
        "CREATE ROLE mine",
        "CREATE DATABASE mine",
        "DROP DATABASE app",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "ALTER SYSTEM SET jit = on",
    ],
)
def test_the_role_may_not(two, statement):
    session, other = two
    with pytest.raises(psycopg.Error) as e:
        session.execute(statement.format(other=other.schema))
    assert e.value.sqlstate in ("42501", "22023"), e.value  # insufficient privilege


def test_the_role_may_not_end_the_sessions_of_others(daemon, two):
    session, other = two
    victim = daemon.sql(other)
    pid = victim.info.backend_pid
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("SELECT pg_terminate_backend(%s)", [pid])
    assert victim.execute("SELECT 1").fetchone() == (1,)


def test_the_role_sees_what_is_shared_in_public(daemon):
    daemon.pg.sql("CREATE TYPE public.shared_enum AS ENUM ('a', 'b')")
    try:
        session = daemon.sql(daemon.client().acquire("gw0"))
        session.execute("CREATE TABLE t (e shared_enum)")
        session.execute("INSERT INTO t VALUES ('a')")
        session.execute("DROP TABLE t")
    finally:
        daemon.pg.sql("DROP TYPE public.shared_enum")


# Redis.

OUTSIDE = [
    ("SELECT", "{other}"),
    ("SELECT", "0"),
    ("SELECT", "{meta}"),
    ("FLUSHALL",),
    ("SWAPDB", "{mine}", "{other}"),
    ("MOVE", "k", "{other}"),
    ("COPY", "k", "k2", "DB", "{other}"),
    ("CONFIG", "GET", "requirepass"),
    ("CONFIG", "SET", "maxmemory", "1"),
    ("ACL", "SETUSER", "{user}", "+@all"),
    ("ACL", "LIST"),
    ("SHUTDOWN", "NOSAVE"),
    ("DEBUG", "SLEEP", "0"),
    ("CLIENT", "KILL", "TYPE", "normal"),
    ("CLIENT", "PAUSE", "1"),
    ("REPLICAOF", "NO", "ONE"),
    ("SCRIPT", "FLUSH"),
    ("FUNCTION", "FLUSH"),
    ("MONITOR",),
    ("MIGRATE", "127.0.0.1", "1", "k", "{other}", "10"),
    ("EVAL", "redis.call('select', {other}) return redis.call('get', 'k')", "0"),
    ("SORT", "k", "BY", "nosort", "STORE", "k2", "DB", "{other}"),
]


def _fill(words, **values):
    return [w.format(**values) if w.startswith("{") or "{" in w else w for w in words]


def test_an_acl_lease_can_do_nothing_outside_its_database(daemon):
    client = daemon.client()
    mine, other = client.acquire("gw0", redis="acl"), client.acquire("gw1", redis="acl")
    daemon.kv(other).set("k", "theirs")
    kv = daemon.kv(mine)
    kv.set("k", "mine")
    values = {"mine": mine.redis_db, "other": other.redis_db, "meta": 15, "user": mine.redis_user}

    allowed = []
    for words in OUTSIDE:
        try:
            kv.execute_command(*_fill(words, **values))
            allowed.append(words)
        except redis.RedisError:
            pass

    assert allowed == []
    assert daemon.kv(other).get("k") == "theirs"
    assert daemon.kv(mine).get("k") == "mine"


def test_an_acl_lease_can_do_everything_inside(daemon):
    kv = daemon.kv(daemon.client().acquire("gw0", redis="acl"))
    assert kv.set("k", "v", px=60000) and kv.get("k") == "v"
    assert kv.eval("return redis.call('incr', KEYS[1])", 1, "n") == 1
    with kv.pipeline() as pipe:
        assert pipe.multi() is None and pipe.set("a", 1).rpush("l", "x").execute() == [True, 1]
    assert kv.blpop("l", timeout=1) == ("l", "x")
    assert kv.xadd("s", {"f": "1"}) and set(kv.scan_iter()) == {"k", "n", "a", "s"}
    assert kv.lock("lock", timeout=1).acquire()
    assert kv.publish("channel", "x") == 0
    assert kv.info() and kv.dbsize() == 5
    kv.flushdb()
    assert kv.keys("*") == []


def test_an_index_lease_is_a_database_that_nobody_else_holds(daemon):
    client = daemon.client()
    leases = [client.acquire(f"gw{i}", redis="index") for i in range(4)]
    assert {x.redis for x in leases} == {"index"}
    assert len({x.redis_db for x in leases} - {0, 15}) == 4
    for lease in leases:
        daemon.kv(lease).set("who", lease.worker)
    assert [daemon.kv(x).get("who") for x in leases] == [x.worker for x in leases]
    assert {x.redis_user for x in leases} == {None}


def test_a_private_redis_is_a_server_of_its_own(daemon):
    client = daemon.client()
    mine, other = client.acquire("gw0", redis="private"), client.acquire("gw1", redis="private")
    assert mine.redis == "private" and mine.redis_db == 0
    assert mine.redis_url != other.redis_url
    a, b = daemon.kv(mine), daemon.kv(other)
    assert a.info("server")["process_id"] != b.info("server")["process_id"]
    assert a.info("server")["process_id"] in daemon.private_servers()

    a.set("k", 1), b.set("k", 2)
    a.flushall()
    assert b.get("k") == "2"
    with b.pubsub() as subscriber:
        subscriber.subscribe("channel")
        assert a.publish("channel", "x") == 0

    pid = a.info("server")["process_id"]
    client("RELEASE", mine.lease)
    eventually(lambda: pid not in daemon.private_servers())
    assert b.ping()


def test_a_private_redis_asks_for_its_password(daemon):
    lease = daemon.client().acquire("gw0", redis="private")
    kwargs = (
        {"unix_socket_path": lease.redis_socket}
        if lease.redis_socket
        else {"host": lease.redis_host, "port": lease.redis_port}
    )
    with redis.Redis(**kwargs) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_a_lease_without_redis_says_so(daemon):
    lease = daemon.client().acquire("gw0", redis="none")
    assert lease.redis == "none"
    assert {v for k, v in lease.items() if k.startswith("redis_")} == {None}


@pytest.mark.parametrize("level", ["index", "acl", "private", "none"])
def test_the_default_level_is_a_setting(make_daemon, level):
    daemon = make_daemon(redis_default=level, pool_redis=1)
    assert daemon.client().acquire("gw0").redis == level


def test_without_a_redis_leases_have_none(make_daemon):
    daemon = make_daemon(redis=None)
    client = daemon.client()
    assert client.acquire("gw0").redis == "none"
    error = refused(client, "ACQUIRE", "gw1", "REDIS", "acl", "WAIT", "300")
    assert error.code in ("UNAVAILABLE", "USAGE", "REDISERR") and "edis" in error.message


def test_a_private_redis_needs_no_shared_one(make_daemon):
    daemon = make_daemon(redis=None)
    assert daemon.kv(daemon.client().acquire("gw0", redis="private")).ping()


def test_where_users_are_not_allowed_the_default_is_an_index(make_daemon, make_redis):
    server = make_redis(acl=False)
    daemon = make_daemon(redis=server)
    lease = daemon.client().acquire("gw0")
    assert lease.redis == "index"
    daemon.kv(lease).set("k", "v")
    assert server.db(lease.redis_db).get("k") == "v"


@pytest.mark.parametrize("level", ["acl", "index"])
def test_a_redis_with_a_password_is_leased_with_a_url_that_works(make_daemon, make_redis, level):
    server = make_redis(password="p@ss w/rd:")
    daemon = make_daemon(redis=server)
    lease = daemon.client().acquire("gw0", redis=level)
    daemon.kv(lease).set("k", "v")
    assert server.db(lease.redis_db).get("k") == "v"


def test_a_database_with_foreign_keys_is_neither_leased_nor_flushed(make_daemon, make_redis):
    server = make_redis(databases=6)  # 1 to 4 can be leased
    server.db(2).set("precious", "1")
    daemon = make_daemon(redis=server)
    client = daemon.client()
    leases = [client.acquire(f"gw{i}") for i in range(3)]
    assert sorted(x.redis_db for x in leases) == [1, 3, 4]
    assert as_map(client("ACQUIRE", "gw3")).state == "queued"
    assert server.db(2).get("precious") == "1"
    client("RELEASE", "default/gw3")
    server.db(2).delete("precious")


# Seeing it.


def test_leases_lists_who_holds_what_without_secrets(daemon):
    client = daemon.client()
    lease = client.acquire("gw0", run="r1", label="job 7 of main")
    client.acquire("gw1", run="r2")

    rows = client("LEASES")
    assert [row[::2] for row in rows] == [LISTED, LISTED]
    row = client.leases("RUN", "r1")
    assert len(row) == 1
    row = row[0]
    for field in ("lease", "run", "worker", "state", "kind", "schema", "role", "dbname", "redis"):
        assert row[field] == lease[field], field
    assert row.label == "job 7 of main" and row.connections == 1
    assert (row.uid, row.pid) == (os.getuid(), os.getpid())
    assert row.fence == lease.fence and row.redis_db == lease.redis_db and row.age_ms < 60000
    assert lease.password not in repr(rows) and lease.redis_password not in repr(rows)
    assert client.leases("RUN", "nobody's") == []
    assert len(client.leases("UID", os.getuid())) == 2
    assert client.leases("UID", 4242) == []


def test_slots_and_runners_show_this_daemon(daemon):
    client = daemon.client()
    lease = client.acquire("gw0")
    slots = [as_map(s) for s in client("SLOTS")]
    mine = [s for s in slots if lease.schema in s.values()]
    assert len(mine) == 1 and "held" in [str(v).lower() for v in mine[0].values()]
    runner = lease.lease.split("-")[0]
    runners = [as_map(r) for r in client("RUNNERS")]
    assert len(runners) == 1 and runner in runners[0].values()


def test_a_new_database_gets_its_registry_by_itself(make_daemon, own_pg):
    assert own_pg.one("SELECT to_regnamespace('berth') IS NULL")
    daemon = make_daemon(pg=own_pg)
    daemon.client().acquire("gw0")
    assert {
        t
        for t in ("runner", "slot", "lease", "meta")
        if own_pg.one(f"SELECT to_regclass('berth.{t}') IS NOT NULL")
    } == {"runner", "slot", "lease", "meta"}
    eventually(
        lambda: "gw0" in "".join(x for (x,) in own_pg.sql("SELECT t::text FROM berth.lease t"))
    )


def test_two_daemons_make_one_registry_between_them(make_daemon, own_pg):
    """All start on a server that never saw berth: the advisory lock keeps them apart."""
    daemons = [make_daemon(pg=own_pg, start=False) for _ in range(3)]
    for daemon in daemons:
        daemon.spawn()
    leases = [d.start_seen().client().acquire("gw0") for d in daemons]
    assert len({x.schema for x in leases}) == 3


# From memory.


def free(client) -> int:
    """How many slots lie ready in the pool."""
    return sum("free" in map(str, as_map(slot).values()) for slot in client("SLOTS"))


def test_the_pool_is_filled_before_anybody_asks(daemon):
    client = daemon.client()
    eventually(lambda: free(client) == 2)
    lease = client.acquire("gw0")
    eventually(lambda: free(client) == 2)
    assert lease.state == "held"


def test_a_pooled_slot_is_handed_out_while_postgresql_hangs(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg, pool_schemas=3)
    client = daemon.ready().client()
    eventually(lambda: free(client) >= 3)
    own_pg.pause()
    try:
        lease = as_map(client("ACQUIRE", "gw0"))
        assert lease.state == "held" and lease.dsn
    finally:
        own_pg.resume()
    assert daemon.sql(lease).execute("SELECT current_schema").fetchone() == (lease.schema,)


@pytest.mark.berthd(pool_schemas=0, pool_redis=0)
def test_a_lease_that_must_be_built_says_so_and_can_be_polled(daemon):
    client = daemon.ready().client()
    first = as_map(client("ACQUIRE", "gw0"))
    assert first.state in ("building", "queued", "held")
    if first.state != "held":
        assert first.dsn is None and first.schema is None and first.why
    lease = client.lease(first.lease, wait=10000)
    assert lease.state == "held" and lease.lease == first.lease
    assert daemon.sql(lease).execute("SELECT 1").fetchone() == (1,)


def test_one_connection_may_hold_many_leases(daemon):
    client = daemon.client()
    client.send_raw(b"".join(encode("ACQUIRE", f"gw{i}", "WAIT", 20000) for i in range(20)))
    leases = [as_map(client.read()) for _ in range(20)]
    assert {x.state for x in leases} == {"held"}
    assert len({x.schema for x in leases}) == len({x.redis_db for x in leases}) == 20
    client.close()
    eventually(lambda: daemon.client().leases() == [])


def test_threads_with_a_connection_each_do_not_disturb_each_other(daemon):
    failures = []

    def work(n):
        try:
            client = daemon.client()
            for i in range(5):
                lease = client.acquire(f"w{n}", run=f"loop{i}")
                with psycopg.connect(lease.dsn) as session:
                    session.execute("CREATE TABLE t (a int)")
                client("RELEASE", lease.lease)
        except Exception as e:  # noqa: BLE001
            failures.append(e)

    threads = [threading.Thread(target=work, args=[n]) for n in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert failures == []
