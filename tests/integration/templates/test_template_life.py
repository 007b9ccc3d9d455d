# SPDX-License-Identifier: MIT
"""One builds, the others wait; whoever builds may die, fail or be late; what was sealed outlives everything."""

import threading
import time

import psycopg
import pytest

from harness import eventually
from harness.daemon import NOBODY
from harness.resp import ReplyError, as_map
from harness.wait import ms, stays
from templates.house import ask, is_builder, run_sql, seal

QUICK = {"runner_grace_ms": ms(1000), "heartbeat_ms": 200}
TABLE = "CREATE TABLE t AS SELECT 42 AS a"


def migrate(lease) -> None:
    run_sql(lease.dsn, TABLE)


def answer(lease) -> int:
    """What the template's table says in a held lease."""
    with psycopg.connect(lease.dsn) as session:
        return session.execute("SELECT sum(a) FROM t").fetchone()[0]


def refused(client, *words) -> ReplyError:
    with pytest.raises(ReplyError) as e:
        client(*words)
    return e.value


def templates(client) -> dict:
    return {row.key: row for row in map(as_map, client("TEMPLATE", "LIST"))}


def waits(client, lease) -> bool:
    now = client.lease(lease.lease)
    return now.state in ("queued", "building") and now.dsn is None


@pytest.fixture
def key(request) -> str:
    """A key that nobody else uses; the servers are shared, and templates stay."""
    return f"{request.node.name}-{time.monotonic_ns()}"


# One builder.


def test_the_first_who_asks_builds_and_has_it_then(daemon, key):
    client = daemon.client()
    lease = ask(client, key)
    assert is_builder(lease), lease
    assert (lease.template, lease.kind) == (key, "schema")
    assert lease.builder is None or "gw0" in lease.builder
    migrate(lease)

    said = seal(client, lease)
    assert (said.key, said.kind, said.tables, said.rows) == (key, "schema", 1, 1)

    held = client.lease(lease.lease, 30000)
    assert held.state == "held" and held.lease == lease.lease
    assert (held.run, held.worker, held.template) == (lease.run, lease.worker, key)
    assert answer(held) == 42
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(lease.dsn)


def test_the_others_wait_and_are_told_for_whom(daemon, key):
    client = daemon.client()
    builder = ask(client, key, worker="gw1", run="of-the-builder")
    other = daemon.client()
    lease = ask(other, key, worker="gw2", wait=None)
    assert lease.state == "queued" and lease.dsn is None and lease.template == key
    for word in ("of-the-builder", "gw1", "pid"):
        assert word in lease.builder, lease
    assert lease.why

    assert templates(client)[key].state == "building"
    eventually(lambda: "gw1" in templates(client)[key].builder)  # noted behind the answer
    migrate(builder)
    seal(client, builder)
    assert answer(other.lease(lease.lease, 30000)) == 42


def test_whoever_asks_again_is_the_same_builder(daemon, key):
    client, other = daemon.client(), daemon.client()
    lease = ask(client, key, run="r")
    again = ask(other, key, run="r")
    assert is_builder(again)
    assert (again.lease, again.dsn, again.fence) == (lease.lease, lease.dsn, lease.fence)
    migrate(again)
    seal(other, again)
    assert answer(client.lease(lease.lease, 30000)) == 42


