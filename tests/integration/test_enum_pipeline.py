# SPDX-License-Identifier: MIT
"""Many ENSUREs behind one another on one connection: one lock, one round trip, replies in order."""

import pytest

from harness import eventually
from harness.resp import ReplyError, encode
from test_enums import FIVE, LOCK, drop_enums, enums, waiting_for_lock


@pytest.fixture(autouse=True)
def no_enums_afterwards(pg):
    yield
    drop_enums(pg)


def conversations(client) -> int:
    return int(client.info()["enum_conversations"])


def pipeline(client, *requests) -> list:
    """Sends all requests at once; their replies, an error being a value."""
    client.send_raw(b"".join(encode(*request) for request in requests))
    return [client.read_any() for _ in requests]


def ensure(name, *labels):
    return ("ENUM", "ENSURE", name, *labels)


def append(name, *labels):
    return ("ENUM", "APPEND", name, *labels)


@pytest.mark.parametrize("count", [5, 64])
def test_all_that_one_connection_sends_at_once_is_one_conversation(daemon, count):
    client = daemon.ready().client()
    before = conversations(client)

    asked = [ensure(f"e{i}", "a", "b") for i in range(count)]
    first, second = pipeline(client, *asked), pipeline(client, *asked)

    assert (first, second) == (["created"] * count, ["exists"] * count)
    assert conversations(client) == before + 2
    assert len(enums(client)) == count


def test_five_are_one_round_trip_on_the_wire(tap, make_daemon, pg):
    """PostgreSQL hears one Sync, behind everything else, whether it has to make them or not."""
    client = make_daemon(pg_dsn=tap.dsn(), pool_schemas=0).ready().client()
    eventually(lambda: not any("slot" in row for row in pg.registry()))  # nothing else is talked about
    asked = [ensure(name, *labels) for name, labels in FIVE.items()]
    for outcome in ("created", "exists"):
        tap.forget()
        assert pipeline(client, *asked) == [outcome] * 5

        talks = [wire for wire in tap.messages() if any("pg_advisory" in text for _, text in wire)]

        assert len(talks) == 1
        kinds = [kind for kind, _ in talks[0]]
        assert kinds.count("S") == 1 and kinds[-1] == "S" and kinds.count("E") >= 3


def test_requests_that_come_while_a_conversation_waits_go_into_the_next_one(daemon, pg):
    client = daemon.ready().client()
    before = conversations(client)
    with pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        client.send(*ensure("first", "a"))
        eventually(lambda: waiting_for_lock(pg) == 1)
        for name, labels in FIVE.items():
            client.send(*ensure(name, *labels))
        helper.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
        assert [client.read() for _ in range(6)] == ["created"] * 6
    assert conversations(client) == before + 2


def test_every_request_has_its_own_reply_in_its_own_place(daemon):
    client = daemon.ready().client()
    client("ENUM", "ENSURE", "there", "a")

    said = pipeline(
        client,
        ensure("there", "b"),
        ensure("new", "a"),
        ensure("new", "a", "a"),
        ensure("new", "a"),
        ("ENUM", "ENSURE", "new"),
        ("PING", "after"),
        ensure("x" * 64, "a"),
        ensure("last", "a"),
        ("ENUM", "LIST"),
        ("NONSENSE",),
    )

    codes = [reply.code if isinstance(reply, ReplyError) else reply for reply in said]
    assert codes[:8] == "DRIFT created USAGE exists USAGE after USAGE created".split()
    assert [row[1] for row in codes[8]] == ["last", "new", "there"]
    assert codes[9] == "ERR"


def test_one_connections_requests_take_effect_in_their_order(daemon):
    """Those that want different things of one name do not overtake each other."""
    client = daemon.ready().client()

    said = pipeline(
        client,
        ensure("color", "red"),
        append("color", "red", "blue"),
        ensure("color", "red"),
        ensure("size", "s"),
        append("color", "green"),
        ensure("color", "red", "blue", "green"),
    )

    assert said[:2] + said[3:] == ["created", "appended", "created", "appended", "exists"]
    assert said[2].code == "DRIFT" and "'blue'" in str(said[2])
    assert enums(client) == {"color": ["red", "blue", "green"], "size": ["s"]}


def test_what_waits_behind_them_is_looked_at_when_they_are_answered(daemon, pg):
    """A lease taken behind an ENSURE is taken when the type is there."""
    client = daemon.ready().client()
    with pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        client.send_raw(
            encode(*ensure("color", "red")) + encode("ACQUIRE", "gw0", "WAIT", 20000) + b"PING\r\n"
        )
        eventually(lambda: waiting_for_lock(pg) == 1)
        assert daemon.client().leases() == []
        helper.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    assert client.read() == "created"
    assert "held" in client.read() and client.read() == "PONG"


def test_a_client_that_leaves_in_the_middle_takes_nobody_along(daemon, pg):
    client, other = daemon.ready().client(), daemon.client()
    with pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        client.send_raw(b"".join(encode(*ensure(f"e{i}", "a")) for i in range(20)))
        other.send(*ensure("color", "red"))
        eventually(lambda: waiting_for_lock(pg) == 1)
        client.close()
        helper.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    assert other.read() == "created"
    assert other("PING") == "PONG"


def test_more_than_are_taken_at_once_are_all_answered(daemon):
    client = daemon.ready().client()

    said = pipeline(client, *(ensure(f"e{i % 7}", "a") for i in range(1000)))

    assert said == ["created"] * 7 + ["exists"] * 993


def test_what_postgresql_refuses_fails_alone(daemon, pg):
    """An overlong form of '/' is no UTF-8 to PostgreSQL; those that went along are made."""
    daemon.ready()
    first, client, other, bad = [daemon.client() for _ in range(4)]
    with pg.connect() as helper:
        helper.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
        first.send(*ensure("first", "x"))
        eventually(lambda: waiting_for_lock(pg) == 1)
        other.send(*ensure("other", "x"))
        bad.send(*ensure("bad", b"\xc0\xaf"))
        requests = ensure("a", "x"), ensure("b", b"\xc0\xaf"), ensure("c", "x")
        client.send_raw(b"".join(encode(*request) for request in requests))
        daemon.client()  # it has been served: so have those before it
        helper.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))

    said = [client.read_any() for _ in requests]

    assert (said[0], said[1].code, said[2]) == ("created", "PGERR", "created")
    assert "invalid byte sequence" in str(said[1])
    assert bad.read_any().code == "PGERR"
    assert (first.read(), other.read()) == ("created", "created")
    assert sorted(enums(client)) == ["a", "c", "first", "other"]
