# SPDX-License-Identifier: MIT
"""ORPHANS: what nobody who lives owns is found, told whose it was, and dropped; nothing else is."""

import os
import threading

import psycopg
import pytest

from harness import eventually
from harness.leftovers import DAY, Leftovers, all_orphans, answers, orphans, told
from harness.pg_server import DAEMON
from harness.resp import ReplyError
from harness.wait import ms

QUICK = {"runner_grace_ms": ms(1000), "heartbeat_ms": 200, "pool_schemas": 1, "pool_redis": 1}


def calm(pg) -> None:
    """PostgreSQL is up for longer than the grace: whoever lives is back."""
    up = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) * 1000"
    eventually(lambda: pg.one(up) > QUICK["runner_grace_ms"], 20)


@pytest.fixture
def other(make_daemon, pg):
    """A runner with nothing to do but to clear up."""
    daemon = make_daemon(**QUICK).ready()
    calm(pg)
    return daemon


@pytest.fixture
def left(pg):
    return Leftovers(pg)


def forget(pg, runner: str) -> None:
    """The registry loses a runner and everything it had."""

    def forgotten() -> bool:
        pg.sql("DELETE FROM berth.slot WHERE runner = %s", runner)
        try:
            pg.sql("DELETE FROM berth.runner WHERE id = %s", runner)
        except psycopg.errors.ForeignKeyViolation:
            return False  # a last statement of its was under way
        return True

    eventually(forgotten)


def runner_of(lease) -> str:
    return lease.lease.split("-")[0]


# What is found.


def test_nothing_that_lives_is_an_orphan(other, make_daemon):
    for daemon in (other, make_daemon(**QUICK)):
        client = daemon.client()
        for i, kind in enumerate(["schema", "schema", "database"]):
            client.acquire(f"gw{i}", kind=kind)
    client = other.client()
    assert orphans(client) == []
    assert orphans(client, "DROP") == []
    assert [x for x in orphans(client, "LIST", "FOREIGN", "LIKE", "%") if x.kind != "redis"] == []


def test_whose_it_was_is_told_from_the_stamp_and_the_rest_is_counted(other, left):
    left.schema("test_dead01_1", tables=3)
    client = other.client()

    schema, role = orphans(client)

    assert (schema.kind, schema.name, role.kind, role.name) == (
        "schema",
        "test_dead01_1",
        "role",
        "test_dead01_1",
    )
    assert (schema["class"], schema.runner, schema.host) == ("stamped", "dead01", "ci-7")
    assert DAY * 1000 <= schema.age_ms < (DAY + 600) * 1000
    assert schema.tables == 3 and schema.bytes >= 3 * 8192 and schema.sessions == 0
    assert schema.action == "none" and "no registry knows of it" in schema.why
    brief = orphans(client, "BRIEF")[0]
    assert brief.tables == 3 and brief.bytes is None
    assert set(told(all_orphans(client, "DROP")).values()) == {"dropped"}
    assert orphans(client) == []


def test_a_frozen_runner_is_told_with_its_leases_and_nothing_of_it_is_dropped(other, make_daemon):
    one = make_daemon(**QUICK)
    lease = one.client().acquire("gw0", run="nightly", redis="none")
    client = other.client()
    one.pause()
    try:
        found = eventually(lambda: [x for x in orphans(client) if x.name == lease.schema], 20)
        dropped = [x for x in all_orphans(client, "DROP") if x.name == lease.schema]
    finally:
        one.resume()

    assert [x.kind for x in found] == ["schema", "role"]
    for row in found:
        assert (row["class"], row.runner, row.run, row.worker) == (
            "dead",
            runner_of(lease),
            "nightly",
            "gw0",
        )
        assert row.host == os.uname().nodename and row.uid == os.getuid()
    assert {x.action for x in dropped} == {"kept"} and "pg_terminate_backend" in dropped[0].why
    assert one.sql(lease).execute("SELECT current_schema").fetchone() == (lease.schema,)


