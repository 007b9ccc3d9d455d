# SPDX-License-Identifier: MIT
"""berthd leaves when told to, takes everything with it, and guards its socket till then."""

import os
import signal
import socket
import time

import psycopg
import pytest

from harness import eventually
from harness.daemon import left
from harness.resp import Client, ReplyError, as_map
from harness.wait import SLOW, ms


def gone(daemon, timeout=20) -> int:
    return daemon.process.wait(timeout * SLOW)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drops_everything_and_exits_0(daemon, sig):
    client = daemon.client()
    leases = [
        client.acquire("gw0"),
        client.acquire("gw1", detach=True),
        client.acquire("gw2", kind="database"),
        client.acquire("gw3", redis="private"),
        client.acquire("gw4", redis="index"),
    ]
    sessions = [daemon.sql(x) for x in leases]
    sessions[0].execute("CREATE TABLE t (a int)")
    sessions[0].execute("BEGIN")
    daemon.kv(leases[0]).set("k", "v")
    client("RELEASE", client.acquire("gw5").lease, "KEEP", "60000")

    daemon.process.send_signal(sig)

    assert gone(daemon) == 0
    assert left(daemon.pg, daemon.redis, 0) == []
    assert not daemon.socket.exists()
    with pytest.raises(psycopg.Error):
        sessions[0].execute("SELECT 1")


def test_a_second_signal_exits_at_once(make_daemon, own_pg, own_redis):
    daemon = make_daemon(pg=own_pg, redis=own_redis, drain_ms=60000)
    daemon.client().acquire("gw0")
    own_pg.pause()
    try:
        daemon.process.send_signal(signal.SIGTERM)
        eventually(lambda: daemon.log.has(event="shutdown") or not _accepts(daemon))
        daemon.process.send_signal(signal.SIGTERM)
        status = gone(daemon, 3)
    finally:
        own_pg.resume()
    daemon.expected_exit = status
    own_pg.scrub(), own_redis.scrub()


def test_a_second_signal_while_redis_hangs_exits_at_once(make_daemon, own_redis):
    """Claims are under way, and nobody will ever answer them."""
    daemon = make_daemon(redis=own_redis, pool_redis=4, drain_ms=60000).ready()
    own_redis.pause()
    try:
        for i in range(10):
            daemon.client().send("ACQUIRE", f"gw{i}", "WAIT", "60000")
        eventually(lambda: [x for x in daemon.client().leases() if x.state == "queued"])
        daemon.process.terminate()
        eventually(lambda: daemon.log.has(event="berthd.shutdown"))
        daemon.process.terminate()
        status = gone(daemon, 5)
    finally:
        own_redis.resume()
    assert status >= 0 and status != 99, daemon.log.tail()
    daemon.expected_exit = status
    daemon.pg.scrub(), own_redis.scrub()


def _accepts(daemon) -> bool:
    try:
        with Client(daemon.socket, 2) as client:
            client("ACQUIRE", "probe")
    except (ReplyError, EOFError, OSError):
        return False
    return True


def test_shutdown_waits_for_the_leases_and_takes_no_new_ones(daemon):
    worker, admin = daemon.client(), daemon.client()
    lease = worker.acquire("gw0")
    admin.send("SHUTDOWN")

    late = daemon.client()
    eventually(lambda: not _accepts(daemon))
    with pytest.raises(ReplyError) as e:
        late("ACQUIRE", "gw1", "WAIT", "5000")
    assert e.value.code in ("BUSY", "UNAVAILABLE", "DENIED")
    assert worker.lease(lease.lease).state == "held"
    assert worker.acquire("gw0").lease == lease.lease
    assert daemon.sql(lease).execute("SELECT 1").fetchone() == (1,)
    assert daemon.running()

    assert worker("RELEASE", lease.lease) == "OK"
    assert gone(daemon) == 0


@pytest.mark.berthd(drain_ms=ms(700))
def test_shutdown_does_not_wait_longer_than_drain_ms(daemon):
    worker, admin = daemon.client(), daemon.client()
    worker.acquire("gw0")
    began = time.monotonic()
    admin.send("SHUTDOWN")
    assert gone(daemon) == 0
    assert 0.5 < time.monotonic() - began < 10 * SLOW


def test_shutdown_with_nobody_there_is_at_once(daemon):
    daemon.ready()
    began = time.monotonic()
    daemon.client().send("SHUTDOWN")
    assert gone(daemon) == 0
    assert time.monotonic() - began < 3 * SLOW


def test_shutdown_now_ends_every_lease(daemon):
    worker, admin = daemon.client(), daemon.client()
    worker.acquire("gw0")
    began = time.monotonic()
    admin.send("SHUTDOWN", "NOW")
    assert gone(daemon) == 0
    assert time.monotonic() - began < 5 * SLOW


