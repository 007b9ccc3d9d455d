# SPDX-License-Identifier: MIT
"""A slot is exactly what its template's builder made; what cannot be carried is refused by name."""

import psycopg
import pytest

from harness import eventually
from harness.resp import ReplyError
from templates import everything
from templates.house import House, ask, is_builder, run_sql, same, seal
from templates.state import difference

# What pg_dump of a schema leaves out or changes. It must come out right, or SEAL must name it.
AWKWARD = {
    "a cast": (
        ["CREATE TYPE pair AS (a int)", "CREATE FUNCTION of_pair(pair) RETURNS text LANGUAGE sql RETURN ($1).a::text"],
        ["CREATE CAST (pair AS text) WITH FUNCTION of_pair(pair) AS ASSIGNMENT"],
        "cast",
    ),
    "default privileges everywhere": (
        ["ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"],
        [],
        "privileges",
    ),
    "a setting of the role": (["ALTER ROLE CURRENT_USER SET timezone = 'Asia/Kolkata'"], [], "settings of the role"),
    "a setting of the role in the database": (
        ["ALTER ROLE CURRENT_USER IN DATABASE app SET work_mem = '7MB'"],
        [],
        "settings of the role",
    ),
    "columns of a parent that came after its child": (
        ["CREATE TABLE parent (a int); CREATE TABLE child (b text) INHERITS (parent)"],
        ["ALTER TABLE parent ADD c int; INSERT INTO child VALUES (1, 'b', 2)"],
        "child",
    ),
    "a parent that came after its child": (
        ["CREATE TABLE parent (a int, b text); CREATE TABLE child (x int, b text, a int)"],
        ["ALTER TABLE child INHERIT parent; INSERT INTO child VALUES (1, 'b', 2)"],
        "child",
    ),
    "a comment on a view's own rule": (
        ["CREATE VIEW v AS SELECT 1 AS a"],
        ["COMMENT ON RULE \"_RETURN\" ON v IS 'the rule'"],
        "v",
    ),
    "an index that is not valid": (
        ["CREATE TABLE t (a int)", "INSERT INTO t VALUES (1), (1)"],
        ["-- fails\nCREATE UNIQUE INDEX CONCURRENTLY broken ON t (a)"],
        "broken",
    ),
    "a materialized view that is out of date": (
        ["CREATE TABLE t AS SELECT 1 AS a", "CREATE MATERIALIZED VIEW m AS SELECT * FROM t"],
        ["INSERT INTO t VALUES (2)"],
        "m",
    ),
    "a materialized view that never says the same": (
        ["CREATE MATERIALIZED VIEW m AS SELECT random() AS a, now() AS b"],
        [],
        "m",
    ),
    "rows that name the schema's own tables": (
        ["CREATE TABLE t (a regclass, b regtype, c regnamespace, d regrole)"],
        ["INSERT INTO t VALUES ('t', 't', '@schema@', '@schema@')"],
        "t",
    ),
    "rows that hold the number of a table": (
        ["CREATE TABLE t (a oid)"],
        ["INSERT INTO t VALUES ('t'::regclass)"],
        "t",
    ),
    "rows that hold access lists": (
        ["CREATE TABLE t (a aclitem[])"],
        ["INSERT INTO t VALUES ('{@schema@=r/@schema@}')"],
        "t",
    ),
    "a label that is the schema's name": (
        ["CREATE TYPE e AS ENUM ('@schema@', 'b')"],
        ["CREATE TABLE t AS SELECT '@schema@'::e AS a"],
        "e",
    ),
    "a reference to a table outside": (
        ["CREATE TABLE t (code text REFERENCES public.countries)"],
        ["INSERT INTO t VALUES ('de')"],
        "countries",
    ),
    "a table that its owner may not read": (
        ["CREATE TABLE t AS SELECT 1 AS a"],
        ["REVOKE ALL ON t FROM CURRENT_USER"],
        "permission denied for table t",
    ),
    "a schema that its owner may not use": ([], ["REVOKE ALL ON SCHEMA @schema@ FROM CURRENT_USER"], "@schema@"),
    "rights on the type of a table's rows": (
        ["CREATE TABLE t (a int)"],
        ["REVOKE USAGE ON TYPE t FROM PUBLIC"],
        "t",
    ),
    "rights on columns that the system has": (
        ["CREATE TABLE t (a int); CREATE SEQUENCE s"],
        ["GRANT SELECT (ctid) ON t TO PUBLIC; GRANT SELECT (last_value) ON s TO reader"],
        "t",
    ),
    "a function that needs an extension": (
        ["CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "CREATE TABLE t (a int PRIMARY KEY)"],
        ["ALTER FUNCTION f DEPENDS ON EXTENSION citext; ALTER INDEX t_pkey DEPENDS ON EXTENSION citext"],
        "citext",
    ),
    "a column that is called as its row": (
        ["CREATE TABLE t (t text, v text, unnest text)", "CREATE MATERIALIZED VIEW v AS SELECT 1 AS v, 2 AS t"],
        ["INSERT INTO t VALUES ('a', 'b', 'c'), (NULL, '(x)', '{}')"],
        "t",
    ),
    "values cached of a sequence": (
        ["CREATE SEQUENCE s CACHE 10"],
        ["SELECT nextval('s')"],
        "s",
    ),
    "a check that its rows do not pass any more": (
        ["CREATE FUNCTION ok(int) RETURNS boolean LANGUAGE sql AS 'SELECT true'", "CREATE TABLE t (a int CHECK (ok(a)))"],
        ["INSERT INTO t VALUES (1)", "CREATE OR REPLACE FUNCTION ok(int) RETURNS boolean LANGUAGE sql AS 'SELECT false'"],
        "t",
    ),
    "a generated column whose function is another now": (
        ["CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1'",
         "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (f(a)) STORED)"],
        ["INSERT INTO t VALUES (1)", "CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT -$1'"],
        "t",
    ),
    "rows outside of their domain": (
        ["CREATE DOMAIN d AS int", "CREATE TABLE t (a d)"],
        ["INSERT INTO t VALUES (-1)", "ALTER DOMAIN d ADD CHECK (VALUE > 0) NOT VALID"],
        "t",
    ),
}  # fmt: skip


def made(house, client, key, *texts, **options):
    """A builder whose slot holds what texts make, and the state of it."""
    lease = ask(client, house.key(key), **options)
    assert is_builder(lease), lease
    for text in texts:
        try:
            run_sql(lease.dsn, text.replace("@schema@", lease.schema))
        except psycopg.Error:
            if not text.startswith("-- fails"):
                raise
    return lease, house.full_state(lease)


def test_a_slot_is_exactly_what_the_builder_made(house, client):
    lease = ask(client, house.key("exact"))
    assert is_builder(lease)
    everything.make(lease.dsn, lease.schema)
    template = house.full_state(lease)

    mine = house.seal(client, lease)
    another = ask(client, lease.template, worker="gw1")

    assert (mine.state, another.state) == ("held", "held")
    assert mine.schema != another.schema
    same(template, house.full_state(mine))
    same(template, house.full_state(another))


def test_what_is_in_a_slot_works_there(house, client):
    lease = house.everything(client)
    session = house.daemon.sql(lease)
    one = lambda text: session.execute(text).fetchone()  # noqa: E731

    assert one("SELECT how_many(), how_many('blue'), shout(h) FROM happier h")[0] == 7
    assert one("SELECT first, more FROM dynamic('nobody')") == ("", 4)
    assert one("SELECT nextval('called_seq'), nextval('set_seq')") == (8, 42)
    assert one("INSERT INTO people (name, nick) VALUES ('change me', 'me') RETURNING id, name, name_and_mood") == (55, "change me!", "change me!:+")
    assert one("SELECT count(*) FROM journal WHERE what LIKE 'b_statement INSERT it''s%'") == (2,)
    assert one(f"SELECT count(*) FROM people WHERE extra ->> 'a' LIKE '%\"{lease.schema}\"%'") == (1,)  # the new row; rows of the template are data
    assert one("INSERT INTO logs VALUES ('2020-07-07', 'a', 99) RETURNING tableoid::regclass::text") == ("logs_2020_ab",)
    assert one("SELECT count(*) FROM forced") == (0,)
    assert session.execute("DELETE FROM quiet").rowcount == 0
    session.execute("REFRESH MATERIALIZED VIEW CONCURRENTLY counted")
    session.execute("CALL tidy(1)")
    assert one("SELECT count(*) FROM no_columns") == (0,)
    assert one("SELECT ROW(1, 'a', 0)::pair === ROW(1, 'a', 5)::pair, @@@ ROW(-3, '', 0)::pair") == (True, -1)
    assert one("SELECT to_tsvector('sentences', 'the running cats')::text") == ("'cat':3 'run':2",)


def test_settings_of_the_server_change_nothing(make_pg):
    """What rows look like as text depends on many settings; none may come between."""
    odd = make_pg(
        datestyle="SQL, DMY",
        intervalstyle="sql_standard",
        timezone="Asia/Kolkata",
        bytea_output="escape",
        extra_float_digits="-10",
        standard_conforming_strings="off",
        backslash_quote="on",
        escape_string_warning="off",
        array_nulls="off",
        xmlbinary="hex",
        default_transaction_isolation="serializable",
        transform_null_equals="on",
        lc_monetary="C.UTF-8",
        default_transaction_deferrable="on",
    )
    everything.share(odd)
    house = House(odd, None)
    try:
        client = house.daemon.client()
        lease = ask(client, "everything")
        run_sql(
            lease.dsn,
            "SET standard_conforming_strings = on; SET array_nulls = on",
            "SET datestyle = 'ISO, MDY'; SET transform_null_equals = off",
            *everything.statements(lease.schema),
        )
        template = house.full_state(lease)
        same(template, house.full_state(house.seal(client, lease)))
    finally:
        wrong = house.close()
    assert not wrong


@pytest.mark.parametrize("name", AWKWARD)
def test_what_pg_dump_would_lose_comes_out_right_or_is_named(house, client, name):
    before, after, word = AWKWARD[name]
    key = "awkward:" + name.replace(" ", "_")
    lease, template = made(house, client, key, *before, *after)
    try:
        said = seal(client, lease)
    except ReplyError as e:
        assert e.code == "BUILDFAILED" or (e.code, word) == ("PGERR", "permission denied for table t"), e
        assert word.replace("@schema@", lease.schema) in e.message, e
        assert house.daemon.running()
        return
    assert said.key == lease.template
    house.sealed[lease.template] = lease.schema
    same(template, house.full_state(client.lease(lease.lease, 30000)))


def test_functions_find_their_tables_by_search_path_in_a_slot_too(house, client):
    """Most migrations never qualify a name; an index or a view is made of such functions all the same."""
    texts = [
        "CREATE TABLE prices (what text, price int)",
        "CREATE FUNCTION price_of(text) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT max(price) FROM prices WHERE what = $1'",
        "CREATE TYPE e AS ENUM ('a')",
        "CREATE FUNCTION twice(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RETURN once($1) * 2; END$$",
        "CREATE FUNCTION once(int) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$DECLARE x e := 'a'; BEGIN RETURN $1; END$$",
        "INSERT INTO prices VALUES ('tea', 3)",
        "CREATE TABLE orders (what text CHECK (price_of(what) > 0), n int, double int GENERATED ALWAYS AS (twice(n)) STORED)",
        "INSERT INTO orders (what, n) VALUES ('tea', 4)",
        "CREATE INDEX ON orders (twice(n))",
        "CREATE MATERIALIZED VIEW totals AS SELECT price_of(what) * double AS total FROM orders",
        "CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN INSERT INTO prices VALUES (NEW.what, 1); RETURN NEW; END$$",
        "CREATE TRIGGER log_it BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION log_it()",
    ]
    lease, template = made(house, client, "by-search-path", *texts)
    lease = house.seal(client, lease)
    same(template, house.full_state(lease))
    assert house.daemon.sql(lease).execute("SELECT total FROM totals").fetchone() == (24,)


def test_a_name_that_only_begins_like_the_schema_s_is_another_name(house, client):
    lease, _ = made(
        house,
        client,
        "longer-names",
        "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS 'SELECT ''@schema@0, @schema@_x, x@schema@, @schema@''::text'",
    )
    builder = lease.schema
    seal(client, lease)
    lease = client.lease(lease.lease, 30000)
    (said,) = house.daemon.sql(lease).execute("SELECT f()").fetchone()
    assert said == f"{builder}0, {builder}_x, x{builder}, {lease.schema}"


def test_a_large_object_is_refused_by_its_number(house, client):
    lease, _ = made(house, client, "large-object", "CREATE TABLE t (a int)", "SELECT lo_create(0)")
    (number,) = house.pg.sql("SELECT oid FROM pg_largeobject_metadata")[0]
    with pytest.raises(ReplyError) as e:
        client("TEMPLATE", "SEAL", lease.lease)
    assert e.value.code == "BUILDFAILED"
    assert "large object" in e.value.message and str(number) in e.value.message


def test_a_builder_that_was_refused_can_mend_it(house, client):
    """A refused SEAL leaves nothing that is trusted; the builder goes on, with the DSN that LEASE tells."""
    lease, template = made(house, client, "refused", "CREATE TABLE t AS SELECT 1 AS a", "SELECT lo_create(4712)")
    other = house.daemon.client()
    waiting = ask(other, lease.template, worker="gw1", wait=None)
    for _ in range(2):
        with pytest.raises(ReplyError):
            client("TEMPLATE", "SEAL", lease.lease)
        assert other.lease(waiting.lease).state == "queued"
    lease = client.lease(lease.lease, 30000)
    assert is_builder(lease), lease
    run_sql(lease.dsn, "SELECT lo_unlink(4712)", "INSERT INTO t VALUES (2)")
    template = house.full_state(lease)
    same(template, house.full_state(house.seal(client, lease)))
    same(template, house.full_state(other.lease(waiting.lease, 30000)))


def test_a_builder_that_was_refused_can_give_up(house, client):
    lease, _ = made(house, client, "given-up", "SELECT lo_create(0)")
    other = house.daemon.client()
    waiting = ask(other, lease.template, worker="gw1", wait=None)
    with pytest.raises(ReplyError):
        client("TEMPLATE", "SEAL", lease.lease)
    client("TEMPLATE", "ABORT", lease.lease)
    again = other.lease(waiting.lease, 30000)
    assert is_builder(again), again
    same({}, house.observer.rows(house.slot(again)))


def test_the_stamp_is_berth_s(house, client):
    """A comment that a builder puts on the schema is not carried: what bears no stamp is foreign."""
    lease, _ = made(house, client, "stamped", "COMMENT ON SCHEMA @schema@ IS 'mine'")
    lease = house.seal(client, lease)
    assert '"stamp":true' in house.state(lease)["pg_namespace"][0]


def test_an_empty_template_is_a_template(house, client):
    lease, template = made(house, client, "empty")
    said = seal(client, lease)
    assert (said.key, said.kind, said.tables, said.rows) == (lease.template, "schema", 0, 0)
    same(template, house.full_state(client.lease(lease.lease, 30000)))


def test_seal_says_what_there_is(house, client):
    lease, _ = made(
        house,
        client,
        "counted",
        "CREATE TABLE a AS SELECT generate_series(1, 10) AS n",
        "CREATE TABLE b (n int)",
        "INSERT INTO b VALUES (1)",
        "CREATE VIEW v AS SELECT 1 AS a",
    )
    said = seal(client, lease)
    assert list(said)[:6] == ["key", "kind", "tables", "rows", "bytes", "us"]
    assert (said.key, said.kind, said.tables, said.rows) == (lease.template, "schema", 2, 11)
    assert said.bytes > 0 and said.us > 0


def test_what_was_not_committed_is_not_in_the_template(house, client):
    lease, template = made(house, client, "uncommitted", "CREATE TABLE t (a int)", "INSERT INTO t VALUES (1)")
    session = house.daemon.sql(lease)
    session.execute("BEGIN; INSERT INTO t VALUES (2); CREATE TABLE half (a int)")
    lease, builder = house.seal(client, lease), lease
    eventually(lambda: house.pg.sessions(builder.schema) == 0)
    same(template, house.full_state(lease))


def test_large_rows_and_many_come_out_right(house, client):
    lease, template = made(
        house,
        client,
        "large",
        "CREATE TABLE many AS SELECT g AS id, md5(g::text) AS t, CASE WHEN g % 7 > 0 THEN g END AS n, ARRAY[g, NULL] AS a FROM generate_series(1, 20000) g",
        "ALTER TABLE many ADD PRIMARY KEY (id)",
        "CREATE TABLE large AS SELECT g AS id, (SELECT string_agg(md5((g * i)::text), '') FROM generate_series(1, 30000) i) AS t FROM generate_series(1, 4) g",
    )
    seal(client, lease)
    lease = client.lease(lease.lease, 30000)
    assert not difference(template, house.full_state(lease))
