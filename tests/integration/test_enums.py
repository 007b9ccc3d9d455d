# SPDX-License-Identifier: MIT
"""Shared enum types: each made exactly once, however many ask, and never against somebody's lock."""

import threading
import time

import psycopg
import pytest

from harness import eventually
from harness.pg_server import DAEMON
from harness.resp import ReplyError, as_map
from harness.wait import SLOW

FIVE = {
    "document_status": ["pending", "processing", "completed", "failed", "deleted"],
    "permission_type": ["read", "write", "admin"],
    "collection_status": ["pending", "ready", "processing", "error", "degraded"],
    "operation_type": ["index", "append", "reindex", "remove_source", "delete"],
    "operation_status": ["pending", "processing", "completed", "failed", "cancelled"],
}
LOCK = 12345


def drop_enums(pg):
    for (name,) in pg.sql(
        "SELECT format('%I.%I', n.nspname, t.typname) FROM pg_type t"
        " JOIN pg_namespace n ON n.oid = t.typnamespace"
        " WHERE t.typtype = 'e' AND n.nspname IN ('public', 'shared')"
    ):
        pg.sql(f"DROP TYPE {name} CASCADE")


@pytest.fixture(autouse=True)
def no_enums_afterwards(pg):
    yield
    drop_enums(pg)


def enums(client) -> dict[str, list[str]]:
    return {e.name: e.labels for e in map(as_map, client("ENUM", "LIST"))}


def refused(client, *words) -> ReplyError:
    with pytest.raises(ReplyError) as e:
        client(*words)
    return e.value


def test_an_enum_is_created_once_and_exists_from_then_on(daemon):
    client = daemon.ready().client()
    assert client("ENUM", "ENSURE", "color", "red", "green") == "created"
    assert client("ENUM", "ENSURE", "color", "red", "green") == "exists"
    assert enums(client) == {"color": ["red", "green"]}
    assert daemon.log.has(event="enum.ensure", enum="color", outcome="created")


@pytest.mark.parametrize(
    "name, labels",
    [
        ("Mixed Case", ["A", "a", "A a"]),
        ('quo"ted', ["it's", 'say "x"', "back\\slash", "E'x"]),
        ("n" * 63, ["l" * 63]),
        ("größe", ["klein", "groß", "😀"]),
        ("select", ["from", "null", "NULL"]),
    ],
)
def test_names_and_labels_come_out_as_they_went_in(daemon, name, labels):
    client = daemon.ready().client()
    assert client("ENUM", "ENSURE", name, *labels) == "created"
    assert client("ENUM", "ENSURE", name, *labels) == "exists"
    assert enums(client) == {name: labels}


@pytest.mark.parametrize(
    "words",
    [
        ("x" * 64, "a"),
        ("color", "y" * 64),
        ("", "a"),
        ("color", ""),
        ("color", "a", "a"),
        ("color",),
        ("color", b"\xff"),
    ],
)
def test_what_postgresql_would_refuse_is_usage(daemon, words):
    client = daemon.ready().client()
    assert refused(client, "ENUM", "ENSURE", *words).code == "USAGE"
    assert enums(client) == {}


def test_other_labels_are_drift_and_the_difference_is_told(daemon):
    client = daemon.ready().client()
    client("ENUM", "ENSURE", "color", "red", "green")
    e = refused(client, "ENUM", "ENSURE", "color", "red", "blue")
    assert e.code == "DRIFT" and "lacks 'blue'" in str(e) and "besides 'green'" in str(e)
    e = refused(client, "ENUM", "ENSURE", "color", "green", "red")
    assert e.code == "DRIFT" and "order" in str(e)
    assert enums(client) == {"color": ["red", "green"]}


def test_append_adds_what_is_missing_at_the_end(daemon):
    client = daemon.ready().client()
    assert client("ENUM", "APPEND", "color", "red") == "created"
    assert client("ENUM", "APPEND", "color", "red", "it's", "blue") == "appended"
    assert client("ENUM", "APPEND", "color", "blue") == "exists"
    assert enums(client) == {"color": ["red", "it's", "blue"]}


def test_a_type_of_that_name_that_is_no_enum_is_drift(daemon, pg):
    pg.sql("CREATE DOMAIN public.color AS text")
    try:
        assert refused(daemon.ready().client(), "ENUM", "ENSURE", "color", "red").code == "DRIFT"
    finally:
        pg.sql("DROP DOMAIN public.color")


