# SPDX-License-Identifier: MIT
"""The harness itself: a test that cannot fail is a defect, so its own parts are shown to notice."""

import subprocess
import sys
import time

import pytest

from harness import eventually, headers, places
from harness.daemon import left
from harness.log import Log, parse_line
from harness.resp import Client, Map, ReplyError, as_map
from harness.wait import stays


def test_the_client_speaks_resp2_and_resp3_with_a_real_redis(redis_server):
    with Client(redis_server.socket) as client:
        assert client("PING") == "PONG"
        assert client("SET", "harness", "ä\r\n") == "OK"
        assert client("GET", "harness") == "ä\r\n"
        assert client("GET", "no") is None and client.raw == b"$-1\r\n"
        with pytest.raises(ReplyError, match="ERR") as e:
            client("NOSUCH")
        assert e.value.code == "ERR"
        assert isinstance(client("HELLO", 3), Map)
        assert client("GET", "no") is None and client.raw == b"_\r\n"
        assert client("DEL", "harness") == 1
        assert as_map(client("CONFIG", "GET", "databases")) == {"databases": "64"}
        client.send("QUIT")
        assert client.read() == "OK"
        assert client.at_eof()


def test_eventually_and_stays_notice_what_is_not_so():
    with pytest.raises(AssertionError, match="not within"):
        eventually(lambda: False, 0.05)
    seen = []
    assert eventually(lambda: seen.append(1) or len(seen) == 3)
    with pytest.raises(AssertionError, match="did not stay"):
        stays(lambda: len(seen) < 5 and not seen.append(1), 5)


@pytest.mark.parametrize(
    "line, wanted",
    [
        ("lease.open level=info lease=a-1 took_us=3", {"event": "lease.open", "took_us": "3"}),
        ('x level=warn why="a \\"b\\" = c\\n" k=', {"why": 'a "b" = c\n', "k": ""}),
    ],
)
def test_log_lines_are_understood(line, wanted):
    assert wanted.items() <= parse_line(line).items()


def test_lines_that_are_no_log_are_noticed(tmp_path):
    (tmp_path / "log").write_text(
        "a level=info\n==1==ERROR: AddressSanitizer: x\nb level=info k=v w\n"
    )
    assert len(Log(tmp_path / "log").strays()) == 2
    assert Log(tmp_path / "log").has(event="a")


def test_what_is_left_in_postgresql_is_noticed(own_pg):
    pg = own_pg
    pg.sql("CREATE ROLE test_left LOGIN PASSWORD 'pw'")
    pg.sql("CREATE SCHEMA test_left AUTHORIZATION test_left")
    pg.sql("CREATE DATABASE test_left OWNER test_left")
    pg.sql("CREATE SCHEMA berth CREATE TABLE lease (a int)")
    pg.sql("INSERT INTO berth.lease VALUES (1)")
    session = pg.connect(pg.dsn("test_left", password="pw"))
    session.execute("SELECT lo_create(0)")
    pg.sql("CREATE ROLE test_gone LOGIN PASSWORD 'pw'")
    ghost = pg.connect(pg.dsn("test_gone", password="pw"))
    pg.sql("DROP ROLE test_gone")
    try:
        found = left(pg, None, 0)
        assert sorted(x.split()[0] for x in found) == sorted(
            ["schema", "role", "database", "large", "berth.lease", "session", "session"]
        ), found
    finally:
        session.close(), ghost.close()
        pg.scrub()
    assert left(pg, None) == []


def test_what_is_left_in_redis_is_noticed(redis_server):
    redis_server.db(3).set("k", "v")
    redis_server.db(redis_server.meta_db).hset("claims", "3", "x")
    redis_server.db(0).acl_setuser("berth_left", enabled=True)
    assert len(left(None, redis_server, 0)) == 3
    redis_server.scrub()
    assert left(None, redis_server, 0) == []


def test_the_tables_of_proto_are_read_whole():
    verbs = (places.REPO / "proto" / "verbs.h").read_text()
    assert len(headers.verbs()) == verbs.count("\tX(")
    assert len(headers.errors()) == (places.REPO / "proto" / "errors.h").read_text().count("\tX(")
    assert len(headers.limits()) == (places.REPO / "proto" / "limits.h").read_text().count("\tX(")


def test_servers_die_with_a_killed_test_process():
    code = """
import os, sys
from harness import places
from harness.pg_server import PgServer
from harness.redis_server import RedisServer
pg, kv = PgServer(), RedisServer()
print(pg.process.pid, kv.process.pid, places.root(), flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=places.TESTS, capture_output=True, text=True, timeout=60
    )
    pg, kv, root = done.stdout.split()
    from harness.process import alive

    eventually(lambda: not alive(int(pg)) and not alive(int(kv)))
    eventually(lambda: not __import__("os").path.exists(root))


def test_private_servers_start_quickly(make_pg, make_redis, pg):
    """A story may have servers of its own without anybody noticing the time."""
    began = time.monotonic()
    make_pg(), make_redis()
    assert time.monotonic() - began < 15
