# SPDX-License-Identifier: MIT
"""Whatever a client sends, it gets one clear error, and nobody else notices."""

import os
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import eventually, headers
from harness.process import accepted
from harness.resp import Client, ReplyError, encode
from harness.wait import SLOW, stays

LIMIT = headers.limits()
CODES = headers.errors()
TEN_YEARS = 10 * 365 * 86400 * 1000


def refused(client, *words) -> ReplyError:
    """The error of a request that must be refused in a session that must go on."""
    client.send(*words)
    error = client.read_any()
    assert isinstance(error, ReplyError), f"{words} was answered {error!r}"
    assert error.code in CODES and error.message.strip(), error
    assert client("PING") == "PONG"
    return error


def closed_with(client, code, *words):
    """The last reply is an error of this code with these words in it; then the daemon closes."""
    error = client.read_any()
    assert isinstance(error, ReplyError), error
    assert error.code == code, error
    for word in words:
        assert str(word) in str(error), error
    assert client.at_eof()


# Limits, at the header.

AT_THE_HEADER = {
    "arguments": (b"*%d\r\n" % (LIMIT["REQUEST_ARGS"] + 1), LIMIT["REQUEST_ARGS"]),
    "two billion arguments": (b"*2147483647\r\n", LIMIT["REQUEST_ARGS"]),
    "a bulk": (b"*2\r\n$4\r\nECHO\r\n$%d\r\n" % LIMIT["REQUEST_BYTES"], LIMIT["REQUEST_BYTES"]),
    "a gigabyte": (b"*2\r\n$4\r\nECHO\r\n$1073741824\r\n", LIMIT["REQUEST_BYTES"]),
    "a sum of bulks": (
        b"*3\r\n$4\r\nECHO\r\n$40000\r\n" + b"x" * 40000 + b"\r\n$40000\r\n",
        LIMIT["REQUEST_BYTES"],
    ),
    "an inline line": (b"x" * (LIMIT["INLINE_BYTES"] + 1), LIMIT["INLINE_BYTES"]),
    "an inline line with its end": (
        b"PING " + b"x" * LIMIT["INLINE_BYTES"] + b"\r\n",
        LIMIT["INLINE_BYTES"],
    ),
    "a header line": (b"*" + b"0" * LIMIT["HEADER_BYTES"] + b"1\r\n", LIMIT["HEADER_BYTES"]),
    "a header without end": (
        b"*2\r\n$" + b"0" * (LIMIT["HEADER_BYTES"] + 1),
        LIMIT["HEADER_BYTES"],
    ),
}


@pytest.mark.parametrize("what", AT_THE_HEADER)
def test_too_much_is_refused_at_the_header_by_name(daemon, what):
    data, limit = AT_THE_HEADER[what]
    client = daemon.client()
    client.send_raw(data)
    closed_with(client, "LIMIT", limit)
    assert daemon.client()("PING") == "PONG"


def test_exactly_the_limit_is_allowed(daemon):
    client = daemon.client()
    frame = len(encode("ECHO", "")) + 4  # the length takes four digits more
    text = "x" * (LIMIT["REQUEST_BYTES"] - frame)
    data = encode("ECHO", text)
    assert len(data) == LIMIT["REQUEST_BYTES"]
    client.send_raw(data)
    assert client.read() == text
    line = b"ECHO " + b"y" * (LIMIT["INLINE_BYTES"] - 7) + b"\r\n"
    assert len(line) == LIMIT["INLINE_BYTES"]
    client.send_raw(line)
    assert client.read() == "y" * (LIMIT["INLINE_BYTES"] - 7)
    client.send("COMMAND", "INFO", *["ping"] * (LIMIT["REQUEST_ARGS"] - 2))
    assert len(client.read()) == LIMIT["REQUEST_ARGS"] - 2


