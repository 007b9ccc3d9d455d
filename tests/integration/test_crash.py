# SPDX-License-Identifier: MIT
"""A worker that dies, however it dies, leaves nothing: no schema, role, session, key or user."""

import os
import signal
import sys

import pytest

from harness import eventually
from harness.process import alive
from harness.wait import stays


@pytest.fixture(scope="session")
def pg(plain_pg):
    """A berthd that is no superuser ends and drops all of it."""
    return plain_pg


def nothing_left_of(daemon, lease):
    """True when no trace of the lease is in either server."""
    pg, kv = daemon.pg, daemon.redis
    assert not pg.sessions(lease.role)
    assert not pg.schema_exists(lease.schema) or lease.kind == "database"
    assert not pg.database_exists(lease.role)
    assert not pg.role_exists(lease.role)
    orphans = "SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND usename IS NULL"
    assert pg.one(orphans) == 0
    if lease.redis in ("acl", "index"):
        assert kv.db(lease.redis_db).dbsize() == 0
        assert lease.redis_user not in kv.db(0).acl_users()
        assert lease.redis_user not in {c["user"] for c in kv.db(0).client_list()} - {"default"}
    return True


def test_a_killed_worker_gives_its_schema_back(daemon):
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0")
    worker.sql("CREATE TABLE t AS SELECT generate_series(1, 1000)")

    worker.kill()

    eventually(lambda: nothing_left_of(daemon, lease))
    assert daemon.log.has(event="lease.end", lease=lease.lease, why="holder gone")


@pytest.mark.parametrize("kind", ["schema", "database"])
def test_killed_in_mid_transaction_with_psql_still_connected(daemon, kind):
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0", kind=kind)
    worker.sql("CREATE TABLE t AS SELECT generate_series(1, 1000) AS a")
    psql = worker.psql("BEGIN; LOCK TABLE t; INSERT INTO t VALUES (0);")
    worker.redis("SET", "k", "v")
    blocked = worker.child("sh", "-c", 'exec redis-cli -u "$REDIS_URL" BLPOP q 0')
    if lease.redis_socket:  # redis-cli takes no unix:// URL
        blocked = worker.child(
            "redis-cli", "-s", lease.redis_socket, "--user", lease.redis_user, "--pass",
            lease.redis_password, "-n", str(lease.redis_db), "BLPOP", "q", "0",
        )  # fmt: skip
        eventually(lambda: [c for c in daemon.redis.db(0).client_list() if c["cmd"] == "blpop"])
    worker.sql("BEGIN")
    eventually(lambda: daemon.pg.sessions(lease.role) == 2)

    worker.kill()

    eventually(lambda: nothing_left_of(daemon, lease))
    eventually(lambda: not alive(blocked))
    assert alive(psql), "the story was to be about a psql that goes on living"


def test_the_death_is_noticed_at_once(daemon):
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0")
    client = daemon.client()
    worker.kill()
    eventually(
        lambda: lease.lease not in [x.lease for x in client.leases() if x.state == "held"], 1
    )


STORM = """
import os, threading, time, psycopg
until = time.monotonic() + 4
def storm():
    while time.monotonic() < until:
        try:
            with psycopg.connect(os.environ["BERTH_DSN"], autocommit=True) as c:
                for i in range(50):
                    c.execute(f"CREATE TABLE IF NOT EXISTS storm_{os.getpid()}_{i} (a int)")
        except psycopg.Error:
            time.sleep(0.001)
threads = [threading.Thread(target=storm) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
"""


def test_a_grandchild_that_connects_again_and_again_cannot_stop_the_end(daemon):
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0")
    storm = worker.child(sys.executable, "-c", STORM)
    eventually(lambda: daemon.pg.sessions(lease.role) >= 2, 20)

    worker.kill()

    eventually(lambda: not daemon.pg.role_exists(lease.role), 15)
    eventually(lambda: nothing_left_of(daemon, lease))
    assert alive(storm), "the storm was to outlast the end"
    stays(lambda: nothing_left_of(daemon, lease), 0.5)


def test_redis_keys_do_not_rise_again_from_a_writer_that_lives_on(daemon):
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0", redis="acl")
    writer = """
import os, redis, time
kv = redis.Redis.from_url(os.environ["REDIS_URL"])
until = time.monotonic() + 4
while time.monotonic() < until:
    try:
        kv.incr("n")
    except redis.RedisError:
        time.sleep(0.001)
"""
    worker.child(sys.executable, "-c", writer)
    eventually(lambda: daemon.redis.db(lease.redis_db).get("n"))

    worker.kill()

    eventually(lambda: nothing_left_of(daemon, lease))
    stays(lambda: daemon.redis.db(lease.redis_db).dbsize() == 0, 0.5)


def test_an_index_lease_leaves_no_key_either(daemon):
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0", redis="index")
    worker.redis("SET", "k", "v")
    worker.kill()
    eventually(lambda: nothing_left_of(daemon, lease))
    claim = f"berth:claims: {lease.redis_db}="
    eventually(lambda: not [m for m in daemon.redis.meta() if m.startswith(claim)])


