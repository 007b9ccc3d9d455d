# SPDX-License-Identifier: MIT
"""PostgreSQL or Redis is away, wrong, restarted or frozen: berthd stays, says why, and recovers."""

import signal
import threading
import time

import psycopg
import pytest
import redis

from harness import eventually
from harness.pg_server import DAEMON
from harness.resp import Client, ReplyError, as_map
from harness.wait import LONG, SLOW, stays


def error_of(client, *words) -> ReplyError:
    client.send(*words)
    error = client.read_any()
    assert isinstance(error, ReplyError), error
    assert client("PING") == "PONG"
    return error


def unavailable(daemon, *words_wanted):
    """ACQUIRE without WAIT says UNAVAILABLE and these words; INFO works meanwhile."""
    client = daemon.client()
    error = eventually(lambda: _unavailable(client, words_wanted), 10)
    assert client.info()
    assert client.leases() == []
    return error


def _unavailable(client, words):
    """The error, once it says these words (at first berthd is "still connecting")."""
    client.send("ACQUIRE", "gw-probe")
    answer = client.read_any()
    if not isinstance(answer, ReplyError):
        client("RELEASE", as_map(answer).lease)
        return None
    assert answer.code == "UNAVAILABLE", answer
    assert [w for w in words if w not in answer.message] == [], answer
    return answer


# At the start.


def test_a_wrong_password_is_said_and_mended(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg, pg_dsn=own_pg.dsn(password="wrong-secret"))
    error = unavailable(daemon, "password authentication failed")
    assert "wrong-secret" not in error.message
    assert "wrong-secret" not in daemon.log.text()

    own_pg.sql("ALTER ROLE berthd PASSWORD 'wrong-secret'")
    assert daemon.client().acquire("gw0", wait=30000).state == "held"


def test_a_database_that_does_not_exist_is_said_and_mended(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg, pg_dsn=own_pg.dsn(db="later"))
    unavailable(daemon, "later", "does not exist")
    own_pg.sql(f"CREATE DATABASE later OWNER {DAEMON}")
    lease = daemon.client().acquire("gw0", wait=30000)
    assert lease.state == "held" and lease.dbname == "later"
    daemon.stop()
    own_pg.sql("DROP DATABASE later WITH (FORCE)")


def test_a_server_that_is_not_there_is_said_and_comes(make_daemon, own_pg):
    own_pg.stop()
    daemon = make_daemon(pg=own_pg)
    unavailable(daemon, str(own_pg.dir))
    own_pg.start()
    assert daemon.client().acquire("gw0", wait=30000).state == "held"


def test_a_host_that_has_no_address_is_said(make_daemon, pg):
    daemon = make_daemon(pg_dsn="postgresql://berthd@no-such-host.invalid/app")
    unavailable(daemon, "no-such-host.invalid")


def test_a_redis_that_is_not_there_is_said_and_comes(make_daemon, own_redis):
    own_redis.stop()
    daemon = make_daemon(redis=own_redis)
    unavailable(daemon, "edis")
    assert daemon.client().acquire("gw0", redis="none").state == "held"
    own_redis.start()
    assert daemon.client().acquire("gw1", wait=30000).redis == "acl"


def test_a_wrong_redis_password_is_said(make_daemon, make_redis):
    server = make_redis(password="right")
    daemon = make_daemon(redis=server, redis_url=f"unix://:wrong-secret@{server.socket}")
    error = unavailable(daemon, "edis")
    assert "wrong-secret" not in error.message + daemon.log.text()
    server.change_password("wrong-secret")
    assert daemon.client().acquire("gw0", wait=30000).state == "held"


def test_a_lease_with_wait_is_queued_until_the_server_comes(make_daemon, own_pg):
    own_pg.stop()
    daemon = make_daemon(pg=own_pg)
    client = daemon.client()
    client.send("ACQUIRE", "gw0", "WAIT", "30000")
    other = daemon.client()
    row = eventually(lambda: other.leases())[0]
    assert row.state in ("queued", "building")
    own_pg.start()
    assert as_map(client.read()).state == "held"


def test_when_the_wait_is_over_and_it_is_still_away_that_is_the_answer(make_daemon, own_pg):
    own_pg.stop()
    daemon = make_daemon(pg=own_pg)
    client = daemon.client()
    began = time.monotonic()
    error = error_of(client, "ACQUIRE", "gw0", "WAIT", "500")
    assert error.code == "UNAVAILABLE"
    assert 0.4 < time.monotonic() - began < 3 * SLOW
    own_pg.start()
    assert client.acquire("gw0", wait=30000).state == "held"


# In the middle of it.