def test_64_callers_at_once_make_it_once(daemon):
    daemon.ready()
    clients = [daemon.client() for _ in range(64)]
    for client in clients:
        client.send("ENUM", "ENSURE", "color", "red", "green")
    answers = [client.read() for client in clients]
    assert sorted(answers) == ["created"] + ["exists"] * 63
    assert enums(clients[0]) == {"color": ["red", "green"]}


def test_pipelined_requests_share_one_lock(daemon, pg):
    """While somebody has the lock all five wait together; one statement makes them."""
    client = daemon.ready().client()
    clients = [daemon.client() for _ in FIVE]
    with pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        client.send("ENUM", "ENSURE", "first", "a")
        eventually(lambda: waiting_for_lock(pg) == 1)
        for c, (name, labels) in zip(clients, FIVE.items()):
            c.send("ENUM", "ENSURE", name, *labels)
        before = int(daemon.client().info()["enum_conversations"])
        helper.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        assert client.read() == "created"
        assert [c.read() for c in clients] == ["created"] * 5
    assert int(client.info()["enum_conversations"]) == before + 1


def waiting_for_lock(pg) -> int:
    return pg.one(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND NOT granted", LOCK
    )


def test_helper_code_that_takes_the_lock_itself_is_waited_for(daemon, pg):
    client = daemon.ready().client()
    with pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        client.send("ENUM", "ENSURE", "color", "red")
        eventually(lambda: waiting_for_lock(pg) == 1)
        helper.execute("CREATE TYPE public.color AS ENUM ('red')")
        helper.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    assert client.read() == "exists"


@pytest.mark.berthd(enum_wait_ms=600)
def test_a_lock_that_is_never_let_go_ends_the_wait_with_its_holder_named(daemon, pg):
    client = daemon.ready().client()
    with pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        began = time.monotonic()
        e = refused(client, "ENUM", "ENSURE", "color", "red")
        assert e.code == "TIMEOUT" and f"pid {helper.info.backend_pid} " in str(e)
        assert time.monotonic() - began < 8 * SLOW
        helper.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    assert client("ENUM", "ENSURE", "color", "red") == "created"


def test_racers_without_the_lock_do_not_break_it(daemon, pg):
    """Code that knows nothing of the lock creates and drops the same type all the time."""
    client = daemon.ready().client()
    stop = threading.Event()

    def race():
        with pg.connect() as racer:
            while not stop.is_set():
                try:
                    racer.execute("CREATE TYPE public.color AS ENUM ('red')")
                except psycopg.errors.Error as e:
                    assert e.sqlstate in ("42710", "23505", "40P01"), e

    racers = [threading.Thread(target=race) for _ in range(4)]
    for racer in racers:
        racer.start()
    try:
        for _ in range(100):
            assert client("ENUM", "ENSURE", "color", "red") in ("created", "exists")
            pg.sql("DROP TYPE IF EXISTS public.color")
    finally:
        stop.set()
        for racer in racers:
            racer.join()


def test_a_lease_uses_the_shared_enum_and_cannot_drop_it(daemon):
    client = daemon.ready().client()
    client("ENUM", "ENSURE", "color", "red", "green")
    one, other = client.acquire("gw0"), client.acquire("gw1")
    for lease in (one, other):
        daemon.sql(lease).execute("CREATE TABLE t (c color DEFAULT 'red')")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        daemon.sql(one).execute("DROP TYPE color CASCADE")
    daemon.sql(one).execute("DROP TABLE t")
    daemon.sql(other).execute("INSERT INTO t VALUES ('green')")


def configured(make_daemon, tmp_path, text, **kw):
    conf = tmp_path / "berth.conf"
    conf.write_text("[enums]\n" + text)
    return make_daemon(env={"BERTH_CONFIG": str(conf)}, **kw)


def test_configured_enums_are_there_before_the_first_lease(make_daemon, tmp_path, pg):
    text = "".join(f"{name} = {', '.join(labels)}\n" for name, labels in FIVE.items())
    daemon = configured(make_daemon, tmp_path, text)
    lease = daemon.client().acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t (a document_status, b operation_type)")
    assert enums(daemon.client()) == FIVE


def test_a_configured_enum_that_was_dropped_by_hand_comes_back(make_daemon, tmp_path, pg):
    daemon = configured(make_daemon, tmp_path, "color = red, green\n", enum_check_ms=200)
    client = daemon.ready().client()
    pg.sql("DROP TYPE public.color")
    eventually(lambda: enums(client) == {"color": ["red", "green"]}, 15)


