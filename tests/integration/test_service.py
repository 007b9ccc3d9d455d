# SPDX-License-Identifier: MIT
"""What systemd and berthd say to each other: readiness, reloads, the watchdog, the socket."""

import re
import signal
import socket

import pytest

from harness import eventually, places
from harness.resp import Client
from harness.wait import SLOW, stays


class Manager:
    """systemd's side: the datagrams that a service sends, and a socket to hand over."""

    def __init__(self):
        self.dir = places.new_dir("sd")
        self.said: list[str] = []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.dir / "notify"))
        self.notify.setblocking(False)
        self.env = {"NOTIFY_SOCKET": str(self.dir / "notify")}
        self.path = self.dir / "berth.sock"

    def listen(self) -> socket.socket:
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(16)
        return self.listener

    def hear(self) -> list[str]:
        """Every message so far, in order."""
        try:
            while True:
                self.said.append(self.notify.recv(4096).decode())
        except BlockingIOError:
            return self.said

    def heard(self, pattern: str) -> list[str]:
        return [m for m in self.hear() if re.search(pattern, m, re.M)]

    def await_(self, pattern: str) -> str:
        return eventually(lambda: self.heard(pattern), 30, f"message {pattern}")[-1]

    def close(self) -> None:
        self.notify.close()
        if hasattr(self, "listener"):
            self.listener.close()


@pytest.fixture
def manager():
    one = Manager()
    yield one
    one.close()


def test_it_says_when_it_is_ready_reloads_and_leaves(make_daemon, manager):
    daemon = make_daemon(env=manager.env | {"WATCHDOG_USEC": "400000"})
    manager.await_("^READY=1$")
    client = daemon.client()
    client.acquire("gw0"), client.acquire("gw1")
    manager.await_(r"^STATUS=2 leases held, 0 waiting; ready: \d+ schemas")

    manager.said.clear()
    daemon.process.send_signal(signal.SIGHUP)
    manager.await_("^READY=1$")
    reloading = manager.await_(r"^RELOADING=1\nMONOTONIC_USEC=[1-9]\d+$")
    said = manager.hear()
    assert said.index(reloading) < said.index("READY=1")

    daemon.process.terminate()
    manager.await_("^STOPPING=1$")


def test_the_status_says_why_nothing_can_be_leased(make_daemon, manager):
    nowhere = "postgresql://nobody@/x?host=/nonexistent"
    env = manager.env | {"WATCHDOG_USEC": "400000"}
    make_daemon(env=env, pg_dsn=nowhere, redis=None)
    manager.await_("^READY=1$")
    manager.await_(r"^STATUS=0 leases held.*; PostgreSQL at /nonexistent")


def test_the_watchdog_is_fed_from_the_loop_alone(make_daemon, manager):
    daemon = make_daemon(env=manager.env | {"WATCHDOG_USEC": "200000"})
    eventually(lambda: len(manager.heard("^WATCHDOG=1$")) >= 3, 30)
    daemon.pause()
    try:
        fed = len(manager.heard("^WATCHDOG=1$"))
        stays(lambda: len(manager.heard("^WATCHDOG=1$")) <= fed + 1, 0.5)
    finally:
        daemon.resume()
    eventually(lambda: len(manager.heard("^WATCHDOG=1$")) >= fed + 3, 30)


def test_a_socket_that_is_handed_over_outlives_the_daemon(make_daemon, manager):
    listener = manager.listen()
    one = make_daemon(start=False, handed=listener.fileno())
    one.spawn()
    with Client(manager.path, 30 * SLOW) as client:
        assert client("PING") == "PONG"
        assert f"socket:{manager.path}" in client("INFO", "server")
    assert not one.socket.exists()
    assert one.leave() == 0
    assert manager.path.exists()

    with Client(manager.path, 30 * SLOW) as early:  # nobody listens yet, and nobody is refused
        early.send("PING")
        two = make_daemon(start=False, handed=listener.fileno())
        two.spawn()
        assert early.read() == "PONG"
        assert two.leave() == 0


def test_no_two_daemons_share_a_socket_that_is_handed_over(make_daemon, manager):
    listener = manager.listen()
    one = make_daemon(start=False, handed=listener.fileno())
    one.spawn()
    with Client(manager.path, 30 * SLOW) as client:
        assert client("PING") == "PONG"
    two = make_daemon(start=False, handed=listener.fileno())
    two.spawn()
    two.expected_exit = two.process.wait(30 * SLOW)
    assert two.expected_exit == 1 and f"pid {one.pid}" in two.log.text()


@pytest.mark.parametrize(
    "other",
    [
        lambda: open("/dev/null"),
        lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
        lambda: socket.socket(socket.AF_UNIX),
        lambda: socket.create_server(("127.0.0.1", 0)),
    ],
    ids=["file", "datagram", "not listening", "tcp"],
)
def test_something_else_that_is_handed_over_is_refused(make_daemon, other):
    with other() as given:
        daemon = make_daemon(start=False, handed=given.fileno())
        daemon.spawn()
    daemon.expected_exit = daemon.process.wait(30 * SLOW)
    assert daemon.expected_exit == 2 and "LISTEN_FDS" in daemon.log.text()