def test_what_a_killed_runner_left_goes_by_itself(other, make_daemon):
    one = make_daemon(**QUICK)
    lease = one.client().acquire("gw0", redis="acl")
    other.kv(lease).set("k", "v")
    one.kill()
    client = other.client()

    def gone() -> bool:
        return not any(runner_of(lease) in x for x in other.pg.made() + other.redis.left())

    eventually(gone, 20)
    assert orphans(client) == []


# A registry that was lost.


@pytest.mark.parametrize("superuser", [True, False])
def test_what_no_registry_knows_of_is_dropped(make_daemon, make_pg, superuser):
    pg = make_pg(superuser=superuser, max_prepared_transactions=5)
    one = make_daemon(pg=pg, redis=None, **QUICK | {"runner_grace_ms": ms(20000)})
    client = one.client()
    leases = [client.acquire("gw0"), client.acquire("gw1", kind="database"), client.acquire("gw2")]
    for lease in leases:
        one.sql(lease).execute("CREATE TABLE t AS SELECT 1 AS a")
    one.sql(leases[2]).execute("BEGIN; LOCK TABLE t; PREPARE TRANSACTION 'forgotten'")
    names = {x.role for x in leases}
    one.kill()
    one.hang_up()
    forget(pg, runner_of(leases[0]))
    client = make_daemon(pg=pg, redis=None, **QUICK).ready().client()
    calm(pg)
    eventually(lambda: not any(pg.sessions(name) for name in names))

    dry = told(all_orphans(client, "DROP", "DRYRUN"))
    assert {x for x in dry if x.split()[1] in names} == {
        f"schema {leases[0].role}",
        f"schema {leases[2].role}",
        f"database {leases[1].role}",
        *(f"role {name}" for name in names),
    }
    for name in names:
        assert pg.role_exists(name)
    done = told(all_orphans(client, "DROP"))
    assert done.keys() >= dry.keys() and set(done.values()) == {"dropped"}
    assert [x for x in pg.made() if any(name in x for name in names)] == []


def test_a_templates_database_is_none_until_the_registry_is_lost(make_daemon, own_pg):
    one = make_daemon(pg=own_pg, redis=None, **QUICK)
    client = one.client()
    lease = client.acquire("gw0", kind="database", template="k1")
    one.sql(lease).execute("CREATE TABLE t (a int)")
    client("TEMPLATE", "SEAL", lease.lease)
    client.lease(lease.lease, wait=20000)
    template = own_pg.one("SELECT datname FROM pg_database WHERE datname LIKE 'berth%'")
    calm(own_pg)
    assert orphans(client) == []
    assert orphans(client, "LIST", "FOREIGN", "LIKE", "berth%") == []
    one.kill()
    one.hang_up()
    own_pg.sql("DROP SCHEMA berth CASCADE")
    other = make_daemon(pg=own_pg, redis=None, **QUICK).ready().client()

    def gone() -> bool:
        all_orphans(other, "DROP")
        return not own_pg.database_exists(template) and orphans(other) == []

    eventually(gone, 20)


def test_a_living_runner_keeps_its_own_though_the_registry_has_lost_it(other, make_daemon):
    one = make_daemon(**QUICK)
    lease = one.client().acquire("gw0", redis="none")
    one.pause()
    try:
        forget(other.pg, runner_of(lease))
        rows = [x for x in all_orphans(other.client(), "DROP") if x.name == lease.schema]
        assert {x.action for x in rows} == {"kept"} and "its runner" in rows[0].why
        assert other.pg.schema_exists(lease.schema)
    finally:
        one.expected_exit = 75  # fenced
        one.resume()
    one.process.wait(30)

    def gone() -> bool:
        all_orphans(other.client(), "DROP")
        return not any(runner_of(lease) in x for x in other.pg.made() + other.redis.left())

    eventually(gone, 20)


def test_a_restored_dump_has_no_role_of_its_own(other, left):
    left.schema("test_dead01_1", owner=DAEMON)
    assert told(all_orphans(other.client(), "DROP")) == {"schema test_dead01_1": "dropped"}
    assert not other.pg.schema_exists("test_dead01_1")


