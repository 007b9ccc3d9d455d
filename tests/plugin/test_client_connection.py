# SPDX-License-Identifier: MIT
"""One connection of the Python client: where it goes, what breaks it, what a fork does."""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import contextmanager

import berth
import pytest

from harness import eventually, places


@contextmanager
def peer(*replies: bytes):
    """A listening socket whose one connection answers HELLO, then these bytes, then keeps still."""
    path = places.new_dir("p") / "p.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen(1)
    done = threading.Event()

    def serve():
        with listener, listener.accept()[0] as sock:
            sock.recv(1000)
            sock.sendall(b"*2\r\n+server\r\n+peer\r\n")
            for reply in replies:
                sock.recv(1000)
                sock.sendall(reply)
            done.wait(10)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield path
    finally:
        done.set()
        thread.join()


def connections(fake) -> int:
    return sum(len(holders) for holders in fake.holders.values())


def test_the_socket_is_the_one_given_else_the_environments_else_the_usual_places(monkeypatch):
    monkeypatch.setenv("BERTH_SOCKET", "/env.sock")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert berth.socket_paths("/given.sock") == ["/given.sock"]
    assert berth.socket_paths() == ["/env.sock"]

    monkeypatch.delenv("BERTH_SOCKET")
    usual = ["/run/user/7/berth/berth.sock", "/run/berth/berth.sock"]
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert berth.socket_paths() == usual
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert berth.socket_paths() == usual[::-1]

    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert berth.socket_paths() == ["/run/berth/berth.sock"]


def test_a_daemon_that_is_not_there_is_told_with_each_path_tried(tmp_path, monkeypatch):
    monkeypatch.delenv("BERTH_SOCKET", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))

    with pytest.raises(berth.UnreachableError, match=rf"{tmp_path}/berth/berth.sock: No such file"):
        berth.connect()
    with pytest.raises(berth.UnreachableError, match="too long"):
        berth.connect("/x" * 100)


def test_an_answer_that_does_not_come_in_time_closes_the_connection():
    with peer() as path, berth.connect(path, timeout=0.05) as client:
        with pytest.raises(berth.UnreachableError, match="no answer .* within 0.05 s"):
            client.ping()
        with pytest.raises(berth.UnreachableError, match="no answer"):
            client.ping()  # not the late answer to the first


def test_an_answer_that_is_no_reply_closes_the_connection():
    with peer(b"what?\r\n") as path, berth.connect(path) as client:
        with pytest.raises(berth.ProtocolError):
            client.ping()
        with pytest.raises(berth.UnreachableError):
            client.ping()


def test_answers_of_the_wrong_shape_are_protocol_errors():
    shapes = [b"+what\r\n", b"*1\r\n+x\r\n", b"*2\r\n+lease\r\n:1\r\n", b"*2\r\n:1\r\n:2\r\n"]
    for shape in shapes:
        with peer(shape) as path, berth.connect(path) as client:
            with pytest.raises(berth.ProtocolError):
                client.request("gw0")


def test_ctrl_c_in_the_middle_of_a_reply_closes_the_connection():
    with peer(b"$100\r\nhalf") as path, berth.connect(path) as client:
        before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                client.command("ECHO", "x" * 100)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        with pytest.raises(berth.UnreachableError, match="given up"):
            client.ping()


def test_a_closed_client_says_so(fake):
    client = berth.connect(fake.path)
    client.close()
    client.close()

    with pytest.raises(berth.UnreachableError, match="was closed"):
        client.ping()
    assert "closed" in repr(client)


def test_threads_take_turns(fake):
    with berth.connect(fake.path) as client:
        names = [f"gw{i}" for i in range(8)]
        leases = {}

        def acquire(name):
            for _ in range(50):
                leases[name] = client.acquire(name)

        threads = [threading.Thread(target=acquire, args=[name]) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert {name: lease.worker for name, lease in leases.items()} == {n: n for n in names}


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_child_cannot_use_the_connection_and_does_not_keep_it_open(fake):
    client = berth.connect(fake.path)
    client.acquire("gw0")
    read, write = os.pipe()

    child = os.fork()
    if child == 0:
        try:
            client.ping()
            os.write(write, b"it answered")
        except berth.UnreachableError as e:
            os.write(write, str(e).encode())
        client.close()  # as an exit handler might
        os.write(write, b".")
        signal.pause()
        os._exit(0)

    try:
        said = b""
        while not said.endswith(b"."):
            said += os.read(read, 1000)
        assert b"belongs to the parent" in said
        client.ping()  # the child's close() did not close the parent's
        client.close()
        eventually(lambda: connections(fake) == 0, what="the daemon sees the end of the connection")
        assert fake.leases == {}
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(read)
        os.close(write)


def test_a_program_that_is_executed_does_not_inherit_the_connection(fake):
    with berth.connect(fake.path) as client:
        assert not os.get_inheritable(client._sock.fileno())


def test_a_lease_keeps_its_secrets_out_of_its_repr(fake):
    with berth.connect(fake.path) as client:
        lease = client.acquire("gw0")

    assert lease.password == "s3cret"
    assert "s3cret" not in repr(lease)
    assert lease.schema in repr(lease)