def test_configured_enums_come_back_with_postgresql(make_daemon, tmp_path, own_pg):
    daemon = configured(make_daemon, tmp_path, "color = red, green\n", pg=own_pg)
    daemon.ready()
    own_pg.sql("DROP TYPE public.color")
    own_pg.restart()
    lease = daemon.client().acquire("gw0")
    assert daemon.sql(lease).execute("SELECT 'red'::color").fetchone() == ("red",)


def test_no_lease_is_granted_while_a_configured_enum_drifts(make_daemon, tmp_path, pg):
    pg.sql("CREATE TYPE public.color AS ENUM ('blue')")
    daemon = configured(make_daemon, tmp_path, "color = red\n", enum_check_ms=200)
    client = daemon.client()
    eventually(lambda: refused(client, "ACQUIRE", "gw0").code == "DRIFT")
    e = refused(client, "ACQUIRE", "gw0")
    assert "lacks 'red'" in str(e)
    pg.sql("DROP TYPE public.color")
    assert client.acquire("gw0").state == "held"


@pytest.mark.parametrize(
    "text, told",
    [("color = a, a\n", "twice"), ('color = "a\n', "quote"), ("color =\n", "1 to 63")],
)
def test_a_mistake_in_the_section_is_told_with_its_line(make_daemon, tmp_path, text, told):
    conf = tmp_path / "berth.conf"
    conf.write_text("[enums]\n" + text)
    daemon = make_daemon(start=False, env={"BERTH_CONFIG": str(conf)})
    daemon.expected_exit = 2
    assert daemon.spawn().wait(20) == 2
    assert "line 2" in daemon.log.tail() and told in daemon.log.tail()


@pytest.fixture
def shared(pg):
    """The schema `shared` is gone at the end."""
    yield "shared"
    pg.sql("DROP SCHEMA IF EXISTS shared CASCADE")


@pytest.mark.parametrize("is_there", [False, True])
def test_the_shared_schema_can_be_another(make_daemon, pg, shared, is_there):
    if is_there:
        pg.sql(f"CREATE SCHEMA shared AUTHORIZATION {DAEMON}")
    client = make_daemon(enum_schema=shared).ready().client()
    assert client("ENUM", "ENSURE", "color", "red") == "created"
    assert enums(client) == {"color": ["red"]}
    assert pg.one("SELECT count(*) FROM pg_type WHERE oid = to_regtype('shared.color')") == 1


def test_leases_find_the_types_of_another_schema_by_their_names_alone(make_daemon, pg, shared):
    daemon = make_daemon(enum_schema=shared)
    client = daemon.ready().client()
    client("ENUM", "ENSURE", "color", "red")
    session = daemon.sql(client.acquire("gw0"))
    session.execute("CREATE TABLE t (c color DEFAULT 'red')")
    assert session.execute("SELECT to_regtype('color')::text").fetchone() == ("color",)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("CREATE TABLE shared.t (i int)")


def test_a_template_is_filled_where_its_functions_find_the_types_of_another_schema(
    make_daemon, shared
):
    """An index on what a function says: it runs while the rows are written."""
    daemon = make_daemon(enum_schema=shared)
    client = daemon.ready().client()
    client("ENUM", "ENSURE", "color", "red", "green")
    builder = client.acquire("gw0", template="colors")
    daemon.sql(builder).execute(
        "CREATE FUNCTION is_red(t text) RETURNS bool IMMUTABLE LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN t::color = 'red'; END $$;"
        "CREATE TABLE t AS SELECT 'red'::text AS c; CREATE INDEX ON t (is_red(c))"
    )
    client("TEMPLATE", "SEAL", builder.lease)

    leases = [client.acquire(f"gw{n}", template="colors") for n in range(3)]

    for lease in leases:
        session = daemon.sql(lease)
        assert session.execute("SELECT c::color::text FROM t WHERE is_red(c)").fetchall() == [("red",)]
        session.execute("INSERT INTO t VALUES ('green')")
        session.close()
        assert as_map(client("RESET", lease.lease)).rebuilt == 0
        assert daemon.sql(lease).execute("SELECT count(*) FROM t").fetchone() == (1,)
        client("RELEASE", lease.lease)
    assert client("TEMPLATE", "DROP", "colors") == "OK"