def test_what_belongs_to_another_databases_registry_is_left_alone(other, left):
    left.role("test_here")
    left.role("test_there", home="postgres")
    left.role("test_nowhere", home="no_such_database")
    left.schema("test_copied", owner=DAEMON, home="postgres")  # a copy: schemas do not travel
    client = other.client()
    try:
        assert told(all_orphans(client, "DROP")) == {
            "schema test_copied": "dropped",
            "role test_here": "dropped",
            "role test_nowhere": "dropped",
        }
        assert other.pg.role_exists("test_there")
    finally:
        other.pg.sql("DROP ROLE test_there")


def test_nothing_goes_while_postgresql_has_just_started(make_daemon, own_pg):
    """Every lock is free then: who lives may not be back yet."""
    left = Leftovers(own_pg)
    client = make_daemon(pg=own_pg, redis=None, runner_grace_ms=3600000).ready().client()
    left.schema("test_dead01_1")
    rows = all_orphans(client, "DROP")
    assert {x.action for x in rows} == {"kept"} and "just started" in rows[0].why
    own_pg.sql("DROP SCHEMA test_dead01_1 CASCADE; DROP ROLE test_dead01_1")


# Foreign ones.


def test_a_foreign_one_goes_only_when_named(other, left):
    left.joined("test_conftest")
    left.foreign("test_gw0", owner="test_conftest")
    client = other.client()
    assert orphans(client) == [] and orphans(client, "LIKE", "test_%") == []
    assert all_orphans(client, "DROP", "LIKE", "test_%") == []

    rows = orphans(client, "LIST", "FOREIGN", "LIKE", "test\\_gw%")
    assert [(x.kind, x.name, x["class"], x.tables) for x in rows] == [
        ("schema", "test_gw0", "foreign", 2)
    ]
    assert rows[0].runner is None
    assert (rows[0].age_ms is not None) == other.pg.superuser  # it is that of a file
    assert told(all_orphans(client, "DROP", "FOREIGN", "LIKE", "test%")) == {
        "schema test_gw0": "dropped",
        "role test_conftest": "dropped",
    }


@pytest.mark.superuser("nobody else may drop what is not his, or end a session of its")
def test_foreign_databases_go_and_a_session_keeps_them(other):
    other.pg.sql("CREATE DATABASE test_old")
    client = other.client()
    words = ("DROP", "FOREIGN", "LIKE", "test_old")
    with other.pg.connect(other.pg.dsn("postgres", "test_old")) as session:
        assert orphans(client, "LIST", *words[1:])[0].bytes > 1000000
        (row,) = all_orphans(client, *words)
        assert row.action == "kept" and row.sessions == 1
        assert told(all_orphans(client, *words, "SESSIONS")) == {"database test_old": "dropped"}
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    assert not other.pg.database_exists("test_old")


@pytest.mark.superuser("nobody else may end a session of it")
def test_a_session_at_work_keeps_a_foreign_schema(other, left):
    other.pg.sql("CREATE ROLE test_worker LOGIN PASSWORD 'x'")
    left.foreign("test_gw0", owner="test_worker")
    client = other.client()
    words = ("DROP", "FOREIGN", "LIKE", "test_gw%")
    with other.pg.connect(other.pg.dsn("test_worker", password="x")) as idle:
        (row,) = all_orphans(client, *words)  # its owner's: it may be at work in it
        assert row.action == "kept" and row.sessions == 1
        idle.close()
    with other.pg.connect() as busy:
        busy.execute("BEGIN; LOCK TABLE test_gw0.t0 IN ROW EXCLUSIVE MODE")
        eventually(lambda: not other.pg.sessions("test_worker"))
        (row,) = all_orphans(client, *words)
        assert row.action == "kept" and row.sessions == 1
        assert told(all_orphans(client, *words, "SESSIONS")) == {"schema test_gw0": "dropped"}
        with pytest.raises(psycopg.OperationalError):
            busy.execute("COMMIT")
    other.pg.sql("DROP ROLE test_worker")