class Holder(threading.Thread):
    """Acquires, marks its schema and its Redis DB, looks for marks of others, releases.

    Errors of the servers are what the story is about; finding somebody else's mark is not.
    """

    def __init__(self, daemon, name, until):
        super().__init__()
        self.daemon_, self.name_, self.until = daemon, name, until
        self.client = None
        self.grants = 0
        self.trouble: list[str] = []
        self.overlaps: list[str] = []
        self.codes: set[str] = set()

    def run(self):
        n = 0
        while not self.until.is_set():
            n += 1
            try:
                self.once(f"{self.name_}-{n}")
            except ReplyError as e:
                self.codes.add(e.code)
                time.sleep(0.02)
            except (psycopg.Error, redis.RedisError) as e:
                self.trouble.append(repr(e))
                time.sleep(0.02)
        if self.client:
            self.client.close()

    def once(self, mark):
        if self.client is None:
            self.client = Client(self.daemon_.socket, 60 * SLOW)
        lease = self.client.acquire(self.name_, wait=5000)
        if lease.state != "held":
            return
        try:
            with psycopg.connect(lease.dsn, autocommit=True) as session:
                session.execute("CREATE TABLE mark AS SELECT %s::text AS who", [mark])
                with redis.Redis.from_url(lease.redis_url, decode_responses=True) as kv:
                    if not kv.setnx("who", mark):
                        self.overlaps.append(f"{mark} found {kv.get('who')} in db {lease.redis_db}")
                    for _ in range(3):
                        rows = session.execute("SELECT who FROM mark").fetchall()
                        if rows != [(mark,)]:
                            self.overlaps.append(f"{mark} found {rows} in {lease.schema}")
                        if kv.get("who") not in (mark, None):
                            self.overlaps.append(f"{mark} found {kv.get('who')}")
            self.grants += 1
        except psycopg.errors.DuplicateTable:
            self.overlaps.append(f"{mark} found a table in {lease.schema}")
        finally:
            self.client("RELEASE", lease.lease)


def under_load(daemon, hurt):
    """Runs hurt() while holders come and go; then all must be well again. Returns the holders."""
    until = threading.Event()
    holders = [Holder(daemon, f"w{i}", until) for i in range(4)]
    for holder in holders:
        holder.start()
    try:
        eventually(lambda: all(h.grants > 0 for h in holders), 30)
        for _ in range(3 if LONG else 1):
            hurt()
            before = [h.grants for h in holders]
            eventually(
                lambda before=before: all(h.grants > b for h, b in zip(holders, before)),
                40,
                "everybody is served again",
            )
    finally:
        until.set()
        for holder in holders:
            holder.join(90)
    assert [x for h in holders for x in h.overlaps] == []
    assert set().union(*[h.codes for h in holders]) <= {"UNAVAILABLE", "NOLEASE"}
    assert daemon.running()
    return holders


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "crash"])
def test_postgresql_is_restarted_under_load(make_daemon, own_pg, how):
    daemon = make_daemon(pg=own_pg)
    under_load(daemon, lambda: own_pg.restart(how))


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stop", "crash"])
def test_redis_is_restarted_under_load(make_daemon, own_redis, how):
    daemon = make_daemon(redis=own_redis)
    under_load(daemon, lambda: own_redis.restart(how))


def test_a_backend_killed_by_the_administrator_is_replaced(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg)
    kill = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE usename = 'berthd' AND pid <> pg_backend_pid()"
    )
    under_load(daemon, lambda: own_pg.sql(kill))


def test_postgresql_is_frozen_for_a_while(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg, pool_schemas=1)

    def freeze():
        own_pg.pause()
        try:
            stays(lambda: _answers(daemon), 3)
        finally:
            own_pg.resume()

    under_load(daemon, freeze)


def _answers(daemon) -> bool:
    began = time.monotonic()
    with Client(daemon.socket) as client:
        client("PING")
        client.info()
        client.leases()
    return time.monotonic() - began < 1 * SLOW


def test_redis_is_frozen_for_a_while(make_daemon, own_redis):
    daemon = make_daemon(redis=own_redis, pool_redis=1)

    def freeze():
        own_redis.pause()
        try:
            stays(lambda: _answers(daemon), 2)
        finally:
            own_redis.resume()

    under_load(daemon, freeze)


def test_what_postgresql_will_never_allow_is_an_error_and_not_a_wait(make_daemon, make_pg):
    """berthd's role may not make databases: that does not change by waiting."""
    pg = make_pg(superuser=False)
    pg.sql("ALTER ROLE berthd NOCREATEDB")
    client = make_daemon(pg=pg).client()
    error = error_of(client, "ACQUIRE", "gw0", "KIND", "database", "WAIT", "10000")
    assert error.code == "PGERR" and "permission denied to create database" in error.message
    assert client.acquire("gw1").state == "held"


