# SPDX-License-Identifier: MIT
"""What RESET brings back: the template, what BASELINE declared, or nothing; and the Redis database."""

import time

import psycopg
import pytest
import redis

from harness import eventually
from harness.resp import ReplyError, as_map
from templates.desk import Desk
from templates.house import ask, is_builder, run_sql, same
from templates.shapes import PARTS, SHOP
from templates.state import difference


def refused(client, *words) -> ReplyError:
    with pytest.raises(ReplyError) as e:
        client(*words)
    return e.value


def reset(client, lease, *words):
    return as_map(client("RESET", lease.lease, *words))


@pytest.fixture
def bare(house, client):
    """A lease without a template."""
    lease = client.acquire("gw0", run="bare")
    yield lease
    client("RELEASE", lease.lease)


# Without a template.


def test_without_a_template_the_empty_schema_comes_back(house, client, bare):
    assert bare.template is None and bare.builder is None
    empty = house.full_state(bare)
    for texts in (SHOP, PARTS, ["CREATE TYPE e AS ENUM ('a')"], ["COMMENT ON SCHEMA @schema@ IS 'x'"]):
        run_sql(bare.dsn, *(text.replace("@schema@", bare.schema) for text in texts))
        assert house.full_state(bare) != empty
        reset(client, bare)
        same(empty, house.full_state(bare))


def test_an_empty_schema_may_be_reset(house, client, bare):
    empty = house.state(bare)
    said = reset(client, bare)
    assert (said.tables, said.rows, said.sequences) == (0, 0, 0)
    same(empty, house.state(bare))


# What BASELINE declares.


def test_what_baseline_declares_comes_back(house, client, bare):
    run_sql(bare.dsn, *SHOP)
    assert client("BASELINE", bare.lease) == "OK"
    before = house.full_state(bare)
    for text in (
        "INSERT INTO visits VALUES ('de')",
        "UPDATE countries SET name = 'x'; DELETE FROM journal",
        "SELECT nextval('counter')",
        "DROP TABLE visits",
        "ALTER TYPE mood ADD VALUE 'new'",
        "DROP SCHEMA @schema@ CASCADE",
    ):
        run_sql(bare.dsn, text.replace("@schema@", bare.schema))
        assert difference(house.state(bare), {part: before[part] for part in before if part != "pg_dump"})
        reset(client, bare)
        same(before, house.full_state(bare))


def test_a_second_baseline_counts(house, client, bare):
    run_sql(bare.dsn, "CREATE TABLE t AS SELECT 1 AS a")
    client("BASELINE", bare.lease)
    run_sql(bare.dsn, "INSERT INTO t VALUES (2); CREATE TABLE second (a serial)")
    client("BASELINE", bare.lease)
    before = house.full_state(bare)
    run_sql(bare.dsn, "DELETE FROM t; INSERT INTO second DEFAULT VALUES")
    assert reset(client, bare).rebuilt == 0
    same(before, house.full_state(bare))
    run_sql(bare.dsn, "DROP TABLE t")
    reset(client, bare)
    same(before, house.full_state(bare))


def test_a_baseline_on_top_of_a_template(house, client):
    lease = house.lease(client, "shop", *SHOP)
    template = house.state(lease)
    run_sql(lease.dsn, "INSERT INTO visits VALUES ('de'); CREATE TABLE extra AS SELECT 1 AS a")
    assert client("BASELINE", lease.lease) == "OK"
    before = house.state(lease)
    run_sql(lease.dsn, "DELETE FROM visits; DROP TABLE extra")
    reset(client, lease)
    same(before, house.state(lease))

    client("RELEASE", lease.lease)
    other = house.lease(client, "shop", worker="gw1")
    same(template, house.state(other))