def test_what_is_the_servers_or_berths_is_never_touched(other):
    client = other.client()
    everything = orphans(client, "DROP", "DRYRUN", "FOREIGN", "LIKE", "%", "SESSIONS")
    assert [x for x in everything if x.kind != "redis"] == []
    for pattern in ("public", "berth%", "information%", "postgres", "templ%", "pg\\_%", "app"):
        assert orphans(client, "DROP", "FOREIGN", "LIKE", pattern) == []


@pytest.mark.superuser("nobody else may drop what is its")
def test_nothing_outside_goes_with_it(other, left):
    pg = other.pg
    left.foreign("test_shared")
    pg.sql("CREATE TABLE public.kept (id int, s test_shared.status[])")
    client = other.client()
    words = ("DROP", "FOREIGN", "LIKE", "test_shared", "SESSIONS")
    try:
        (row,) = all_orphans(client, *words)
        assert row.action == "kept" and "kept is not in it and depends on it" in row.why
        pg.sql("ALTER TABLE public.kept DROP s, ADD FOREIGN KEY (id) REFERENCES test_shared.t0")
        (row,) = all_orphans(client, *words)
        assert row.action == "kept" and "constraint kept_id_fkey" in row.why
    finally:
        pg.sql("DROP TABLE public.kept")
    pg.sql("CREATE EXTENSION citext SCHEMA test_shared")
    (row,) = all_orphans(client, *words)
    assert row.action == "kept" and "extension (citext)" in row.why
    pg.sql("DROP EXTENSION citext")
    assert told(all_orphans(client, *words)) == {"schema test_shared": "dropped"}


def test_a_role_that_owns_something_elsewhere_stays(other, left):
    pg = other.pg
    left.role("test_dead01_1")
    pg.sql("CREATE SCHEMA test_mine AUTHORIZATION test_dead01_1")
    left.joined("test_foreign")
    pg.sql("CREATE TABLE public.theirs ()")
    pg.sql("ALTER TABLE public.theirs OWNER TO test_foreign")
    client = other.client()
    try:
        rows = all_orphans(client, "DROP", "FOREIGN", "LIKE", "test_%1") + all_orphans(
            client, "DROP", "FOREIGN", "LIKE", "test_foreign"
        )
        assert [(x.kind, x.action, x.why) for x in rows] == [
            ("role", "kept", "it owns schema test_mine"),
            ("role", "kept", "it owns table public.theirs"),
        ]
    finally:
        pg.sql("DROP TABLE public.theirs; DROP SCHEMA test_mine")
    rest = told(all_orphans(client, "DROP", "FOREIGN", "LIKE", "test_%"))
    assert rest == {"role test_dead01_1": "dropped", "role test_foreign": "dropped"}


@pytest.mark.root
def test_what_others_made_is_for_those_who_answer_for_it(other, left):
    left.schema("test_dead01_1")
    client = other.client_of(65534)
    for words in (("FOREIGN", "LIKE", "test_%"), ("SESSIONS",)):
        with pytest.raises(ReplyError, match="DENIED"):
            client("ORPHANS", "DROP", *words)
        client("ORPHANS", "DROP", "DRYRUN", *words)
    assert set(told(all_orphans(client, "DROP")).values()) == {"dropped"}


# Redis.


def test_keys_that_nobody_claims_are_told_and_never_flushed(other):
    other.redis.db(7).set("precious", "1")
    client = other.client()
    assert orphans(client) == []
    (row,) = orphans(client, "DROP", "DRYRUN", "FOREIGN", "LIKE", "7")
    assert (row.name, row["class"], row.tables, row.action) == ("7", "foreign", 1, "kept")
    assert row.sessions == 1 and "redis-cli -n 7 FLUSHDB" in row.why  # the administrator's
    assert other.redis.db(7).get("precious") == "1"
    other.redis.db(7).flushdb()


