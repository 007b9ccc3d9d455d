# SPDX-License-Identifier: MIT
"""Metrics and the status page: what they tell is true, and nobody who asks can hurt berthd."""

from __future__ import annotations

import http.client
import json
import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from harness import eventually, headers, places
from harness.daemon import Daemon
from harness.resp import Map
from harness.wait import SLOW
from prometheus_client import parser

VISITS = 8


class Web:
    """A berthd that several tests share, and what it says over HTTP."""

    def __init__(self, pg, redis_server):
        self.daemon = Daemon(pg, redis_server, metrics="127.0.0.1:0").start().ready()
        with self.daemon.client() as client:
            self.host, _, port = client.info()["metrics"].rpartition(":")
        self.port = int(port)

    def connect(self) -> socket.socket:
        return socket.create_connection((self.host, self.port), timeout=30 * SLOW)

    def ask(self, method: str, path: str, **head) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=30 * SLOW)
        connection.request(method, path, headers={k.title(): v for k, v in head.items()})
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, body

    def say(self, raw: bytes) -> bytes:
        """Everything that is answered to these bytes."""
        with self.connect() as one:
            one.sendall(raw)
            return b"".join(iter(lambda: one.recv(65536), b""))

    def families(self) -> dict[str, parser.Metric]:
        status, head, body = self.ask("GET", "/metrics")
        assert (status, head["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        return {f.name: f for f in parser.text_string_to_metric_families(body)}

    def value(self, name: str, **labels) -> float:
        family = self.families()[re.sub(r"_(total|count|sum|bucket)$", "", name)]
        found = [s.value for s in family.samples if s.name == name and s.labels == labels]
        assert len(found) == 1, f"{name} {labels}: {found}"
        return found[0]

    def status(self) -> Map:
        return Map(json.loads(self.ask("GET", "/status.json")[2]))


@pytest.fixture(scope="module")
def web(pg, redis_server) -> Iterator[Web]:
    one = Web(pg, redis_server)
    yield one
    assert one.daemon.finish() + [str(p) for p in one.daemon.files()] == []


@pytest.fixture(autouse=True)
def nobody_holds_anything(web):
    yield
    web.daemon.hang_up()


# What is told.


def test_the_text_is_as_strict_readers_want_it(web):
    """promtool's rules: HELP and TYPE once and first, counters end in _total, units are seconds."""
    body = web.ask("GET", "/metrics")[2]
    assert body.endswith("\n") and "\t" not in body
    seen: list[str] = []
    for line in body.splitlines():
        if match := re.match(r"# (HELP|TYPE) (berth_[a-z0-9_]+) (\S.*)$", line):
            assert match[1] == "HELP" or match[2] == seen[-1]
            assert match[1] == "TYPE" or match[2] not in seen, f"{match[2]} comes twice"
            seen += [match[2]] if match[1] == "HELP" else []
        else:
            assert re.match(r'berth_[a-z0-9_]+(\{(\w+="[^"\\]*",?)+\})? [-0-9.e+]+$', line), line
            assert line.startswith(seen[-1]), f"{line} is not of {seen[-1]}"
    families = web.families()
    assert {f.type for f in families.values()} == {"counter", "gauge", "histogram"}
    assert all(f.documentation and not f.documentation.endswith(".") for f in families.values())
    for family in families.values():
        names = {s.name for s in family.samples}
        if family.type == "counter":
            assert names == {family.name + "_total"}
        if family.type == "histogram":
            assert family.name.endswith("_seconds")
            buckets = [s for s in family.samples if s.name.endswith("_bucket")]
            counts = [b.value for b in buckets]
            assert counts == sorted(counts) and buckets[-1].labels == {"le": "+Inf"}
            assert web.value(family.name + "_count") >= counts[-1]


def test_every_verb_and_code_has_its_counter(web):
    families = web.families()
    assert {s.labels["verb"] for s in families["berth_requests"].samples} == set(headers.verbs())
    assert {s.labels["code"] for s in families["berth_errors"].samples} == set(headers.errors())


def test_what_happens_is_counted(web):
    client = web.daemon.client()
    before = web.families()
    lease = client.acquire("gw0", run="counted")
    client("RESET", lease.lease)
    client.send("LEASE", "nobody/gw9")
    client.read_any()

    def rose(name: str, by: float = 1, **labels) -> bool:
        family = before[re.sub(r"_(total|count)$", "", name)]
        was = next(s.value for s in family.samples if s.name == name and s.labels == labels)
        return web.value(name, **labels) == was + by

    assert web.value("berth_leases_held") == 1 and web.value("berth_redis_up") == 1
    assert rose("berth_grants_total") and rose("berth_lease_wait_seconds_count")
    assert rose("berth_reset_seconds_count") and rose("berth_requests_total", verb="RESET")
    assert rose("berth_errors_total", code="NOLEASE")
    assert web.value("berth_slots", kind="schema", state="held") == 1
    client("RELEASE", lease.lease)
    assert rose("berth_lease_ends_total", why="released")
    assert rose("berth_lease_held_seconds_count")
    eventually(lambda: web.value("berth_slots", kind="schema", state="free") >= 2, 30)


def test_info_tells_the_same(web):
    client = web.daemon.client()
    lease = client.acquire("gw0", run="told")
    client("RESET", lease.lease)
    info = client.info()
    assert int(info["lease_wait_count"]) == web.value("berth_lease_wait_seconds_count")
    assert int(info["budget_redis_limit"]) == web.value("berth_budget_limit", budget="redis") == 62
    assert 0 < int(info["reset_p50_us"]) <= int(info["reset_most_us"])
    words = dict(word.split("=", 1) for word in info["slowest_1"].split())
    assert words.keys() == {"us", "slot", "worker", "tables", "rebuilt", "age_ms"}


# The page and what feeds it.


def test_the_page_is_whole_in_itself(web):
    status, head, body = web.ask("GET", "/")
    assert (status, head["content-type"]) == (200, "text/html; charset=utf-8")
    assert body == (places.REPO / "daemon/page/status.html").read_text()
    assert re.findall(r"(?:src|href)=|https?://(?!www\.w3\.org/2000/svg)|innerHTML", body) == []
    assert "default-src 'none'" in head["content-security-policy"]


def test_the_state_is_there_without_secrets(web):
    client = web.daemon.client()
    lease = client.acquire("gw0", run="<b>run</b>", label=b"caf\xe9")  # any bytes
    status = web.status()
    row = next(row for row in status.leases if row["lease"] == lease.lease)
    assert (row["run"], row["label"], row["schema"]) == ("<b>run</b>", "caf?", lease.schema)
    assert status.postgresql["up"] and status.redis["up"] and status.held == 1
    assert lease.password not in json.dumps(status)
    used = set(re.findall(r"\bs\.(\w+)", (places.REPO / "daemon/page/status.html").read_text()))
    assert used <= status.keys()


# Who asks, and how.


@pytest.mark.parametrize(
    "method, path, head, status",
    [
        ("GET", "/nothing", {}, 404),
        ("POST", "/metrics", {}, 405),
        ("GET", "/metrics?x=1", {}, 200),
        ("HEAD", "/metrics", {}, 200),
        ("GET", "/metrics", {"host": "localhost:1"}, 200),
        ("GET", "/metrics", {"host": "[::1]"}, 200),
        ("GET", "/metrics", {"host": "evil.example"}, 403),
        ("GET", "/metrics", {"host": "127.0.0.1.evil.example:80"}, 403),
        ("GET", "/metrics", {"cookie": "x" * 5000}, 431),
    ],
)
def test_requests_are_answered_as_they_deserve(web, method, path, head, status):
    got, _, body = web.ask(method, path, **head)
    assert got == status and bool(body) == (method != "HEAD")


@pytest.mark.parametrize("raw", [b"\r\n\r\n", b"hello\r\n\r\n", b"GET / SPDY\r\n\r\n", b"\0" * 5000])
def test_what_is_no_request_is_refused(web, raw):
    assert re.match(rb"HTTP/1\.1 4(00|31) ", web.say(raw))


def test_one_who_says_nothing_is_hung_up_on_and_others_wait_no_longer(web):
    """All places are taken by the silent: the next one waits for the first of them to be sent off."""
    with ExitStack() as silent:
        held = [silent.enter_context(web.connect()) for _ in range(VISITS + 2)]
        client = web.daemon.client()
        assert client("PING") == "PONG"
        assert web.ask("GET", "/metrics")[0] == 200
        assert held[0].recv(1) == b""


@pytest.mark.parametrize(
    "where", ["0.0.0.0:9187", "10.1.2.3:80", "[::]:80", "berth.example:80", "127.0.0.1", ":80", "x"]
)
def test_nowhere_but_here(where):
    argv = [places.BERTHD, "--check", "--metrics", where]
    done = subprocess.run(argv, capture_output=True, text=True, env={"BERTH_CONFIG": "/dev/null"})
    assert done.returncode == 2 and "metrics must be a loopback address" in done.stderr


NO_SERVERS = {"pg": None, "redis": None, "pg_dsn": "host=/nonexistent"}


def test_a_socket_serves_too_and_is_gone_afterwards(make_daemon):
    directory = places.new_dir("web")
    path = directory / "m.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))  # as a berthd that was killed leaves it
    daemon = make_daemon(metrics=path, **NO_SERVERS)
    assert path.stat().st_mode & 0o777 == 0o660
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        one.sendall(b"GET /metrics HTTP/1.1\r\nHost: whatever\r\n\r\n")
        said = b"".join(iter(lambda: one.recv(65536), b""))
    assert said.startswith(b"HTTP/1.1 200 OK\r\n") and b"berth_leases_held 0\n" in said
    daemon.stop()
    assert not path.exists()


def test_a_port_that_is_taken_is_told(make_daemon):
    with socket.create_server(("127.0.0.1", 0)) as other:
        where = f"127.0.0.1:{other.getsockname()[1]}"
        daemon = make_daemon(start=False, metrics=where, **NO_SERVERS)
        daemon.expected_exit = 1
        assert daemon.spawn().wait(30 * SLOW) == 1
    assert "Address already in use" in daemon.log.path.read_text()
    assert not daemon.socket.exists()


# What stands in docs/.


@pytest.mark.parametrize("name", ["berth-alerts.yml", "berth-dashboard.json", "../monitoring.md"])
def test_examples_name_metrics_that_there_are(web, name):
    text = (places.REPO / "docs" / "monitoring" / name).read_text()
    known = {s.name for f in web.families().values() for s in f.samples}
    named = set(re.findall(r"\bberth_[a-z0-9_]+(?=[\[{)\s])", text))
    assert named <= known and (named or name.endswith(".md"))
    if name.endswith(".json"):
        dashboard = json.loads(text)
        expressions = [t["expr"] for p in dashboard["panels"] for t in p["targets"]]
        assert len(expressions) >= 12 and all("berth_" in e for e in expressions)
        assert all(p["datasource"]["uid"] == "${datasource}" for p in dashboard["panels"])


def test_the_manual_knows_every_section_of_info(web):
    page = (places.REPO / "docs" / "berth-protocol.7").read_text()
    listed = page[page.index(".It Ic INFO") : page.index(".It Ic CONFIG")]
    for section in re.findall(r"^# (\w+)", web.daemon.client()("INFO"), re.M):
        assert re.search(rf"^\.Cm (?:\w+ , )*{section.lower()}\b", listed, re.M), section