def test_a_baseline_in_the_midst_of_a_transaction_loses_nothing(house, client, bare):
    """What commits after the baseline was no part of it, whenever it began."""
    run_sql(bare.dsn, *SHOP)
    before = house.state(bare)
    with psycopg.connect(bare.dsn, autocommit=True) as early:
        early.execute("BEGIN")
        early.execute("INSERT INTO visits VALUES ('de'); ALTER TABLE journal SET (fillfactor = 40); DELETE FROM countries WHERE code = 'fr'; INSERT INTO countries VALUES ('it')")
        run_sql(bare.dsn, "CREATE SEQUENCE later", "DROP SEQUENCE later")  # numbers of later transactions
        try:
            assert client("BASELINE", bare.lease) == "OK"
        except ReplyError as e:
            assert e.code == "BUSY" and str(early.info.backend_pid) in e.message, e
            return
        early.execute("COMMIT")
        assert house.state(bare) != before
        reset(client, bare)
        same(before, house.state(bare))


def test_a_baseline_that_cannot_be_is_refused_and_the_old_one_stays(house, client, bare):
    run_sql(bare.dsn, "CREATE TABLE t AS SELECT 1 AS a")
    client("BASELINE", bare.lease)
    before = house.state(bare)
    run_sql(bare.dsn, "SELECT lo_create(4711)")
    assert "4711" in refused(client, "BASELINE", bare.lease).message
    reset(client, bare)
    same(before, house.state(bare))


def test_baselines_that_make_no_sense(house, client, bare):
    assert refused(client, "BASELINE", "no-such-lease").code == "NOLEASE"
    database = client.acquire("gw1", run="bare", kind="database")
    assert refused(client, "BASELINE", database.lease).code == "USAGE"


# A database.


def test_a_database_is_as_it_was(house, client):
    lease = client.acquire("gw0", run="db", kind="database")
    run_sql(
        lease.dsn,
        "CREATE TABLE public.t AS SELECT 1 AS a; CREATE SCHEMA extra; CREATE SEQUENCE extra.s; SELECT lo_create(0)",
    )
    said = reset(client, lease)
    assert said.rebuilt == 1
    with psycopg.connect(lease.dsn, autocommit=True) as session:
        left = session.execute("SELECT relname FROM pg_class WHERE oid >= 16384 AND relnamespace <> 99").fetchall()
        assert left == []
        assert session.execute("SELECT to_regnamespace('extra'), count(*) FROM pg_largeobject_metadata").fetchone() == (None, 0)
        session.execute("CREATE TABLE public.t (a integer)")
    again = client.lease(lease.lease)
    assert (again.dsn, again.fence, again.state) == (lease.dsn, lease.fence, "held")


def test_a_template_may_be_a_database(house, client):
    lease = ask(client, house.key("of-a-database"), kind="database")
    assert is_builder(lease) and lease.dbname.startswith("test_")
    run_sql(lease.dsn, "CREATE TABLE public.t AS SELECT generate_series(1, 5) AS a", "CREATE SCHEMA extra", "CREATE TABLE extra.u (a serial)", "INSERT INTO extra.u DEFAULT VALUES")
    said = as_map(client("TEMPLATE", "SEAL", lease.lease))
    assert (said.key, said.kind) == (lease.template, "database")
    mine = client.lease(lease.lease, 30000)
    other = ask(client, lease.template, worker="gw1", kind="database")
    assert (mine.state, other.state) == ("held", "held")
    assert mine.dbname != other.dbname
    for one in (mine, other):
        run_sql(one.dsn, "DELETE FROM public.t WHERE a > 2; INSERT INTO extra.u DEFAULT VALUES; CREATE TABLE public.more ()")
        reset(client, one)
        with psycopg.connect(one.dsn) as session:
            assert session.execute("SELECT sum(a), to_regclass('more') FROM public.t").fetchone() == (15, None)
            assert session.execute("SELECT nextval('extra.u_a_seq')").fetchone() == (2,)
    client("RELEASE", mine.lease)
    client("RELEASE", other.lease)
    assert client("TEMPLATE", "DROP", lease.template) == "OK"


