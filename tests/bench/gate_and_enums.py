#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures shared enums and the gate; each figure is a ratio against something that is named.

tests/bench/gate_and_enums.py [--quick] [--docs]
"""

from __future__ import annotations

import argparse
import os
import re
import selectors
import sys
import time
from pathlib import Path
from statistics import median

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.dont_write_bytecode = True

from bench import machine, report  # noqa: E402
from bench.stage import Stage  # noqa: E402
from bench.stats import of_rounds, percentile  # noqa: E402
from harness.cli import BERTH  # noqa: E402
from harness.daemon import Daemon  # noqa: E402
from harness.places import REPO  # noqa: E402
from harness.resp import Client, encode  # noqa: E402

DOCS = REPO / "docs" / "BENCHMARKS.md"
CALLERS = 64
LABELS = ("pending", "processing", "completed", "failed", "deleted")
BY_HAND = "lock and looks by hand"
FIVE = [f"bench_{number}" for number in range(5)]

ABOUT = (
    "*Five that exist*: five `ENUM ENSURE`, pipelined on one connection or each on its own; by "
    "hand: the advisory lock, five looks into `pg_type`, the unlock, one after another on a "
    "session that is open. *64 callers at once*: until 99 of 100 have their answer, the type being "
    "created once; against one bare CREATE TYPE on a session that is open. The gate: the whole "
    "process, from its start to its end, with `true` for the command, in turns with the programs "
    "it is held against."
)


def now_us() -> float:
    return time.monotonic_ns() / 1e3


# Enums


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
    before = conversations(daemon)
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
    assert conversations(daemon) - before <= 2
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


def enums(daemon: Daemon, rounds: int) -> tuple[list[dict], dict[str, int]]:
    """The rows, and how many conversations five that exist have taken at most."""
    client = daemon.client()
    clients = [daemon.client() for _ in range(CALLERS)]
    existing, parallel, created = [], [], []
    most = {"pipelined on one connection": 0, "on five connections at once": 0}
    for name in FIVE:
        assert client("ENUM", "ENSURE", name, *LABELS) == "created"
    with daemon.pg.connect() as connection:
        for _ in range(rounds):
            by_hand = looked_up_by_hand(connection)
            for name, pairs, args in (
                ("pipelined on one connection", existing, (pipelined, client)),
                ("on five connections at once", parallel, (together, clients[:5])),
            ):
                took, count = counted(daemon, *args)
                most[name] = max(most[name], count)
                pairs.append((took, by_hand))
            p99 = at_once(daemon, clients)
            connection.execute("DROP TYPE bench_new")
            created.append((p99, bare(connection)))
        for name in FIVE:
            connection.execute(f"DROP TYPE {name}")
    return [
        of_rounds("five that exist, one connection", BY_HAND, "time", "µs", existing),
        of_rounds("five that exist, five connections", BY_HAND, "time", "µs", parallel),
        of_rounds("64 callers at once, p99", "one CREATE TYPE", "time", "µs", created),
    ], most


# The gate


def run(argv: list[str], env: dict[str, str]) -> float:
    """ms from the start of a program to its end."""
    quiet = [(os.POSIX_SPAWN_OPEN, fd, "/dev/null", os.O_RDWR, 0) for fd in (0, 1, 2)]
    began = time.monotonic_ns()
    pid = os.posix_spawnp(argv[0], argv, env, file_actions=quiet)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    took = (time.monotonic_ns() - began) / 1e6
    assert status == 0, (argv, status)
    return took


def gate(daemon: Daemon, rounds: int, each: int) -> list[dict]:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("BERTH_", "PG"))}
    env["BERTH_SOCKET"] = str(daemon.socket)
    ping = ["redis-cli", "-s", str(daemon.socket), "PING"]
    seen: dict[str, list[float]] = {}
    for number in range(rounds):
        times: dict[str, list[float]] = {"done": [], "first": [], "ping": [], "true": []}
        for i in range(each):
            first = [str(BERTH), "once", f"bench-{number}-{i}", "--", "true"]
            for name, argv in (
                ("first", first),
                ("done", first),
                ("ping", ping),
                ("true", ["true"]),
            ):
                times[name].append(run(argv, env))
        for name, values in times.items():
            seen.setdefault(name, []).append(median(values))
    return [
        of_rounds(what, against, "time", "ms", list(zip(seen[ours], seen[theirs], strict=True)))
        for ours, what in (("done", "berth once, done already"), ("first", "berth once, first run"))
        for theirs, against in (("ping", "redis-cli PING"), ("true", "true"))
    ]


def measure(quick: bool) -> tuple[str, list[str]]:
    """The text for the page, and what was left behind."""
    stage = Stage()
    rounds, each = (5, 5) if quick else (15, 10)
    try:
        with stage.daemon() as daemon:
            rows, most = enums(daemon, rounds)
            rows += gate(daemon, rounds, each)
            daemon.pg.sql("DELETE FROM berth.gate")
    finally:
        stage.close()
    counts = "; ".join(f"{name}: {count}" for name, count in most.items())
    told = f"Conversations with PostgreSQL (each one round trip) for five that exist, {counts}."
    command = "tests/bench/gate_and_enums.py" + (" --quick" if quick else "")
    facts = machine.facts()
    where = (
        f"`{command}`, {facts['date']}, commit {facts['commit']}; load average before: "
        f"{facts['load_before']}."
    )
    return "\n\n".join([ABOUT, report.table(rows), told, where]), stage.wrong


def rewrite(text: str) -> None:
    between = re.compile(r"(<!-- gate_and_enums -->\n).*?(<!-- end -->)", re.S)
    page, count = between.subn(lambda m: f"{m[1]}{text}\n{m[2]}", DOCS.read_text())
    if count != 1:
        raise SystemExit(f"{DOCS.name} has {count} places marked <!-- gate_and_enums -->, not one")
    DOCS.write_text(page)


def main() -> int:
    parser = argparse.ArgumentParser(prog="gate_and_enums.py", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--docs", action="store_true", help="rewrite its table in BENCHMARKS.md")
    said = parser.parse_args()
    text, wrong = measure(said.quick)
    print("\n".join([text, *wrong]))
    if said.docs:
        rewrite(text)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
