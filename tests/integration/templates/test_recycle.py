# SPDX-License-Identifier: MIT
"""A slot that was released comes back clean, as another's; one that is in doubt is dropped."""

import psycopg
import pytest

from harness import eventually
from harness.resp import as_map
from templates.house import House, run_sql, same
from templates.shapes import SHOP


def slots(client, key: str) -> list:
    """The slots of a template."""
    return [row for row in map(as_map, client("SLOTS")) if row.template == key]


def again(house, client, schema, tries=30, **options):
    """The lease that has the slot of this name; others that were handed out before it are held meanwhile."""
    for n in range(tries):
        lease = house.lease(client, "shop", *SHOP, worker=f"again{n}", **options)
        if lease.schema == schema:
            return lease
    raise AssertionError(f"{schema} does not come back: {slots(client, lease.template)}")


@pytest.fixture
def lease(house, client):
    return house.lease(client, "shop", *SHOP)


def test_slots_say_which_template_they_are_of(house, client, lease):
    assert [row.state for row in slots(client, lease.template) if row.name == lease.schema] == ["held"]


def test_a_released_slot_comes_back_clean_and_as_another_s(house, client, lease):
    before = house.state(lease)
    run_sql(lease.dsn, "INSERT INTO visits VALUES ('de')", "DELETE FROM journal", "SELECT nextval('counter')")
    house.daemon.kv(lease).set("k", 1)
    session = house.daemon.sql(lease)
    busy = house.daemon.sql(lease)
    busy.execute("BEGIN; INSERT INTO visits VALUES ('fr')")
    client("RELEASE", lease.lease)

    new = again(house, client, lease.schema)
    assert new.lease != lease.lease
    assert new.fence > lease.fence
    assert new.password != lease.password
    same(before, house.state(new))
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(lease.dsn)
    for old in (session, busy):
        with pytest.raises(psycopg.OperationalError):
            old.execute("SELECT 1")
    assert house.daemon.sql(new).execute("SELECT count(*) FROM visits").fetchone() == (0,)


@pytest.mark.parametrize("deed", [
    "DROP TABLE visits",
    "ALTER TABLE visits ADD x integer",
    "ALTER ROLE CURRENT_USER SET search_path = public",
    "ALTER ROLE CURRENT_USER PASSWORD 'known'",
    "GRANT ALL ON SCHEMA @schema@ TO PUBLIC",
    "SELECT lo_create(0)",
    "DROP SCHEMA @schema@ CASCADE",
    "BEGIN; DELETE FROM countries; PREPARE TRANSACTION 'of-before'",
])  # fmt: skip
def test_whatever_was_done_the_next_one_does_not_see_it(house, client, lease, deed):
    before = house.state(lease)
    run_sql(lease.dsn, deed.replace("@schema@", lease.schema))
    client("RELEASE", lease.lease)
    eventually(lambda: all(r.state in ("free", "held") for r in slots(client, lease.template)), 30)
    for n in range(4):
        new = house.lease(client, "shop", *SHOP, worker=f"next{n}")
        same(before, house.state(new))
    assert house.pg.sql("SELECT gid FROM pg_prepared_xacts") == []


def test_a_slot_whose_holder_died_is_dropped(house, client, lease):
    worker = house.daemon.spawn_worker()
    theirs = worker.acquire("gw7", template=lease.template, run="dies", wait=30000)
    worker.sql("INSERT INTO visits VALUES ('de')")
    worker.kill()
    eventually(lambda: not house.pg.schema_exists(theirs.schema), 30)
    assert not house.pg.role_exists(theirs.schema)


def test_sessions_that_storm_in_meanwhile_do_not_get_through(house, client, lease):
    """The old holder's processes connect again and again while the slot changes hands."""
    child = house.daemon.spawn_worker()
    theirs = child.acquire("gw8", template=lease.template, run="storm", wait=30000)
    for _ in range(3):
        child.child("sh", "-c", 'while :; do psql -qAt "$BERTH_DSN" -c "INSERT INTO visits VALUES (\'de\')"; done')
    eventually(lambda: house.pg.one(f"SELECT count(*) FROM {theirs.schema}.visits") > 5)
    child.command("RELEASE", theirs.lease)
    before = house.state(lease)
    for n in range(4):
        new = house.lease(client, "shop", *SHOP, worker=f"calm{n}")
        same(before, house.state(new))
        run_sql(new.dsn, "SELECT pg_sleep(0.2)")
        same(before, house.state(new))
    child.close()


def test_the_pool_follows_the_demand_and_stays_inside(house, client, lease):
    """Many leases at once, all given back: nothing is lost, nothing is kept for ever beyond the pool."""
    leases = [house.lease(client, "shop", worker=f"many{n}") for n in range(8)]
    for one in leases:
        run_sql(one.dsn, "INSERT INTO visits VALUES ('de')")
    for one in leases:
        client("RELEASE", one.lease)
    eventually(lambda: all(r.state != "dropping" for r in slots(client, lease.template)), 30)
    same(house.state(lease), house.state(house.lease(client, "shop", worker="after")))


def test_a_slot_without_template_is_not_given_to_one_with(house, client, lease):
    bare = client.acquire("bare", run="none")
    assert bare.template is None
    assert house.observer.rows(house.slot(bare)) == {}
    client("RELEASE", bare.lease)
    other = client.acquire("bare", run="none2")
    assert house.observer.rows(house.slot(other)) == {}


TABLES = 200


@pytest.fixture(scope="module")
def small_house(make_small_pg):
    house = House(make_small_pg, None, drops=4, builds=4)
    yield house
    assert house.close() == []


@pytest.fixture(scope="module")
def make_small_pg():
    from harness.pg_server import PgServer

    server = PgServer(max_connections=100, max_locks_per_transaction=64)
    yield server
    server.close()


def test_four_drops_of_large_schemas_at_once_do_not_fail(request, small_house):
    """The default lock table holds 64 × 100 locks; one such schema needs some 24 × 200 to be dropped."""
    request.node.berth_daemons = [small_house.daemon]
    client = small_house.daemon.client()
    # Several transactions, for one alone would already need more locks than there are.
    texts = ["; ".join(f"CREATE TABLE t{n} (id serial PRIMARY KEY, a text UNIQUE)" for n in range(at, at + 20)) for at in range(0, TABLES, 20)]
    first = small_house.lease(client, "large", *texts)
    leases = [first, *(small_house.lease(client, "large", worker=f"gw{n}") for n in range(1, 4))]
    before = small_house.state(first)
    for one in leases:
        run_sql(one.dsn, "DROP TABLE t7", "INSERT INTO t8 (a) VALUES ('x')")
    # One of each way back: a rebuild in place, a release, and the ends of holders that are gone.
    client("RESET", first.lease)
    same(before, small_house.state(first))
    client.close()
    schemas = [one.schema for one in leases]
    eventually(lambda: not any(small_house.pg.schema_exists(s) for s in schemas), 60)
    assert not small_house.daemon.log.has(level="error")


def test_a_template_that_is_dropped_takes_its_free_slots_along(house, client):
    lease = house.lease(client, "short-lived", "CREATE TABLE t (a integer)")
    client("RELEASE", lease.lease)
    assert client("TEMPLATE", "DROP", lease.template) == "OK"
    eventually(lambda: slots(client, lease.template) == [], 30)
    eventually(lambda: not house.pg.schema_exists(lease.schema), 30)
