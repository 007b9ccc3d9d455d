# SPDX-License-Identifier: MIT
"""What is to be seen of a test that failed or left something: --berth-keep, leaks, --berth-report."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import xml.etree.ElementTree as xml

import psycopg
import pytest

from fake_berthd import Refusal

#: It fails with rows and keys, tidies up behind each test and at the end, and leaves a few things.
SUITE = """
    import os
    import psycopg, pytest, redis

    @pytest.fixture(scope="session")
    def shop(berth_lease):
        connection = psycopg.connect(berth_lease.dsn, autocommit=True)
        connection.execute("CREATE TABLE orders AS SELECT 1 AS n")
        yield connection
        connection.execute("DROP TABLE orders")
        connection.close()

    @pytest.fixture
    def cache():
        with redis.Redis.from_url(os.environ["REDIS_URL"]) as cache:
            yield cache
            cache.flushdb()

    def test_passes(shop): pass

    def test_fails(shop, cache):
        shop.execute("INSERT INTO orders VALUES (2)")
        cache.hset("basket", b"\\xff\\x00", 3)
        cache.set("price", 4, ex=1000)
        assert not "a failure"

    def test_comes_after_it(shop, cache):
        assert shop.execute("SELECT count(*) FROM orders").fetchone() == (1,)
        assert cache.keys() == []

    def test_leaves_something(shop, berth_lease):
        shop.execute("SELECT lo_create(4711)")
        pytest.other = psycopg.connect(berth_lease.dsn)
        pytest.other.execute("SELECT pg_advisory_lock(7)")
"""


@pytest.fixture
def suite(project, daemon):
    project.env["BERTH_SOCKET"] = str(daemon.socket)
    project.options.append("--berth")
    project.write("test_shop.py", SUITE)
    return project


def section(out: str) -> str:
    return re.split(r"^-+ berth -+$", out, flags=re.MULTILINE)[1]


def test_a_failure_is_kept_and_all_is_reported(suite, daemon):
    result = suite.run(
        "-n1", "-oberth_reset=test", "--berth-keep=5m", "--berth-report=r.json", "--junitxml=j.xml"
    )

    assert result.counts() == {"passed": 3, "failed": 1}, result.both
    shown = section(result.out)
    assert re.search(r"^  orders  1 -> 2 rows, 1 written$", shown, re.MULTILINE)
    psql = shlex.split(re.search(r"^  (psql .*)$", shown, re.MULTILINE)[1])
    with psycopg.connect(psql[1]) as kept:
        assert kept.execute("SELECT n FROM orders ORDER BY n").fetchall() == [(1,), (2,)]
    redis_cli = re.search(r"^  (redis-cli .*)    \(2 keys\)$", shown, re.MULTILINE)[1]
    found = subprocess.check_output([*shlex.split(redis_cli), "HGETALL", "basket"])
    assert found == b"\xff\x00\n3\n"
    release = re.search(r"\(or (berth .* release (\S+))\)", shown)
    assert 0 < as_lease(daemon, release[2]).expires_ms <= 300_000

    by = "berth: left outside of its lease by test_shop.py::test_leaves_something: "
    for left in ("large object 4711", "the advisory lock 7", "a session that is idle in trans"):
        assert by + left in result.out
    assert "1 state kept" in result.out and "3 leaks" in result.out

    report = json.loads((suite.path / "r.json").read_text())
    tests = {test["test"].partition("::")[2]: test for test in report["tests"]}
    assert [t["outcome"] for t in tests.values()] == ["passed", "failed", "passed", "passed"]
    assert {t["worker"] for t in tests.values()} == {"gw0"}
    assert tests["test_comes_after_it"]["reset_rows"] > 0
    assert "reset_ms" not in tests["test_passes"]
    assert "large object 4711" in tests["test_leaves_something"]["leaks"]
    assert len(report["leaks"]) == 3 and report["kept"][0]["lease"] == release[2]
    assert report["leases"][0]["worker"] == "gw0"
    case = xml.parse(suite.path / "j.xml").find(".//testcase[@name='test_comes_after_it']")
    assert {p.get("name") for p in case.iter("property")} >= {"berth_reset_ms", "berth_reset_rows"}


def as_lease(daemon, lease):
    client = daemon.client()
    (row,) = [row for row in client.leases() if row.lease == lease]
    client("RELEASE", lease)
    return row


def test_without_being_asked_it_looks_once_at_the_end_and_keeps_nothing(suite, daemon):
    result = suite.run("-k", "fails or leaves")

    assert result.counts() == {"passed": 1, "failed": 1, "deselected": 2}
    assert re.search(r"left outside of its lease by master: large object 4711", result.out)
    assert "with -o berth_leaks=test this names the test" in result.out
    assert "kept" not in result.out and daemon.client().leases() == []
    assert "left" not in suite.run("-k", "leaves", "-oberth_leaks=never").out


def test_what_cannot_be_kept_is_told(project, fake):
    def refuse(args):
        raise Refusal("LIMIT all 15 Redis databases are leased")

    def acquire(args):
        return refuse(args) if "kept" in args[0] else fake._acquire(args, None)

    fake.on["ACQUIRE"] = acquire
    fake.on["DIFF"] = lambda args: []
    project.write("test_one.py", "def test_one(): assert 0\n")

    shown = section(project.run("--berth-keep").out)

    assert "does not differ from an empty schema" in shown
    assert "Not kept: all 15 Redis databases are leased" in shown


@pytest.mark.parametrize(
    "options, says",
    [
        (["--berth-keep", "test_one.py"], "does test_one.py belong to --berth-keep?"),
        (["--berth-report", "test_one.py"], "Write --berth-report=test_one.py, or put"),
        (["--berth-keep=soon"], "it is a duration such as 90s, 10m or 2h"),
    ],
)
def test_an_option_does_not_swallow_a_path(project, fake, options, says):
    project.write("test_one.py", "def test_one(): pass\n")
    result = project.run(*options)

    assert result.status == 4 and says in result.err
    assert "ACQUIRE" not in fake.verbs()
    assert (project.path / "test_one.py").read_text() == "def test_one(): pass\n"