NONSENSE = {
    "a negative bulk": b"*1\r\n$-1\r\n",
    "no number": b"*x\r\n",
    "a bulk that is no bulk": b"*1\r\n:5\r\n",
    "no number of bytes": b"*1\r\n$x\r\n",
    "a bulk without its end": b"*1\r\n$4\r\nPINGxx",
    "a sign": b"*+1\r\n$4\r\nPING\r\n",
    "an overflow": b"*99999999999999999999\r\n",
}


@pytest.mark.parametrize("what", NONSENSE)
def test_what_is_no_resp_is_answered_once_and_closed(daemon, what):
    client = daemon.client()
    client.send_raw(NONSENSE[what])
    error = client.read_any()
    assert isinstance(error, ReplyError) and error.code in ("ERR", "LIMIT", "USAGE")
    assert client.at_eof()
    assert daemon.client()("PING") == "PONG"


def test_an_http_request_gets_an_error_and_not_a_lease(daemon):
    client = daemon.client()
    client.send_raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert isinstance(client.read_any(), ReplyError)


def test_random_bytes_do_no_harm(daemon):
    import random

    seed = int(os.environ.get("BERTH_TEST_SEED", random.randrange(2**32)))
    print("seed", seed)
    chaos = random.Random(seed)
    alphabet = [
        b"*",
        b"$",
        b"\r\n",
        b"1",
        b"4",
        b"PING",
        b"ACQUIRE",
        b"\0",
        b"\xff",
        b"-",
        b"9" * 20,
        b" ",
    ]
    for _ in range(200):
        with Client(daemon.socket) as client:
            try:
                client.send_raw(b"".join(chaos.choices(alphabet, k=chaos.randrange(1, 60))))
                client.sock.shutdown(socket.SHUT_WR)
                while client.sock.recv(65536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert daemon.client()("PING") == "PONG"
    eventually(lambda: daemon.client().leases() == [])


# Words that make no sense; the session goes on.


def test_an_unknown_verb_is_named(daemon):
    error = refused(daemon.client(), "FROBNICATE", "x")
    assert error.code == "ERR" and "FROBNICATE" in error.message


@pytest.mark.parametrize(
    "verb", ["GET", "SET", "FLUSHALL", "SUBSCRIBE", "MULTI", "EVAL", "MONITOR"]
)
def test_what_redis_knows_and_berth_does_not_is_unknown(daemon, verb):
    assert refused(daemon.client(), verb).code == "ERR"


def test_no_error_carries_a_line_end(daemon):
    client = daemon.client()
    client.send("NO\r\n+OK\r\nSUCH", "x")
    assert isinstance(client.read_any(), ReplyError)
    assert client("PING") == "PONG"
    client.send("LEASE", "a\r\n-b\r\nc")
    assert isinstance(client.read_any(), ReplyError)
    assert client("PING") == "PONG"


@pytest.mark.parametrize("verb", headers.verbs())
def test_too_few_and_too_many_arguments_are_usage(daemon, verb):
    low, high, _ = headers.verbs()[verb]
    client = daemon.client()
    if low > 1:
        error = refused(client, verb)
        assert error.code in ("USAGE", "ERR") and verb in error.message.upper()
    if high:
        error = refused(client, verb, *["x"] * high)
        assert error.code in ("USAGE", "ERR") and verb in error.message.upper()


USAGE = [
    ("ACQUIRE", ""),
    ("ACQUIRE", "w" * (LIMIT["WORKER_BYTES"] + 1)),
    ("ACQUIRE", "gw0\n"),
    ("ACQUIRE", "gw\x000"),
    ("ACQUIRE", "gw0", "RUN", ""),
    ("ACQUIRE", "gw0", "RUN", "r" * (LIMIT["RUN_BYTES"] + 1)),
    ("ACQUIRE", "gw0", "RUN", "a\r\nb"),
    ("ACQUIRE", "gw0", "RUN"),
    ("ACQUIRE", "gw0", "LABEL", "l" * (LIMIT["LABEL_BYTES"] + 1)),
    ("ACQUIRE", "gw0", "KIND", "table"),
    ("ACQUIRE", "gw0", "REDIS", "cluster"),
    ("ACQUIRE", "gw0", "NOSUCH", "word"),
    ("ACQUIRE", "gw0", "TTL", "soon"),
    ("ACQUIRE", "gw0", "TTL", ""),
    ("ACQUIRE", "gw0", "TTL", "1e3"),
    ("ACQUIRE", "gw0", "TTL", "99999999999999999999999"),
    ("ACQUIRE", "gw0", "WAIT", "-1"),
    ("ACQUIRE", "gw0", "WAIT", "x"),
    ("ACQUIRE", "gw0", "NAME", ""),
    ("ACQUIRE", "gw0", "NAME", "n" * (LIMIT["NAME_BYTES"] + 1)),
    ("ACQUIRE", "gw0", "NAME", "1abc"),
    ("ACQUIRE", "gw0", "NAME", "a b"),
    ("ACQUIRE", "gw0", "NAME", 'a"b'),
    ("ACQUIRE", "gw0", "NAME", "a'; DROP SCHEMA public; --"),
    ("ACQUIRE", "gw0", "NAME", "a-b"),
    ("ACQUIRE", "gw0", "NAME", "a.b"),
    ("ACQUIRE", "gw0", "NAME", "a\0b"),
    ("ACQUIRE", "gw0", "NAME", "\xff\xfe"),
    ("RENEW", "default/gw0", "TTL", "x"),
    ("RENEW", "default/gw0", "FOO", "1"),
    ("RENEW", "default/gw0", "TTL"),
    ("RELEASE", "default/gw0", "KEEP", "x"),
    ("RELEASE", "default/gw0", "KEEP"),
    ("LEASE", "default/gw0", "WAIT", "-5"),
    ("ATTACH", "default/gw0", "x"),
    ("LEASES", "RUN"),
    ("LEASES", "UID", "root"),
    ("LEASES", "NOSUCH", "1"),
    ("SHUTDOWN", "LATER"),
    ("CONFIG", "REWRITE"),
]


@pytest.mark.parametrize(
    "words", USAGE, ids=lambda w: " ".join(w)[:40].encode("unicode_escape").decode()
)
def test_a_malformed_argument_is_usage_and_makes_nothing(daemon, words):
    client = daemon.client()
    if words[0] in ("RENEW", "RELEASE", "LEASE", "ATTACH"):
        client.acquire("gw0")
    error = refused(client, *words)
    assert error.code in ("USAGE", "LIMIT"), error
    assert [x.worker for x in client.leases()] in ([], ["gw0"])
    assert len(client.leases()) == (words[0] in ("RENEW", "RELEASE", "LEASE", "ATTACH"))


@pytest.mark.parametrize("ttl", [0, -1, 86400001, TEN_YEARS, 2**62])
def test_a_ttl_of_nothing_or_ten_years_is_a_limit(daemon, ttl):
    client = daemon.client()
    error = refused(client, "ACQUIRE", "gw0", "TTL", ttl)
    assert error.code in ("LIMIT", "USAGE") if ttl < 0 else error.code == "LIMIT"
    assert client.leases() == []
    lease = client.acquire("gw0", detach=True)
    assert refused(client, "RENEW", lease.lease, "TTL", ttl).code in ("LIMIT", "USAGE")
    assert refused(client, "RELEASE", lease.lease, "KEEP", ttl).code in ("LIMIT", "USAGE")
    assert client.lease(lease.lease).state == "held"


def test_the_largest_names_are_allowed(daemon):
    client = daemon.client()
    worker, run = "w" * LIMIT["WORKER_BYTES"], "r" * LIMIT["RUN_BYTES"]
    name, label = "test_" + "n" * (LIMIT["NAME_BYTES"] - 5), "l" * LIMIT["LABEL_BYTES"]
    lease = client.acquire(worker, run=run, name=name, label=label)
    assert (lease.worker, lease.run, lease.schema) == (worker, run, name)
    assert client.leases()[0].label == label
    assert daemon.sql(lease).execute("SELECT current_schema").fetchone() == (name,)


def test_a_wait_longer_than_the_limit_is_refused(daemon):
    client = daemon.client()
    assert refused(client, "ACQUIRE", "gw0", "WAIT", LIMIT["WAIT_MS"] + 1).code == "LIMIT"
    assert client.leases() == []
    assert client.acquire("gw0", wait=LIMIT["WAIT_MS"]).state == "held"


@pytest.mark.parametrize("verb", ["LEASE", "RENEW", "RELEASE", "DETACH"])
@pytest.mark.parametrize(
    "name", ["", "x", "000000-1", "nobody/gw0", "default/", "/", "a/b/c", "-1", "z" * 500]
)
def test_an_id_that_is_nobodys_is_no_lease(daemon, verb, name):
    assert refused(daemon.client(), verb, name).code in ("NOLEASE", "USAGE")


# Whose it is.


@pytest.mark.root
def test_a_lease_belongs_to_its_uid(daemon):
    owner, stranger = daemon.client(), daemon.client_of(65534)
    lease = owner.acquire("gw0")

    for words in (
        ("LEASE", lease.lease),
        ("RENEW", lease.lease),
        ("RELEASE", lease.lease),
        ("DETACH", lease.lease),
        ("ATTACH", lease.lease, lease.fence),
    ):
        error = refused(stranger, *words)
        assert error.code == "DENIED", words
        assert lease.password not in error.message
    assert refused(stranger, "SHUTDOWN").code == "DENIED"
    assert refused(stranger, "SHUTDOWN", "NOW").code == "DENIED"
    assert owner.lease(lease.lease).state == "held"


@pytest.mark.root
def test_the_same_run_and_worker_of_another_uid_is_another_lease(daemon):
    owner, stranger = daemon.client(), daemon.client_of(65534)
    mine, theirs = owner.acquire("gw0"), stranger.acquire("gw0")
    assert mine.lease != theirs.lease and mine.schema != theirs.schema
    assert stranger.lease("default/gw0").lease == theirs.lease
    assert owner.lease("default/gw0").lease == mine.lease
    rows = {x.lease: x.uid for x in owner.leases()}
    assert rows == {mine.lease: 0, theirs.lease: 65534}
    assert [x.lease for x in owner.leases("UID", 65534)] == [theirs.lease]


@pytest.mark.root
def test_root_may_end_anybodys_lease(daemon):
    lease = daemon.client_of(65534).acquire("gw0")
    root = daemon.client()
    assert root.lease(lease.lease).dsn == lease.dsn
    assert root("RELEASE", lease.lease) == "OK"


@pytest.mark.root
def test_another_uid_s_process_may_use_an_open_socket(daemon):
    """A real process of another user, not only a borrowed identity."""
    daemon.socket.chmod(0o666)
    argv = ["setpriv", "--reuid", "65534", "--clear-groups", "redis-cli", "-s", str(daemon.socket)]
    done = subprocess.run(
        [*argv, "ACQUIRE", "gw0", "WAIT", "5000", "DETACH"],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "held" in done.stdout.split()
    assert daemon.client().leases()[0].uid == 65534


@pytest.mark.root
def test_who_may_not_open_the_socket_cannot_connect(daemon):
    assert os.stat(daemon.socket).st_mode & 0o777 == 0o660
    argv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "redis-cli"]
    done = subprocess.run(
        [*argv, "-s", str(daemon.socket), "PING"], capture_output=True, text=True, timeout=30
    )
    assert "Permission denied" in done.stdout + done.stderr


# Slow, half, mute and deaf.


def says_nothing(daemon):
    client = daemon.client(greet=False)
    began = time.monotonic()
    seconds = LIMIT["FIRST_REQUEST_MS"] / 1000
    assert client.read_or_eof(seconds * 3 * SLOW) in (None, "TIMEOUT", "LIMIT")
    assert time.monotonic() - began > seconds - 0.5


def never_ends_a_request(daemon):
    client = daemon.client()
    client("PING")
    client.send_raw(b"*2\r\n$4\r\nECHO\r\n$10\r\nhalf")
    began = time.monotonic()
    seconds = LIMIT["PARTIAL_REQUEST_MS"] / 1000
    assert client.read_or_eof(seconds * 3 * SLOW) in (None, "TIMEOUT", "LIMIT")
    assert time.monotonic() - began > seconds - 0.5


def trickles(daemon):
    """One byte a second is a partial request all the same."""
    client = daemon.client()
    client("PING")
    client.send_raw(b"*2\r\n$4\r\nECHO\r\n$1000\r\n")
    client.sock.settimeout(0.5)
    began = time.monotonic()
    ended = None
    while ended is None and time.monotonic() - began < 30 * SLOW:
        try:
            client.send_raw(b"x")
            ended = client.sock.recv(100)
        except TimeoutError:
            continue
        except (BrokenPipeError, ConnectionResetError):
            ended = b""
    assert ended is not None


def holds_and_is_silent(daemon):
    """Longer than the first request and a partial one may take; is not sent away."""
    client = daemon.client()
    lease = client.acquire("gw0")
    watcher = daemon.client()
    stays(
        lambda: watcher.lease(lease.lease).state == "held",
        (LIMIT["PARTIAL_REQUEST_MS"] / 1000 + 1.5) / SLOW,
    )
    assert client("PING") == "PONG"


def test_who_is_too_slow_is_sent_away_and_a_silent_holder_is_not(daemon):
    """All at once, because it takes so long."""
    stories = (says_nothing, never_ends_a_request, trickles, holds_and_is_silent)
    with ThreadPoolExecutor() as threads:
        for told in [threads.submit(story, daemon) for story in stories]:
            told.result()


def test_a_request_in_single_bytes_is_understood(daemon):
    client = daemon.client()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    for byte in encode("ECHO", "slow but sure") + b"PING\r\n":
        client.send_raw(bytes([byte]))
    assert client.read() == "slow but sure"
    assert client.read() == "PONG"


def test_who_closes_his_side_still_gets_his_answers(daemon):
    client = daemon.client()
    client.send_raw(encode("PING") + encode("ECHO", "last") + b"*2\r\n$4\r\nECH")
    client.sock.shutdown(socket.SHUT_WR)
    assert client.read() == "PONG"
    assert client.read() == "last"
    eventually(lambda: not accepted(daemon.pid, daemon.socket))


def test_a_thousand_requests_in_one_write_get_a_thousand_replies(daemon):
    client = daemon.client()
    client.send_raw(b"".join(encode("ECHO", str(i)) for i in range(1000)))
    assert [client.read() for _ in range(1000)] == [str(i) for i in range(1000)]


def test_a_long_pipeline_does_not_starve_others(daemon):
    busy, other = daemon.client(), daemon.client()
    busy.sock.setblocking(False)
    data = encode("PING") * 200000
    try:
        busy.sock.send(data)
    except BlockingIOError:
        pass
    began = time.monotonic()
    assert other("PING") == "PONG"
    assert time.monotonic() - began < 0.5 * SLOW


def test_a_client_that_never_reads_fills_no_memory(daemon):
    deaf, other = daemon.client(), daemon.client()
    request = encode("ECHO", "x" * 60000)
    deaf.sock.settimeout(0.5)

    before = daemon.memory()
    sent = 0
    try:
        while sent < 50 * 1024 * 1024:
            sent += deaf.sock.send(request)
    except TimeoutError:
        pass
    assert sent < 10 * 1024 * 1024, "the daemon goes on reading from who does not listen"
    assert other("PING") == "PONG"
    assert daemon.memory() - before < 8 * 1024 * 1024
    deaf.close()
    eventually(lambda: len(accepted(daemon.pid, daemon.socket)) == 1)


def test_many_that_never_read_take_no_more_than_a_few_may(daemon):
    """Two hundred times the mebibyte that one may have unsent would be too much."""
    watcher = daemon.client()
    before = daemon.memory()
    crowd = [daemon.client(greet=False) for _ in range(200)]
    for one in crowd:
        one.sock.setblocking(False)
    for _ in range(12):
        for one in crowd:
            try:
                one.sock.send(b"COMMAND\r\n" * 1000)
            except BlockingIOError:
                continue
        watcher("PING")
    grown = (daemon.memory() - before) >> 20
    assert grown < 64 + 200 * 0.25 + 20, f"{grown} MiB"
    lease = watcher.acquire("gw0")
    assert lease.state == "held"
    for one in crowd:
        one.close()
    eventually(lambda: int(watcher.info("clients")["connected_clients"]) < 10)


def test_a_client_that_reads_late_gets_everything(daemon):
    client = daemon.client()
    text = "x" * 30000
    count = 200  # 6 MB of replies
    import threading

    writer = threading.Thread(target=lambda: client.send_raw(encode("ECHO", text) * count))
    writer.start()
    time.sleep(0.3)  # the reader of this story is late
    assert all(client.read() == text for _ in range(count))
    writer.join()


@pytest.mark.berthd(max_connections=20)
def test_one_connection_too_many_is_told_so(daemon):
    clients = [daemon.client() for _ in range(20)]
    for client in clients:
        assert client("PING") == "PONG"
    late = daemon.client(greet=False)
    try:
        late.send("PING")
    except BrokenPipeError:
        pass
    closed_with(late, "LIMIT", 20)
    assert clients[0]("PING") == "PONG"
    clients[3].close()
    eventually(lambda: answers(daemon))


def answers(daemon) -> bool:
    try:
        with Client(daemon.socket) as client:
            return client("PING") == "PONG"
    except (ReplyError, EOFError, BrokenPipeError, ConnectionResetError):
        return False


@pytest.mark.root
@pytest.mark.berthd(max_connections_uid=5)
def test_one_uid_cannot_take_all_connections(daemon):
    greedy = [daemon.client_of(65534) for _ in range(5)]
    for client in greedy:
        assert client("PING") == "PONG"
    late = daemon.client_of(65534, greet=False)
    try:
        late.send("PING")
    except BrokenPipeError:
        pass
    closed_with(late, "LIMIT", 5)
    assert daemon.client()("PING") == "PONG"


def test_a_thousand_connections_come_and_go(daemon):
    daemon.client()("PING")
    before = daemon.descriptors()
    for _ in range(4):
        clients = [Client(daemon.socket) for _ in range(250)]
        for client in clients[::2]:
            client.send("PING")
        for client in clients[::2]:
            assert client.read() == "PONG"
        for client in clients:
            client.close()
    eventually(lambda: daemon.descriptors() <= before + 1)


def test_running_out_of_descriptors_refuses_and_recovers(make_daemon):
    daemon = make_daemon(wrapper=["prlimit", "--nofile=128:128"]).ready()
    first = daemon.client()
    lease = first.acquire("gw0")
    crowd = [Client(daemon.socket, 10) for _ in range(200)]
    outcomes = set()
    for client in crowd:
        try:
            client.send("PING")
        except BrokenPipeError:
            pass  # sent away already; the reason can still be read
        try:
            answer = client.read_any()
            outcomes.add(answer.code if isinstance(answer, ReplyError) else answer)
        except (EOFError, ConnectionResetError):
            outcomes.add("closed without a word")
    for client in crowd:
        client.close()
    assert outcomes == {"PONG", "LIMIT"}
    assert first.lease(lease.lease).state == "held"
    eventually(lambda: answers(daemon))
    assert daemon.client().acquire("gw1").state == "held"
