# SPDX-License-Identifier: MIT
"""Shared enums: what ENSURE costs where they exist, and how long many wait for one to be made."""

from __future__ import annotations

import selectors
import time

from bench.sizes import Sizes
from bench.stage import Stage
from bench.stats import of_rounds, percentile, row
from harness.daemon import Daemon
from harness.resp import Client, encode

TITLE = "Shared enums"
ABOUT = (
    "*Five that exist*: five `ENUM ENSURE`, pipelined on one connection or each on its own; by "
    "hand: the advisory lock, five looks into `pg_type`, the unlock, one after another on a "
    "session that is open. *Round trips* are those to PostgreSQL, the most of all rounds, as "
    "INFO counts conversations; a test counts them on the wire. *64 callers at once*: until "
    "99 of 100 have their answer, the type being created once; against one bare CREATE TYPE on a "
    "session that is open."
)

CALLERS = 64
LABELS = ("pending", "processing", "completed", "failed", "deleted")
BY_HAND = "lock and looks by hand"
BY_HAND_TRIPS = 7
FIVE = [f"bench_{number}" for number in range(5)]


def now_us() -> float:
    return time.monotonic_ns() / 1e3


def pipelined(client: Client) -> float:
    began = now_us()
    client.send_raw(b"".join(encode("ENUM", "ENSURE", name, *LABELS) for name in FIVE))
    answers = [client.read() for _ in FIVE]
    took = now_us() - began
    assert answers == ["exists"] * 5, answers
    return took


def together(clients: list[Client]) -> float:
    began = now_us()
    for client, name in zip(clients, FIVE, strict=True):
        client.send("ENUM", "ENSURE", name, *LABELS)
    answers = [client.read() for client in clients]
    took = now_us() - began
    assert answers == ["exists"] * 5, answers
    return took


def looked_up_by_hand(connection) -> float:
    began = now_us()
    connection.execute("SELECT pg_advisory_lock(12345)")
    for name in FIVE:
        found = connection.execute("SELECT 1 FROM pg_type WHERE typname = %s", (name,)).fetchone()
        assert found
    connection.execute("SELECT pg_advisory_unlock(12345)")
    return now_us() - began


def at_once(daemon: Daemon, clients: list[Client]) -> float:
    """µs until 99 of 100 have their answer, from the first one's question."""
    took, answers = [], []
    request = encode("ENUM", "ENSURE", "bench_new", *LABELS)
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.sock, selectors.EVENT_READ, client)
        began = now_us()
        for client in clients:
            client.send_raw(request)
        while len(answers) < len(clients):
            for key, _ in selector.select(30):
                answers.append(key.data.read())
                took.append(now_us() - began)
    assert sorted(answers) == ["created"] + ["exists"] * (len(clients) - 1), answers
    return percentile(took, 0.99)


def bare(connection) -> float:
    labels = ", ".join(f"'{label}'" for label in LABELS)
    began = now_us()
    connection.execute(f"CREATE TYPE bench_new AS ENUM ({labels})")
    took = now_us() - began
    connection.execute("DROP TYPE bench_new")
    return took


def conversations(daemon: Daemon) -> int:
    with daemon.client() as client:
        return int(client.info()["enum_conversations"])


def counted(daemon: Daemon, what, *args) -> tuple[float, int]:
    """What what() returns, and how many conversations with PostgreSQL it took."""
    before = conversations(daemon)
    result = what(*args)
    return result, conversations(daemon) - before


def on(daemon: Daemon, sizes: Sizes) -> list[dict]:
    client = daemon.client()
    clients = [daemon.client() for _ in range(CALLERS)]
    existing, parallel, created = [], [], []
    trips = 0
    for name in FIVE:
        assert client("ENUM", "ENSURE", name, *LABELS) == "created"
    with daemon.pg.connect() as connection:
        for _ in sizes.enums:
            by_hand = looked_up_by_hand(connection)
            took, count = counted(daemon, pipelined, client)
            trips = max(trips, count)
            existing.append((took, by_hand))
            parallel.append((together(clients[:5]), by_hand))
            p99 = at_once(daemon, clients)
            connection.execute("DROP TYPE bench_new")
            created.append((p99, bare(connection)))
        for name in FIVE:
            connection.execute(f"DROP TYPE {name}")
    one, five = "five that exist, one connection", "five that exist, five connections"
    return [
        of_rounds(one, BY_HAND, "time", "µs", existing),
        row(one, BY_HAND, "round trips", "", trips, BY_HAND_TRIPS),
        of_rounds(five, BY_HAND, "time", "µs", parallel),
        of_rounds("64 callers at once, p99", "one CREATE TYPE", "time", "µs", created),
    ]


def measure(stage: Stage, sizes: Sizes) -> list[dict]:
    with stage.daemon() as daemon:
        return on(daemon, sizes)