def test_a_key_may_be_of_both_kinds(house, client):
    key = house.lease(client, "shop", *SHOP).template
    lease = ask(client, key, worker="gw1", kind="database")
    assert is_builder(lease)
    run_sql(lease.dsn, "CREATE TABLE public.t AS SELECT 1 AS a")
    client("TEMPLATE", "SEAL", lease.lease)
    lease = client.lease(lease.lease, 30000)
    assert house.lease(client, "shop", *SHOP, worker="gw2").kind == "schema"
    with psycopg.connect(lease.dsn) as session:
        assert session.execute("SELECT a FROM public.t").fetchone() == (1,)


# Redis.


@pytest.fixture
def keeper(house, client):
    lease = house.lease(client, "shop", *SHOP, worker="redis", redis="acl")
    yield lease
    client("RELEASE", lease.lease)


def test_keys_are_gone_and_the_user_stays(house, client, keeper):
    kv = house.daemon.kv(keeper)
    kv.mset({f"k{n}": n for n in range(1000)})
    kv.rpush("list", 1)
    kv.set("expires", 1, ex=1000)
    said = reset(client, keeper)
    assert kv.dbsize() == 0
    assert said.tables == 0
    kv.set("again", 1)  # on the connection that was open all the time
    other = redis.Redis.from_url(keeper.redis_url, decode_responses=True)
    assert other.get("again") == "1"
    other.close()


def test_scripts_of_a_redis_user_find_nothing(house, client, keeper):
    kv = house.daemon.kv(keeper)
    kv.eval("for i = 1, 5000 do redis.call('SET', 'k' .. i, i) end", 0)
    reset(client, keeper)
    assert kv.randomkey() is None


def test_another_redis_database_is_not_touched(house, client, keeper):
    other = house.lease(client, "shop", *SHOP, worker="redis2")
    house.daemon.kv(other).set("mine", 1)
    house.daemon.kv(keeper).set("mine", 1)
    reset(client, keeper)
    assert house.daemon.kv(other).get("mine") == "1"
    assert house.daemon.kv(keeper).get("mine") is None


@pytest.mark.parametrize("redis_kind", ["index", "private", "none"])
def test_every_kind_of_redis(house, client, redis_kind):
    lease = house.lease(client, "shop", *SHOP, redis=redis_kind)
    before = house.state(lease) if redis_kind == "index" else None
    if redis_kind != "none":
        house.daemon.kv(lease).set("k", 1)
    run_sql(lease.dsn, "INSERT INTO visits VALUES ('de')")
    assert reset(client, lease).tables == 1
    if redis_kind != "none":
        assert house.daemon.kv(lease).dbsize() == 0
    if before:
        same(before, house.state(lease))


# Servers that are away, roles at their limit.


def test_postgresql_is_away_and_comes_back(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg, redis=None)
    client = daemon.client()
    lease = client.acquire("gw0")
    run_sql(lease.dsn, "CREATE TABLE t (a int)")
    own_pg.stop()
    assert refused(client, "RESET", lease.lease).code == "UNAVAILABLE"
    own_pg.start()

    def works():
        client.send("RESET", lease.lease)
        said = client.read_any()
        return not isinstance(said, ReplyError)

    eventually(works, 30)
    assert own_pg.one(f"SELECT to_regclass('{lease.schema}.t')") is None


def test_redis_is_away_and_comes_back(make_daemon, own_redis):
    daemon = make_daemon(redis=own_redis)
    client = daemon.client()
    lease = client.acquire("gw0")
    own_redis.pause()
    try:
        client.send("RESET", lease.lease)
        time.sleep(0.1)
    finally:
        own_redis.resume()
    said = client.read_any()
    assert not isinstance(said, ReplyError) or said.code == "UNAVAILABLE"
    assert reset(client, lease).rebuilt == 0


def test_a_role_at_its_connection_limit_is_rebuilt_all_the_same(make_daemon):
    daemon = make_daemon(role_connections=4)
    client = daemon.client()
    lease = client.acquire("gw0")
    run_sql(lease.dsn, *SHOP)
    assert client("BASELINE", lease.lease) == "OK"
    sessions = [daemon.sql(lease) for _ in range(4)]
    sessions[0].execute("DROP TABLE visits")
    assert reset(client, lease).rebuilt == 1
    assert sessions[1].execute("SELECT count(*) FROM visits").fetchone() == (0,)