def test_a_frozen_runners_claims_are_told(make_daemon, own_redis):
    slow = {"runner_grace_ms": ms(1000), "heartbeat_ms": 200, "pool_redis": 0}
    one = make_daemon(redis=own_redis, **slow)
    lease = one.client().acquire("gw0", run="nightly", redis="acl")
    own_redis.db(lease.redis_db).set("k", "v")
    # A second runner would take the claim over at once: one that just came must wait for its grace.
    other = make_daemon(redis=own_redis, **slow | {"runner_grace_ms": ms(30000)}).ready()
    client = other.client()
    one.pause()
    try:
        (row,) = eventually(
            lambda: [x for x in orphans(client) if x.kind == "redis" and x.run], 20
        )
    finally:
        one.resume()
    assert (row.name, row["class"], row.runner) == (str(lease.redis_db), "dead", runner_of(lease))
    assert (row.run, row.worker, row.tables) == ("nightly", "gw0", 1)


def test_without_redis_the_rest_is_told(make_daemon, own_redis, pg, left):
    other = make_daemon(redis=own_redis, **QUICK).ready()
    own_redis.stop()
    client = other.client()
    eventually(lambda: client.info()["redis_up"] == "0")
    left.schema("test_dead01_1")
    calm(pg)
    assert len(orphans(client)) == 2
    assert set(told(all_orphans(client, "DROP")).values()) == {"dropped"}
    own_redis.start()


# Many, and large ones.


def test_answers_come_in_pages(other, left):
    for i in range(5):
        left.schema(f"test_dead01_{i}", tables=0)
    client = other.client()
    pages = list(answers(client, "COUNT", "3"))
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    names = [f"{x.kind} {x.name}" for page in pages for x in page]
    assert len(set(names)) == 10 and names == sorted(names, key=lambda x: (x[0] != "s", x))
    assert len(orphans(client, "DROP", "COUNT", "1")) == 1
    assert len(all_orphans(client, "DROP")) == 9


def test_one_answer_stays_below_a_mebibyte(other, left):
    name = "test_" + "x" * 52
    stamp = left.stamp()
    for i in range(260):
        other.pg.sql(f"CREATE SCHEMA {name}_{i:03} AUTHORIZATION {DAEMON}; COMMENT ON SCHEMA {name}_{i:03} IS '{stamp}'")
    client = other.client()
    assert len(orphans(client)) == 250
    assert len(client.raw) < 1 << 20
    assert len(all_orphans(client, "DROP", "BRIEF")) == 260


@pytest.mark.timeout(900)
def test_many_schemas_go_under_default_settings(make_daemon, make_pg):
    """BERTH_TEST_LONG=1: three hundred of forty tables; else a handful."""
    pg = make_pg(max_connections=100)
    left = Leftovers(pg)
    client = make_daemon(pg=pg, **QUICK).ready().client(timeout=600)
    count = 300 if os.environ.get("BERTH_TEST_LONG") == "1" else 6
    for i in range(count):
        left.schema(f"test_dead01_{i}", tables=40)
    calm(pg)
    done = told(all_orphans(client, "DROP"))
    assert len(done) == 2 * count and set(done.values()) == {"dropped"}
    assert not any("dead01" in x for x in pg.made())


MIXED = """
    CREATE VIEW {s}.v AS SELECT t1.id FROM {s}.t1 JOIN {s}.t2 USING (id);
    CREATE MATERIALIZED VIEW {s}.m AS SELECT * FROM {s}.v;
    CREATE FUNCTION {s}.f(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
    CREATE PROCEDURE {s}.p() LANGUAGE sql AS '';
    CREATE TABLE {s}.parent (id int DEFAULT {s}.f(1), at date) PARTITION BY RANGE (at);
    CREATE TABLE {s}."odd "" name" () INHERITS ({s}.t3);
    CREATE DOMAIN {s}.d AS text CHECK (VALUE <> ''); CREATE TYPE {s}.c AS (a int, b {s}.d);
    CREATE SEQUENCE {s}.alone; CREATE AGGREGATE {s}.g (int) (SFUNC = int4pl, STYPE = int);
    CREATE TYPE {s}.span AS RANGE (SUBTYPE = int);
"""