def test_a_redis_that_refuses_to_write_is_said_and_recovers(make_daemon, own_redis):
    """It became a replica: it answers, but takes nothing."""
    daemon = make_daemon(redis=own_redis, pool_redis=0).ready()
    own_redis.db(0).execute_command("REPLICAOF", "127.0.0.1", "1")
    client = daemon.client()
    names = iter(range(1000))
    error = eventually(lambda: _refused(client, f"late{next(names)}"))
    assert error.code in ("UNAVAILABLE", "REDISERR") and "READONLY" in error.message
    own_redis.db(0).execute_command("REPLICAOF", "NO", "ONE")
    assert client.acquire("gw0", wait=30000).state == "held"


def _refused(client, worker):
    client.send("ACQUIRE", worker, "WAIT", "300")
    answer = client.read_any()
    return answer if isinstance(answer, ReplyError) else None


def test_a_held_lease_survives_a_restart_of_postgresql(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg)
    client = daemon.client()
    lease = client.acquire("gw0")
    daemon.sql(lease).execute("CREATE TABLE t AS SELECT 42 AS a")

    own_pg.restart()

    assert client.lease(lease.lease).state == "held"
    assert daemon.sql(lease).execute("SELECT a FROM t").fetchone() == (42,)
    stays(lambda: client.lease(lease.lease).state == "held", 1)
    assert client.acquire("gw1", wait=30000).schema != lease.schema
    assert client("RELEASE", lease.lease) == "OK"
    eventually(lambda: not own_pg.schema_exists(lease.schema), 20)


def test_who_dies_while_postgresql_is_away_is_cleared_when_it_is_back(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg)
    client = daemon.client()
    lease = client.acquire("gw0")
    own_pg.stop()
    client.close()
    eventually(lambda: daemon.client().leases() == [])
    own_pg.start()
    eventually(
        lambda: not own_pg.schema_exists(lease.schema) and not own_pg.role_exists(lease.role), 30
    )


def test_who_dies_while_redis_is_away_is_cleared_when_it_is_back(make_daemon, make_redis):
    """This Redis keeps its data over the pause: it is frozen, not restarted."""
    server = make_redis()
    daemon = make_daemon(redis=server)
    client = daemon.client()
    lease = client.acquire("gw0")
    daemon.kv(lease).set("k", "v")
    server.pause()
    client.close()
    eventually(lambda: daemon.client().leases() == [])
    server.resume()
    eventually(
        lambda: server.db(lease.redis_db).dbsize() == 0 and lease.redis_user not in server.users(),
        20,
    )


def test_leases_after_a_restart_of_redis_are_honest(make_daemon, own_redis):
    """Redis came back empty. Nobody may get a database that a holder still has."""
    daemon = make_daemon(redis=own_redis)
    client = daemon.client()
    old = [client.acquire(f"old{i}") for i in range(4)]

    own_redis.restart()

    new = [client.acquire(f"new{i}", wait=30000) for i in range(4)]
    still = {
        x.redis_db for x in client.leases() if x.worker.startswith("old") and x.state == "held"
    }
    assert still.isdisjoint({x.redis_db for x in new})
    for lease in new:
        daemon.kv(lease).set("who", lease.worker)
    for lease in new:
        assert daemon.kv(lease).get("who") == lease.worker
    assert len(old) == 4


def test_the_daemon_can_be_stopped_while_postgresql_is_away(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg, drain_ms=1500)
    client = daemon.client()
    client.acquire("gw0")
    own_pg.stop()
    began = time.monotonic()
    daemon.process.terminate()
    daemon.process.wait(20 * SLOW)
    assert time.monotonic() - began < 8 * SLOW
    assert daemon.process.returncode >= 0
    daemon.expected_exit = daemon.process.returncode
    journal = daemon.socket.with_name("b.sock.journal")
    assert journal.exists(), "the next berthd on this socket is to drop what is left"
    journal.unlink()
    own_pg.start()
    own_pg.scrub()


@pytest.mark.berthd(pool_schemas=0)
def test_a_slow_drop_does_not_hold_up_acquire(daemon):
    """Every drop worker is blocked behind somebody's lock; new slots are built all the same."""
    client = daemon.client()
    leases = [client.acquire(f"gw{i}") for i in range(3)]
    with daemon.pg.connect() as reader:
        for lease in leases:
            daemon.sql(lease).execute("CREATE TABLE t (a int)")
        reader.execute("BEGIN")
        for lease in leases:
            reader.execute(f"SELECT * FROM {lease.schema}.t")
        for lease in leases:
            client("RELEASE", lease.lease)
        for i in range(4):
            assert client.acquire(f"new{i}", wait=10000).state == "held"
        reader.execute("ROLLBACK")
