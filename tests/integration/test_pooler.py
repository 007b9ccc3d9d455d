# SPDX-License-Identifier: MIT
"""Workers behind PgBouncer in transaction mode: what docs/connections.md says of it is so. BERTH_TEST_LONG=1."""

import re
import shutil
import socket

import psycopg
import pytest

from harness import eventually, places, process
from harness.pg_server import DAEMON_PASSWORD, PgServer
from harness.resp import ReplyError, as_map
from harness.wait import LONG
from templates.house import ask, run_sql, seal

pytestmark = [
    pytest.mark.skipif(not LONG, reason="BERTH_TEST_LONG=1"),
    pytest.mark.skipif(not shutil.which("pgbouncer"), reason="no pgbouncer"),
]

def settings(pg: PgServer, port: int) -> str:
    """PgBouncer's, as the page has them, with the places of this test."""
    page = (places.REPO / "docs" / "connections.md").read_text()
    (ini,) = (b for b in re.findall(r"```ini\n(.*?)```", page, re.S) if "[pgbouncer]" in b)
    ini = ini.replace("host=db.example port=5432", f"host={pg.dir} port={pg.port}")
    ini = ini.replace("auth_user=pgbouncer", "auth_user=postgres").replace("0.0.0.0", "127.0.0.1")
    return ini.replace("= 6432", f"= {port}") + "unix_socket_dir =\n"


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return False
    return True


@pytest.fixture(scope="module")
def pooled():
    """(PostgreSQL, the port of a PgBouncer in front of it)"""
    pg = PgServer()
    port = process.free_port()
    path = places.new_dir("pgbouncer")
    path.chmod(0o777)
    (path / "ini").write_text(settings(pg, port))
    with (path / "log").open("wb") as log:
        pooler = process.spawn(["pgbouncer", path / "ini"], user="postgres", stderr=log, stdout=log)
    eventually(lambda: listens(port), 30)
    yield pg, port
    process.stop(pooler)
    pg.close()


@pytest.fixture
def daemon(make_daemon, pooled):
    pg, port = pooled
    return make_daemon(pg=pg, redis=None, lease_host="127.0.0.1", lease_port=port).ready()


def test_a_lease_is_found_through_the_pooler(daemon, pooled):
    pg, port = pooled
    client = daemon.client()
    lease = client.acquire("gw0")
    assert (lease.host, lease.port) == ("127.0.0.1", port)
    assert f"@127.0.0.1:{port}/" in lease.dsn
    session = daemon.sql(lease)
    session.prepare_threshold = None
    session.execute("CREATE TABLE t (a int)")
    where = session.execute("SELECT current_schema(), pg_backend_pid() <> %s", [session.info.backend_pid])
    assert where.fetchone() == (lease.schema, True), "this is no pooler"


def test_reset_is_exact_while_the_pooler_keeps_its_sessions(daemon):
    client = daemon.client()
    builder = ask(client, "pooled")
    run_sql(builder.dsn, "CREATE TABLE t AS SELECT 1 AS a")
    seal(client, builder)
    lease = ask(client, "pooled")
    session = daemon.sql(lease)
    session.prepare_threshold = None
    for _ in range(3):
        session.execute("INSERT INTO t VALUES (2)")
        assert as_map(client("RESET", lease.lease)).rebuilt == 0
        assert session.execute("SELECT a FROM t").fetchall() == [(1,)]


def test_an_ended_lease_cannot_be_used_through_sessions_of_the_pooler(daemon, pooled):
    pg, _ = pooled
    client = daemon.client()
    for kind in "schema", "database":
        lease = client.acquire("gw0", kind=kind, wait=30000)
        session = daemon.sql(lease)
        session.execute("SELECT 1")
        client("RELEASE", lease.lease)
        eventually(lambda: pg.sessions(lease.role) == 0, 20)
        with pytest.raises(psycopg.Error):
            session.execute("SELECT 1")


def test_many_clients_share_few_sessions(daemon, pooled):
    pg, _ = pooled
    lease = daemon.client().acquire("gw0")
    sessions = [daemon.sql(lease) for _ in range(100)]  # its role may have 64
    assert {s.execute("SELECT current_schema()").fetchone()[0] for s in sessions} == {lease.schema}
    assert pg.sessions(lease.role) < 10


def test_berthd_itself_refuses_to_go_through_it(make_daemon, pooled):
    pg, port = pooled
    dsn = f"postgresql://berthd:{DAEMON_PASSWORD}@127.0.0.1:{port}/app"
    daemon = make_daemon(pg=pg, redis=None, pg_dsn=dsn)
    with pytest.raises(ReplyError) as e:
        daemon.client()("ACQUIRE", "gw0", "WAIT", "1000")
    assert e.value.code == "UNAVAILABLE"
    assert "pooler" in str(e.value) and "lease_host" in str(e.value)