def test_a_private_redis_goes_with_its_worker(daemon):
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0", redis="private")
    worker.redis("SET", "k", "v")
    (pid,) = daemon.private_servers()
    worker.kill()
    eventually(lambda: nothing_left_of(daemon, lease) and not alive(pid))


def test_large_objects_and_grants_do_not_keep_the_role(daemon):
    client = daemon.client()
    other = client.acquire("gw1")
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0")
    worker.sql("SELECT lo_create(0), lo_from_bytea(0, 'x')")
    worker.sql("CREATE TABLE t (a int)")
    worker.sql(f"GRANT USAGE ON SCHEMA {lease.schema} TO {other.role}, PUBLIC")
    worker.sql(f"GRANT ALL ON t TO {other.role}")
    worker.sql("ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC")
    worker.sql(
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {lease.schema} GRANT SELECT ON TABLES TO {other.role}"
    )
    worker.sql("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
    worker.sql(
        "CREATE TYPE mood AS ENUM ('a'); CREATE VIEW v AS SELECT * FROM t; CREATE SEQUENCE s"
    )

    worker.kill()

    eventually(lambda: nothing_left_of(daemon, lease))
    assert client.lease(other.lease).state == "held"


def test_a_foreign_reader_delays_the_drop_but_nobody_else(daemon):
    """Somebody with rights of his own has a transaction open on the dead worker's table."""
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0")
    worker.sql("CREATE TABLE t AS SELECT 1 AS a")
    with daemon.pg.connect() as reader:
        reader.execute("BEGIN")
        reader.execute(f"SELECT * FROM {lease.schema}.t")

        worker.kill()

        for i in range(10):
            assert daemon.client().acquire(f"other{i}").state == "held"
        assert daemon.pg.schema_exists(lease.schema)
        reader.execute("ROLLBACK")
    eventually(lambda: nothing_left_of(daemon, lease), 20)


def test_a_stranger_inside_a_database_lease_does_not_keep_it(make_daemon, make_pg):
    """One that is no superuser may not end a stranger's session."""
    daemon = make_daemon(pg=make_pg(superuser=True))
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0", kind="database")
    with daemon.pg.connect(daemon.pg.dsn("postgres", lease.dbname)):
        worker.kill()
        eventually(lambda: nothing_left_of(daemon, lease), 20)


def test_twenty_workers_killed_at_once(daemon):
    workers = [daemon.spawn_worker() for _ in range(20)]
    for i, worker in enumerate(workers):
        worker.tell("acquire", f"gw{i}", wait=30000)
    leases = [worker.hear() for worker in workers]
    assert len({x["schema"] for x in leases}) == 20
    for worker in workers:
        worker.sql("CREATE TABLE t (a int)")
        worker.redis("SET", "k", "v")
    for worker in workers:
        worker.process.kill()
    client = daemon.client()
    eventually(lambda: client.leases() == [])
    held = "SELECT nspname FROM pg_namespace WHERE nspname = ANY (%s)"
    eventually(lambda: not daemon.pg.sql(held, [x["schema"] for x in leases]), 20)


@pytest.mark.berthd(pool_schemas=0, pool_redis=0, pool_databases=0)
@pytest.mark.parametrize("kind", ["schema", "database"])
def test_who_hangs_up_while_its_slot_is_built_leaves_nothing(daemon, kind):
    daemon.ready()
    for i in range(10):
        client = daemon.client()
        client.send("ACQUIRE", f"gw{i}", "KIND", kind)
        client.close()
    eventually(lambda: daemon.client().leases() == [])
    eventually(lambda: daemon.pg.made() == [])
    eventually(lambda: daemon.redis.users() == [])


def test_a_worker_that_is_only_stopped_keeps_its_lease(daemon):
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0")
    worker.process.send_signal(signal.SIGSTOP)
    client = daemon.client()
    stays(lambda: client.lease(lease.lease).state == "held", 1)
    worker.process.send_signal(signal.SIGCONT)
    assert worker.sql("SELECT current_schema") == [[lease.schema]]


def test_a_forked_child_that_holds_the_connection_holds_the_lease(daemon):
    """The lease lives while the connection does, whoever of the family holds it."""
    worker = daemon.spawn_worker()
    lease = worker.acquire("gw0")
    child = worker.do("child_with_connection")
    worker.kill()
    client = daemon.client()
    stays(lambda: client.lease(lease.lease).state == "held", 0.5)
    os.kill(child, signal.SIGKILL)
    eventually(lambda: nothing_left_of(daemon, lease))


def test_a_hundred_crashes_leak_no_descriptor(daemon):
    def crash(n):
        for i in range(n):
            with daemon.client() as client:
                client.acquire(f"gw{i}", redis="private" if i % 10 == 0 else "acl")
        eventually(lambda: daemon.client().leases() == [])
        eventually(lambda: not daemon.private_servers())
        daemon.hang_up()

    crash(10)
    eventually(lambda: not [s for s in daemon.pg.made() if s.startswith("session")])
    settled = daemon.descriptors()
    crash(100)
    eventually(lambda: daemon.descriptors() <= settled, 10, f"no more than {settled} descriptors")