def test_leases_may_use_the_types_where_the_public_may_use_none_by_default(daemon, pg):
    """A hardened database: ALTER DEFAULT PRIVILEGES … REVOKE USAGE ON TYPES FROM PUBLIC."""
    pg.sql("ALTER DEFAULT PRIVILEGES FOR ROLE berthd REVOKE USAGE ON TYPES FROM PUBLIC")
    try:
        client = daemon.ready().client()
        client("ENUM", "ENSURE", "color", "red")
        daemon.sql(client.acquire("gw0")).execute("CREATE TABLE t (c color)")
    finally:
        pg.sql("ALTER DEFAULT PRIVILEGES FOR ROLE berthd GRANT USAGE ON TYPES TO PUBLIC")


def test_a_daemon_that_may_not_make_types_says_what_it_needs(make_daemon, make_pg):
    """From 15 on nobody but its owner makes anything in public."""
    server = make_pg(superuser=False)
    server.sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC, berthd")
    client = make_daemon(pg=server).ready().client()
    e = refused(client, "ENUM", "ENSURE", "color", "red")
    assert e.code == "PGERR" and "permission denied for schema public" in str(e)
    assert "GRANT CREATE ON SCHEMA public TO berthd" in str(e) and "enum_schema" in str(e)
    server.sql("GRANT CREATE ON SCHEMA public TO berthd")
    assert client("ENUM", "ENSURE", "color", "red") == "created"
    server.sql("CREATE TYPE public.foreign_one AS ENUM ('a')")
    assert client("ENUM", "ENSURE", "foreign_one", "a") == "exists"
    e = refused(client, "ENUM", "APPEND", "foreign_one", "b")
    assert e.code == "PGERR" and "must be owner of type" in str(e)
    other = make_daemon(pg=server, enum_schema="types").ready()
    assert other.client()("ENUM", "ENSURE", "color", "red") == "created"
    other.sql(other.client().acquire("gw0")).execute("CREATE TABLE t (c types.color, d color)")
    other.hang_up()
    client("PING")


def test_more_labels_than_one_request_can_say(daemon, pg):
    labels = [f"l{i}" for i in range(200)]
    pg.sql(f"CREATE TYPE public.color AS ENUM ({', '.join(map(repr, labels))})")
    pg.sql(f"ALTER TYPE public.color OWNER TO {DAEMON}")
    client = daemon.ready().client()
    assert client("ENUM", "APPEND", "color", "l199") == "exists"
    assert client("ENUM", "APPEND", "color", "new") == "appended"
    assert enums(client) == {"color": [*labels, "new"]}
    e = refused(client, "ENUM", "ENSURE", "color", "l0", "other")
    assert e.code == "DRIFT" and "lacks 'other'" in str(e) and "'l1'" in str(e)


def test_a_name_that_postgresql_has_given_to_an_array_is_free(daemon):
    """Every type has an array type, whose name begins with _; it makes way."""
    client = daemon.ready().client()
    for name in ("color", "_color", "n" * 63, "_" + "n" * 62):
        assert client("ENUM", "ENSURE", name, "red") == "created"
        assert client("ENUM", "ENSURE", name, "red") == "exists"
    assert len(enums(client)) == 4


def test_a_label_may_have_lines_and_the_errors_have_none(daemon):
    client = daemon.ready().client()
    assert client("ENUM", "ENSURE", "color", "two\nlines") == "created"
    assert enums(client) == {"color": ["two\nlines"]}
    assert "lacks 'red'; it has besides 'two lines'" in str(refused(client, "ENUM", "ENSURE", "color", "red"))


def test_64_callers_of_two_daemons_make_it_once(make_daemon):
    daemons = [make_daemon().ready() for _ in range(2)]
    clients = [daemons[i % 2].client() for i in range(64)]
    for client in clients:
        client.send("ENUM", "ENSURE", "color", "red", "green")
    assert sorted(client.read() for client in clients) == ["created"] + ["exists"] * 63


@pytest.mark.berthd(enum_lock=-7, enum_wait_ms=600)
def test_the_lock_may_be_any_number(daemon, pg):
    client = daemon.ready().client()
    with pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        assert client("ENUM", "ENSURE", "color", "red") == "created"
        helper.execute("SELECT pg_advisory_lock(-7)")
        e = refused(client, "ENUM", "ENSURE", "color", "red")
        assert e.code == "TIMEOUT" and f"pid {helper.info.backend_pid} " in str(e)


@pytest.mark.berthd(enum_wait_ms=20000, pg_deadline_ms=2000)
def test_the_lock_may_be_waited_for_longer_than_a_transaction_may_take(daemon, pg):
    client = daemon.ready().client()
    with pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        client.send("ENUM", "ENSURE", "color", "red")
        time.sleep(2.5)  # longer than a deadline
        helper.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    assert client.read() == "created"
    assert not daemon.log.has(event="pg.down")