def test_a_schema_larger_than_the_lock_table_goes_piece_by_piece(make_daemon, make_pg):
    """Some 700 lock slots: one DROP SCHEMA needs thousands, and so does one batch of 40 tables."""
    pg = make_pg(max_connections=30, max_locks_per_transaction=10)
    left = Leftovers(pg)
    client = make_daemon(pg=pg, **QUICK).ready().client(timeout=120)
    name = 'test_x"y'
    left.schema(name.replace('"', '""'), tables=0)
    quoted = '"test_x""y"'
    for i in range(60):
        refers = f", b int REFERENCES {quoted}.t{i - 1}" if i else ""
        pg.sql(f"CREATE TABLE {quoted}.t{i} (id serial PRIMARY KEY, a text{refers})")
    for statement in MIXED.format(s=quoted).split(";\n"):
        pg.sql(statement) if statement.strip() else None
    for i in range(30):
        pg.sql(
            f"CREATE TABLE {quoted}.parent{i} PARTITION OF {quoted}.parent FOR VALUES FROM"
            f" (date '2026-01-01' + {i}) TO (date '2026-01-01' + {i + 1})"
        )
        pg.sql(f"CREATE FUNCTION {quoted}.f{i}() RETURNS int LANGUAGE sql AS 'SELECT {i}'")
        pg.sql(f"CREATE VIEW {quoted}.v{i} AS SELECT {i} AS a")
    with pytest.raises(psycopg.errors.OutOfMemory):
        pg.sql(f"DROP SCHEMA {quoted} CASCADE")
    calm(pg)
    done = told(all_orphans(client, "DROP"))
    assert done == {f"schema {name}": "dropped", f"role {name}": "dropped"}


def test_two_runners_that_clear_up_at_once_do_not_hinder_each_other(other, make_daemon, left):
    for i in range(12):
        left.schema(f"test_dead01_{i}", tables=2)
    clients = [other.client(), make_daemon(**QUICK).ready().client()]
    done: list[dict[str, str]] = [{}, {}]

    def clear(n: int) -> None:
        done[n] = told(all_orphans(clients[n], "DROP"))

    threads = [threading.Thread(target=clear, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done[0] | done[1]) == 24
    for n in range(2):
        assert all_orphans(clients[n], "DROP") == []
    assert not any("dead01" in x for x in other.pg.made())


# Questions.


def test_only_what_is_older_is_told(other, left):
    left.schema("test_old", tables=0, age=7200)
    left.schema("test_new", tables=0, age=60)
    client = other.client()
    assert {x.name for x in orphans(client, "OLDER", "3600000")} == {"test_old"}
    assert {x.name for x in all_orphans(client, "DROP", "OLDER", "3600000")} == {"test_old"}
    assert {x.name for x in all_orphans(client, "DROP", "LIKE", "%new")} == {"test_new"}


@pytest.mark.parametrize(
    "words, complaint",
    [
        (["NONSENSE"], "unknown option 'NONSENSE'"),
        (["LIST", "DRYRUN"], "unknown option 'DRYRUN'"),
        (["FOREIGN"], "it needs LIKE pattern"),
        (["DROP", "FOREIGN", "LIKE", "%"], "matches nearly everything"),
        (["LIKE", "test\\"], "backslash"),
        (["AFTER", "test_x"], "AFTER wants the kind and name"),
        (["AFTER", "table/test_x"], "AFTER wants the kind and name"),
        (["AFTER", "schema/" + "x" * 64], "AFTER wants the kind and name"),
        (["OLDER", "soon"], "OLDER"),
    ],
)
def test_wrong_questions_are_told(daemon, words, complaint):
    with pytest.raises(ReplyError) as e:
        daemon.client()("ORPHANS", *words)
    assert e.value.code == "USAGE" and complaint in e.value.message


def test_a_count_beyond_the_bound_is_refused(daemon):
    with pytest.raises(ReplyError, match="LIMIT"):
        daemon.client()("ORPHANS", "COUNT", "251")