def test_shutdown_now_overtakes_a_drain(daemon):
    worker, admin = daemon.client(), daemon.client()
    worker.acquire("gw0")
    admin.send("SHUTDOWN")
    eventually(lambda: not _accepts(daemon))
    assert daemon.running()
    daemon.client().send("SHUTDOWN", "NOW")
    assert gone(daemon) == 0


def test_a_waiter_is_told_when_the_daemon_leaves(make_daemon, make_redis):
    daemon = make_daemon(redis=make_redis(databases=4))
    holder, waiter = daemon.client(), daemon.client()
    holder.acquire("gw0"), holder.acquire("gw1")
    waiter.send("ACQUIRE", "gw2", "WAIT", "60000")
    eventually(lambda: len(holder.leases()) == 3)
    daemon.process.terminate()
    try:
        answer = waiter.read_any()
        assert isinstance(answer, ReplyError) and answer.code in ("UNAVAILABLE", "BUSY"), answer
    except (EOFError, ConnectionResetError):
        pass
    assert gone(daemon) == 0


def test_while_building_a_signal_leaves_nothing(make_daemon):
    for delay in (0, 0.005, 0.02, 0.05):
        daemon = make_daemon(pool_schemas=16, pool_databases=2)
        time.sleep(delay)  # the moment of the signal is the story
        daemon.process.terminate()
        assert gone(daemon) == 0
        assert left(daemon.pg, daemon.redis, 0) == []


# The socket.


def test_a_stale_socket_is_replaced(make_daemon):
    daemon = make_daemon(start=False)
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(daemon.socket))
    assert daemon.socket.exists()
    daemon.start()
    assert daemon.client()("PING") == "PONG"


def test_after_a_kill_the_next_one_starts_on_the_same_socket(make_daemon):
    first = make_daemon()
    lease = first.client().acquire("gw0")
    first.kill()
    assert first.socket.exists()
    second = make_daemon(socket=first.socket)
    assert second.client().acquire("gw0").dsn == lease.dsn


def test_a_second_daemon_on_the_same_socket_refuses(daemon, make_daemon):
    lease = daemon.client().acquire("gw0")
    second = make_daemon(start=False, socket=daemon.socket)
    second.spawn()
    second.expected_exit = second.process.wait(10 * SLOW)
    assert second.expected_exit > 0
    assert str(daemon.socket) in second.log.text()
    assert daemon.client().lease(lease.lease).state == "held"
    assert second.socket.exists()


def test_a_foreign_listener_on_the_path_is_not_replaced(make_daemon):
    daemon = make_daemon(start=False)
    with socket.socket(socket.AF_UNIX) as foreign:
        foreign.bind(str(daemon.socket))
        foreign.listen()
        daemon.spawn()
        daemon.expected_exit = daemon.process.wait(10 * SLOW)
        assert daemon.expected_exit > 0
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(daemon.socket))
    os.unlink(daemon.socket)


def test_a_file_that_is_no_socket_is_not_removed(make_daemon):
    daemon = make_daemon(start=False)
    daemon.socket.write_text("precious")
    daemon.spawn()
    daemon.expected_exit = daemon.process.wait(10 * SLOW)
    assert daemon.expected_exit > 0
    assert daemon.socket.read_text() == "precious"
    assert str(daemon.socket) in daemon.log.text()


def test_a_directory_that_is_missing_is_made_or_named(make_daemon):
    daemon = make_daemon(start=False)
    daemon.socket = daemon.dir / "sub" / "b.sock"
    daemon.settings["socket"] = daemon.socket
    daemon.spawn()
    eventually(lambda: daemon.socket.exists() or not daemon.running())
    if daemon.running():
        assert daemon.leave() == 0
        daemon.socket.parent.joinpath("b.sock.lock").unlink()
        daemon.socket.parent.rmdir()
    else:
        daemon.expected_exit = daemon.process.returncode
        assert daemon.expected_exit > 0 and str(daemon.socket.parent) in daemon.log.text()


def test_a_path_that_is_too_long_is_named(make_daemon):
    daemon = make_daemon(start=False, socket="/tmp/" + "x" * 200)
    daemon.spawn()
    daemon.expected_exit = daemon.process.wait(10 * SLOW)
    assert daemon.expected_exit > 0 and "xxx" in daemon.log.text()


def test_the_socket_is_for_owner_and_group(daemon):
    assert daemon.socket.stat().st_mode & 0o777 == 0o660


def test_restarting_takes_no_time_to_speak_of(make_daemon):
    daemon = make_daemon()
    path = daemon.socket
    for _ in range(5):
        assert daemon.stop() == 0
        daemon = make_daemon(socket=path)
        assert as_map(daemon.client()("ACQUIRE", "gw0", "WAIT", "10000")).state == "held"
