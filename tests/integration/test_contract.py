# SPDX-License-Identifier: MIT
"""The tables are the contract: every verb, code and limit is used, provoked and documented."""

import re
import shutil
import subprocess

import pytest

from harness import headers, places
from harness.resp import ReplyError, as_map

PAGE = places.REPO / "docs" / "berth-protocol.7"

# Codes of what is not built yet; each goes from here when its first verb comes.
LATER: set[str] = set()


def code_of(client, *words) -> str:
    client.send(*words)
    answer = client.read_any()
    assert isinstance(answer, ReplyError), f"{words}: {answer!r}"
    return answer.code


# One way to provoke each code: (make_daemon, make_pg, make_redis) → the code.


def err(make_daemon, **_):
    return code_of(make_daemon().client(), "NOSUCHVERB")


def usage(make_daemon, **_):
    return code_of(make_daemon().client(), "ACQUIRE", "gw0", "KIND", "nonsense")


def nolease(make_daemon, **_):
    return code_of(make_daemon().client(), "LEASE", "nobody/gw0")


def stale(make_daemon, **_):
    client = make_daemon().client()
    lease = client.acquire("gw0")
    return code_of(client, "ATTACH", lease.lease, lease.fence + 1)


def busy(make_daemon, make_redis, **_):
    """A lease that still waits cannot be pinned: there is no state to keep."""
    client = make_daemon(redis=make_redis(databases=3)).client()
    client.acquire("gw0")
    waiting = client.acquire("gw1", wait=200)
    assert waiting.state == "queued"
    return code_of(client, "RELEASE", waiting.lease, "KEEP", "1000")


def inuse(make_daemon, **_):
    client = make_daemon().client()
    client.acquire("gw0", name="test_taken")
    return code_of(client, "ACQUIRE", "gw1", "NAME", "test_taken", "WAIT", "5000")


def denied(make_daemon, **_):
    daemon = make_daemon()
    lease = daemon.client().acquire("gw0")
    return code_of(daemon.client_of(65534), "RELEASE", lease.lease)


def limit(make_daemon, **_):
    return code_of(make_daemon().client(), "ACQUIRE", "gw0", "TTL", "0")


def unavailable(make_daemon, **_):
    daemon = make_daemon(pg_dsn="postgresql://nobody@/x?host=/nonexistent")
    return code_of(daemon.client(), "ACQUIRE", "gw0", "WAIT", "100")


def timeout(make_daemon, **_):
    """Somebody has the lock under which enums are made."""
    daemon = make_daemon(enum_wait_ms=100).ready()
    with daemon.pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(12345)")
        return code_of(daemon.client(), "ENUM", "ENSURE", "mood", "sad")


def pgerr(make_daemon, make_pg, **_):
    """berthd's role may make roles but no databases."""
    pg = make_pg(superuser=False)
    pg.sql("ALTER ROLE berthd NOCREATEDB")
    client = make_daemon(pg=pg).client()
    words = ("KIND", "database", "NAME", "test_refused", "WAIT", "10000")
    return code_of(client, "ACQUIRE", "gw0", *words)


def drift(make_daemon, make_pg, **_):
    """A PostgreSQL of its own: a shared type is nobody's to remove afterwards."""
    client = make_daemon(pg=make_pg()).ready().client()
    assert client("ENUM", "ENSURE", "mood", "sad", "ok") == "created"
    assert client("ENUM", "ENSURE", "mood", "sad", "ok") == "exists"
    return code_of(client, "ENUM", "ENSURE", "mood", "sad", "happy")


def rediserr(make_daemon, make_redis, **_):
    """This Redis does not let berthd make users."""
    daemon = make_daemon(redis=make_redis(acl=False)).ready()
    return code_of(daemon.client(), "ACQUIRE", "gw0", "REDIS", "acl", "WAIT", "10000")


def notemplate(make_daemon, **_):
    return code_of(make_daemon().ready().client(), "TEMPLATE", "DROP", "nosuch")


def buildfailed(make_daemon, **_):
    """Who waits for a builder is told why it gave up."""
    daemon = make_daemon().ready()
    builder, other = daemon.client(), daemon.client()
    lease = builder.acquire("gw0", template="never-built")
    assert lease.state == "building"
    other("ACQUIRE", "gw1", "TEMPLATE", "never-built")
    builder("TEMPLATE", "ABORT", lease.lease, "no such column")
    return code_of(other, "LEASE", "default/gw1", "WAIT", "10000")


PROVOKED = {
    "ERR": err,
    "USAGE": usage,
    "NOLEASE": nolease,
    "STALE": stale,
    "BUSY": busy,
    "INUSE": inuse,
    "DENIED": pytest.param(denied, marks=pytest.mark.root),
    "LIMIT": limit,
    "UNAVAILABLE": unavailable,
    "TIMEOUT": timeout,
    "PGERR": pgerr,
    "REDISERR": rediserr,
    "DRIFT": drift,
    "NOTEMPLATE": notemplate,
    "BUILDFAILED": buildfailed,
}