def test_of_many_workers_and_two_runners_one_builds(make_daemon, key):
    daemons = [make_daemon(**QUICK) for _ in range(2)]
    built, answers, wrong = [], [], []
    start = threading.Barrier(12)

    def race(daemon, number):
        try:
            client = daemon.client(timeout=60)
            start.wait()
            lease = ask(client, key, worker=f"gw{number}", run=f"race{number % 3}", wait=50000)
            if is_builder(lease):
                built.append(number)
                migrate(lease)
                seal(client, lease)
                lease = client.lease(lease.lease, 50000)
            answers.append(answer(lease))
        except Exception as e:  # noqa: BLE001 (the test tells)
            wrong.append(f"{number}: {type(e).__name__} {e}")

    racers = [threading.Thread(target=race, args=(daemons[n % 2], n)) for n in range(12)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()
    assert wrong == []
    assert len(built) == 1
    assert answers == [42] * 12


def test_a_builder_at_another_runner_is_named(make_daemon, key):
    one, other = make_daemon(**QUICK), make_daemon(**QUICK).ready()
    client = one.client()
    builder = ask(client, key, worker="gw5")
    waiter = other.client()
    lease = ask(waiter, key, wait=None)
    eventually(lambda: "gw5" in (waiter.lease(lease.lease).builder or ""))
    migrate(builder)
    seal(client, builder)
    assert answer(waiter.lease(lease.lease, 30000)) == 42


def test_templates_of_two_keys_do_not_wait_for_each_other(daemon, key):
    one, two = daemon.client(), daemon.client()
    first, second = ask(one, key + "1"), ask(two, key + "2")
    assert is_builder(first) and is_builder(second)
    run_sql(second.dsn, "CREATE TABLE t AS SELECT 2 AS a")
    seal(two, second)
    assert answer(two.lease(second.lease, 30000)) == 2
    assert ask(daemon.client(), key + "1", worker="gw3", wait=None).state == "queued"
    migrate(first)
    seal(one, first)


def test_a_name_is_kept_through_the_sealing(daemon, key):
    client = daemon.client()
    lease = ask(client, key, name="test_exactly")
    assert is_builder(lease)
    migrate(lease)
    seal(client, lease)
    held = client.lease(lease.lease, 30000)
    assert (held.state, held.schema) == ("held", "test_exactly")
    assert answer(held) == 42


def test_a_lease_without_template_is_not_made_to_wait(daemon, key):
    builder = ask(daemon.client(), key)
    assert is_builder(builder)
    lease = daemon.client().acquire("gw1")
    assert lease.state == "held" and lease.template is None and lease.builder is None


# Builders that die, fail or are late.


def next_builder(client, lease):
    """The waiting lease, when it has become the builder; its slot is empty."""
    now = client.lease(lease.lease, 30000)
    assert is_builder(now), now
    with psycopg.connect(now.dsn) as session:
        count = session.execute("SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace")
        assert count.fetchone() == (0,)
    migrate(now)
    seal(client, now)
    held = client.lease(now.lease, 30000)
    assert answer(held) == 42
    return held


@pytest.fixture
def waiter(daemon, key):
    """waiter(): a client and its lease, which waits for the builder."""

    def wait(worker="waits"):
        client = daemon.client(timeout=60)
        lease = ask(client, key, worker=worker, wait=None)
        assert waits(client, lease), lease
        return client, lease

    return wait


def test_a_builder_that_is_killed_is_replaced(daemon, key, waiter):
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0", template=key, wait=30000)
    worker.sql("CREATE TABLE half (a integer)")
    worker.sql("BEGIN; CREATE TABLE other_half (a integer)")
    client, waiting = waiter()
    worker.kill()
    next_builder(client, waiting)
    eventually(lambda: not daemon.pg.schema_exists(lease.schema))


def test_a_builder_that_releases_its_lease_is_replaced(daemon, key, waiter):
    builder = daemon.client()
    lease = ask(builder, key)
    client, waiting = waiter()
    run_sql(lease.dsn, "CREATE TABLE half (a integer)")
    builder("RELEASE", lease.lease)
    next_builder(client, waiting)


def test_a_builder_that_gives_up_is_replaced(daemon, key, waiter):
    builder = daemon.client()
    lease = ask(builder, key)
    client, waiting = waiter()
    run_sql(lease.dsn, "CREATE TABLE half (a integer)")
    assert builder("TEMPLATE", "ABORT", lease.lease) == "OK"
    assert refused(builder, "LEASE", lease.lease).code == "NOLEASE"
    next_builder(client, waiting)


def test_migrations_that_failed_are_told_to_all_who_wait(daemon, key, waiter):
    builder = daemon.client()
    lease = ask(builder, key)
    waiting = [waiter(f"w{n}") for n in range(3)]
    asking = daemon.client()
    asking.send("ACQUIRE", "asks", "TEMPLATE", key, "WAIT", "30000")
    eventually(lambda: len(builder.leases()) == 5)
    for client, one in waiting[:2]:
        client.send("LEASE", one.lease, "WAIT", "30000")
    builder("TEMPLATE", "ABORT", lease.lease, "0007_prices: column \"x\" does\r\nnot exist")

    said = [asking.read_any(), *(client.read_any() for client, _ in waiting[:2])]
    client, one = waiting[2]
    client.send("LEASE", one.lease)
    said.append(client.read_any())
    for error in said:
        assert isinstance(error, ReplyError) and error.code == "BUILDFAILED", said
        assert "0007_prices" in error.message and "not exist" in error.message

    again = ask(asking, key, worker="asks-again")
    assert is_builder(again), again
    migrate(again)
    seal(asking, again)
    assert answer(asking.lease(again.lease, 30000)) == 42


def test_migrations_that_failed_are_told_at_another_runner_too(make_daemon, key):
    one, other = make_daemon(**QUICK), make_daemon(**QUICK).ready()
    builder = one.client()
    lease = ask(builder, key)
    client = other.client()
    waiting = ask(client, key, wait=None)
    eventually(lambda: "gw0" in (client.lease(waiting.lease).builder or ""))
    client.send("LEASE", waiting.lease, "WAIT", "30000")
    builder("TEMPLATE", "ABORT", lease.lease, "it went wrong")
    error = client.read_any()
    assert isinstance(error, ReplyError) and error.code == "BUILDFAILED" and "it went wrong" in error.message


@pytest.mark.berthd(template_build_ms=ms(1500))
def test_a_builder_past_its_deadline_is_replaced(daemon, key, waiter):
    builder = daemon.client()
    lease = ask(builder, key)
    session = daemon.sql(lease)
    session.execute("BEGIN; CREATE TABLE half (a integer)")
    client, waiting = waiter()
    next_builder(client, waiting)
    assert refused(builder, "TEMPLATE", "SEAL", lease.lease).code in ("NOLEASE", "DENIED", "STALE")
    with pytest.raises(psycopg.OperationalError):
        session.execute("COMMIT")


def test_a_builder_whose_daemon_is_killed_is_replaced_by_another_runner_s(make_daemon, key):
    one, other = make_daemon(**QUICK), make_daemon(**QUICK).ready()
    lease = ask(one.client(), key)
    run_sql(lease.dsn, "CREATE TABLE half (a integer)")
    client = other.client(timeout=60)
    waiting = ask(client, key, wait=None)
    eventually(lambda: waits(client, waiting))
    one.kill()
    next_builder(client, waiting)
    eventually(lambda: not other.pg.schema_exists(lease.schema), 20)


@pytest.mark.parametrize("pause", [0, 0.01, 0.03, 0.1])
def test_a_daemon_that_is_killed_while_it_seals_leaves_nothing_half_built(make_daemon, key, pause):
    one, other = make_daemon(**QUICK), make_daemon(**QUICK)
    client = one.client()
    lease = ask(client, key)
    run_sql(lease.dsn, *(f"CREATE TABLE t{n} AS SELECT generate_series(1, 1000) AS a" for n in range(10)), TABLE)
    client.send("TEMPLATE", "SEAL", lease.lease)
    time.sleep(pause)  # so that the kill comes at another moment
    one.kill()

    client = other.client(timeout=60)
    after = ask(client, key)
    if is_builder(after):
        migrate(after)
        seal(client, after)
        after = client.lease(after.lease, 30000)
    else:
        with psycopg.connect(after.dsn) as session:
            assert session.execute("SELECT count(*) FROM t9").fetchone() == (1000,)
    assert answer(after) == 42
    eventually(lambda: not other.pg.schema_exists(lease.schema), 20)


# What was sealed stays.


def test_it_outlives_the_daemon(make_daemon, key):
    first = make_daemon()
    client = first.client()
    lease = ask(client, key)
    migrate(lease)
    seal(client, lease)
    first.stop()

    second = make_daemon()
    client = second.client()
    held = ask(client, key)
    assert held.state == "held" and answer(held) == 42
    assert templates(client)[key].state == "sealed"


def test_it_outlives_postgresql(make_daemon, own_pg, key):
    daemon = make_daemon(pg=own_pg)
    client = daemon.client(timeout=60)
    lease = ask(client, key)
    migrate(lease)
    seal(client, lease)
    held = client.lease(lease.lease, 30000)
    own_pg.restart()
    assert answer(held) == 42
    other = daemon.client(timeout=60)
    assert answer(ask(other, key, worker="gw1")) == 42
    row = as_map(client("RESET", held.lease))
    assert row.tables == 0


def test_another_runner_has_it_too(make_daemon, key):
    one = make_daemon(**QUICK)
    client = one.client()
    lease = ask(client, key)
    migrate(lease)
    seal(client, lease)
    other = make_daemon(**QUICK)
    held = ask(other.client(), key)
    assert held.state == "held" and answer(held) == 42
    one.stop()
    assert answer(ask(other.client(), key, worker="gw1")) == 42


def test_list_says_what_there_is(daemon, key):
    client = daemon.client()
    lease = ask(client, key)
    migrate(lease)
    said = seal(client, lease)
    client.lease(lease.lease, 30000)
    eventually(lambda: templates(client)[key].leases == 1)
    raw = next(row for row in client("TEMPLATE", "LIST") if row[1] == key)
    assert raw[::2] == "key kind state tables rows bytes slots leases builder runner age_ms idle_ms".split()
    row = as_map(raw)
    assert (row.kind, row.state, row.tables, row.rows, row.bytes) == ("schema", "sealed", 1, 1, said.bytes)
    assert row.leases == 1 and row.slots >= 1 and "gw0" in row.builder
    assert row.age_ms >= 0


# DROP.


def test_a_template_in_use_is_not_dropped(daemon, key):
    client = daemon.ready().client()
    assert refused(client, "TEMPLATE", "DROP", key).code == "NOTEMPLATE"
    lease = ask(client, key)
    assert refused(client, "TEMPLATE", "DROP", key).code == "INUSE"
    migrate(lease)
    seal(client, lease)
    error = refused(client, "TEMPLATE", "DROP", key)
    assert error.code == "INUSE" and key in error.message
    assert answer(client.lease(lease.lease, 30000)) == 42

    client("RELEASE", lease.lease)
    assert client("TEMPLATE", "DROP", key) == "OK"
    eventually(lambda: key not in templates(client))
    assert refused(client, "TEMPLATE", "DROP", key).code == "NOTEMPLATE"
    assert is_builder(ask(client, key))


def test_a_template_in_use_at_another_runner_is_not_dropped(make_daemon, key):
    one, other = make_daemon(**QUICK), make_daemon(**QUICK)
    client = one.client()
    lease = ask(client, key)
    migrate(lease)
    seal(client, lease)
    theirs = other.client()
    held = ask(theirs, key)
    eventually(lambda: templates(client)[key].leases == 2)  # noted behind the answer
    client("RELEASE", lease.lease)
    eventually(lambda: templates(client)[key].leases == 1)  # another runner's is noted behind its grant
    assert refused(client, "TEMPLATE", "DROP", key).code == "INUSE"
    theirs("RELEASE", held.lease)
    eventually(lambda: drops(client, key))

    def builds():
        """What the other runner has ready of it goes with its next heartbeat."""
        client = other.client()
        try:
            lease = ask(client, key, worker="gw2")
        except ReplyError as e:
            assert e.code == "NOTEMPLATE", e
            return False
        client("RELEASE", lease.lease)
        return is_builder(lease)

    eventually(builds)


def drops(client, key) -> bool:
    client.send("TEMPLATE", "DROP", key)
    return not isinstance(client.read_any(), ReplyError)


# Bad input.


def test_only_the_builder_seals(daemon, key):
    client, other = daemon.client(), daemon.client()
    lease = ask(client, key)
    bare = other.acquire("gw1")
    assert refused(other, "TEMPLATE", "SEAL", bare.lease).code == "DENIED"
    waiting = ask(other, key, worker="gw2", wait=None)
    assert refused(other, "TEMPLATE", "SEAL", waiting.lease).code in ("DENIED", "BUSY")
    assert refused(other, "TEMPLATE", "SEAL", "no-such-lease").code == "NOLEASE"
    assert refused(other, "TEMPLATE", "ABORT", bare.lease).code == "DENIED"
    assert refused(other, "TEMPLATE", "ABORT", "no-such-lease", "why").code == "NOLEASE"
    migrate(lease)
    seal(client, lease)
    held = other.lease(waiting.lease, 30000)
    assert answer(held) == 42
    assert refused(other, "TEMPLATE", "SEAL", held.lease).code == "DENIED"
    assert refused(other, "TEMPLATE", "ABORT", held.lease).code == "DENIED"


@pytest.mark.root
def test_another_user_seals_nothing(daemon, key):
    lease = ask(daemon.client(), key)
    other = daemon.client_of(NOBODY)
    assert refused(other, "TEMPLATE", "SEAL", lease.lease).code == "DENIED"
    assert refused(other, "TEMPLATE", "ABORT", lease.lease).code == "DENIED"


def test_sealing_twice_says_the_same(daemon, key):
    client = daemon.client()
    lease = ask(client, key)
    migrate(lease)
    others = [daemon.client() for _ in range(3)]
    for one in others:
        one.send("TEMPLATE", "SEAL", lease.lease)
    said = [as_map(one.read()) for one in others]
    said.append(seal(client, lease))
    client.lease(lease.lease, 30000)
    said.append(seal(client, lease))
    assert len({(s.key, s.kind, s.tables, s.rows, s.bytes) for s in said}) == 1


BAD_KEYS = {
    "of 256 bytes": "k" * 256,
    "of 300 bytes": "k" * 300,
    "empty": "",
    "with a space": "a b",
    "with a line feed": "a\nb",
    "with a NUL": "a\0b",
    "with DEL": "a\x7fb",
    "with an umlaut": "schlüssel",
    "that is not UTF-8": b"\xff\xfe",
}


@pytest.mark.parametrize("bad", BAD_KEYS)
def test_keys_that_are_none(daemon, bad):
    client = daemon.client()
    assert refused(client, "ACQUIRE", "gw0", "TEMPLATE", BAD_KEYS[bad]).code == "USAGE"
    assert refused(client, "TEMPLATE", "DROP", BAD_KEYS[bad]).code == "USAGE"
    assert client.leases() == []
    assert client("PING") == "PONG"


@pytest.mark.parametrize("good", ["k" * 255, "!", "a/b:c@d", "';DROP--", '"', "\\", "%s%n", "$1"])
def test_keys_that_look_odd(daemon, good, request):
    client = daemon.client()
    lease = ask(client, good)
    assert is_builder(lease), lease
    migrate(lease)
    assert seal(client, lease).key == good
    assert answer(client.lease(lease.lease, 30000)) == 42
    client("RELEASE", lease.lease)
    eventually(lambda: drops(client, good))


def test_requests_that_make_no_sense(daemon):
    client = daemon.client()
    for words in (["TEMPLATE"], ["TEMPLATE", "MAKE", "x"], ["TEMPLATE", "SEAL"], ["TEMPLATE", "DROP"], ["TEMPLATE", "LIST", "x", "y"], ["ACQUIRE", "gw0", "TEMPLATE"]):
        assert refused(client, *words).code in ("ERR", "USAGE"), words
    assert client.leases() == []


def test_a_waiter_that_hangs_up_is_forgotten(daemon, key, waiter):
    builder = daemon.client()
    lease = ask(builder, key)
    for n in range(3):
        client, _ = waiter(f"gone{n}")
        client.close()
    eventually(lambda: len(builder.leases()) == 1)
    migrate(lease)
    seal(builder, lease)
    assert answer(builder.lease(lease.lease, 30000)) == 42
    stays(lambda: len(builder.leases()) == 1, 0.2)


# What nobody uses any more.