def test_every_code_is_provoked_or_belongs_to_later():
    assert set(PROVOKED) | LATER == set(headers.errors())
    assert not set(PROVOKED) & LATER


@pytest.mark.parametrize(
    "code, provoke",
    [
        pytest.param(
            code,
            *(p.values if hasattr(p, "values") else [p]),
            marks=getattr(p, "marks", ()),
            id=code,
        )
        for code, p in PROVOKED.items()
    ],
)
def test_the_code_is_raised(make_daemon, make_pg, make_redis, code, provoke):
    assert provoke(make_daemon=make_daemon, make_pg=make_pg, make_redis=make_redis) == code


def test_every_verb_has_a_scenario_of_its_own():
    """Beyond the one-shot line in test_handshake: some test says it on a connection of its own."""
    spoken = set()
    for path in (places.TESTS / "integration").rglob("test_*.py"):
        source = re.sub(r"^ONE_SHOT = \{.*?^\}", "", path.read_text(), flags=re.M | re.S)
        spoken |= set(re.findall(r"[(]\s*(?:client, )?\"([A-Z]+)\"", source))
    spoken |= {"ACQUIRE", "LEASE", "LEASES", "INFO"}  # the client's own methods
    assert set(headers.verbs()) - spoken == set()


def test_the_gate_lets_one_run_and_tells_the_others(make_daemon, make_pg):
    daemon = make_daemon(pg=make_pg()).ready()
    one, two = daemon.client(), daemon.client()
    mine = as_map(one("ONCE", "ENTER", "migrate"))
    assert mine.state == "run"
    assert as_map(two("ONCE", "ENTER", "migrate")).state == "wait"
    two.send("ONCE", "ENTER", "migrate", "WAIT", "20000")
    assert one("ONCE", "DONE", "migrate", mine.fence) == "OK"
    assert as_map(two.read()).state == "done"


def test_no_code_begins_with_a_word_on_which_clients_act():
    acted_on = "LOADING|READONLY|TRYAGAIN|MOVED|ASK|NOAUTH|MASTERDOWN|CLUSTERDOWN"
    assert [c for c in headers.errors() if re.match(acted_on, c)] == []


# The manual page.


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text()


def test_the_protocol_page_is_good_mdoc():
    if not shutil.which("mandoc"):
        pytest.skip("no mandoc here")
    argv = ["mandoc", "-T", "lint", "-W", "warning", PAGE]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert [x for x in (done.stdout + done.stderr).splitlines() if str(PAGE) in x] == []


@pytest.mark.parametrize("verb", headers.verbs())
def test_the_page_has_each_verb(page, verb):
    assert re.search(rf"^\.It (?:Ic|Cm) {verb}\b", page, re.M), f"no item for {verb}"


@pytest.mark.parametrize("code", headers.errors())
def test_the_page_has_each_code_with_its_exit_status(page, code):
    exit_status, retry = headers.errors()[code]
    row = re.search(rf"^\.It (?:Er|Li|Cm|Sy) {code} Ta (\d+) Ta (yes|no)", page, re.M)
    assert row, f"no row for {code}"
    assert row.groups() == (str(exit_status), "yes" if retry else "no")


@pytest.mark.parametrize("limit", headers.limits())
def test_the_page_has_each_limit_with_its_value(page, limit):
    row = re.search(rf"^\.It (?:Dv|Li|Cm|Sy) {limit} Ta (\d+)", page, re.M)
    assert row, f"no row for {limit}"
    assert row[1] == str(headers.limits()[limit])


def test_the_page_has_each_field_of_the_maps(page):
    from test_acquire import FIELDS, LISTED

    assert [
        f for f in {*FIELDS, *LISTED} if not re.search(rf"^\.It (?:Va|Li|Cm) .*\b{f}\b", page, re.M)
    ] == []


def test_the_hexdump_of_the_page_is_what_the_daemon_says(page, daemon):
    """The example in the page is bytes, and they are true."""
    lines = re.findall(r"^[0-9a-f]{8}  ((?:[0-9a-f]{2} ?)+)", page, re.M)
    assert lines, "no hexdump in the page"
    dumps = re.split(r"^\.Bd .*$", page, flags=re.M)
    pairs = []
    for dump in dumps[1:]:
        body = dump.split(".Ed")[0]
        rows = re.findall(r"^[0-9a-f]{8}  ((?:[0-9a-f]{2} {1,2}?)+) +\|", body, re.M)
        if rows:
            pairs.append(bytes.fromhex(" ".join(rows)))
    assert len(pairs) >= 2 and len(pairs) % 2 == 0
    client = daemon.client()
    for request, reply in zip(pairs[::2], pairs[1::2]):
        client.send_raw(request)
        client.read_any()
        assert client.raw == reply
