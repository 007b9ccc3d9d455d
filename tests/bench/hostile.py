# SPDX-License-Identifier: MIT
"""Clients that mean no good, each at work until it is ended: python -m bench.hostile KIND SOCKET."""

from __future__ import annotations

import resource
import socket
import sys
import time
from collections.abc import Callable


def connect(path: str) -> socket.socket | None:
    """Connected and not blocking, or None: refused."""
    one = socket.socket(socket.AF_UNIX)
    try:
        one.connect(path)
        one.setblocking(False)
        return one
    except OSError:
        one.close()
        return None


def send(one: socket.socket, data: bytes) -> bool:
    """False: it was closed."""
    try:
        one.send(data)
    except BlockingIOError:
        pass
    except OSError:
        return False
    return True


def slow(path: str) -> None:
    """Two hundred at a time, each of which says one byte in a while."""
    line = b"ACQUIRE gw0 RUN slow " + b"x" * 4000
    crowd: list[tuple[socket.socket, int]] = []
    while True:
        while len(crowd) < 200 and (one := connect(path)):
            crowd.append((one, 0))
        crowd = [(one, at + 1) for one, at in crowd if send(one, line[at % 4000 :][:1])]
        time.sleep(0.01)


def again_and_again(data: bytes) -> Callable[[str], None]:
    def run(path: str) -> None:
        while True:
            one = connect(path)
            while one and send(one, data):
                try:
                    if one.recv(65536) == b"":
                        break
                except BlockingIOError:
                    continue
                except OSError:
                    break
            if one:
                one.close()

    return run


def deaf(path: str) -> None:
    """Asks for much, a hundred times over, and reads none of it."""
    crowd: list[socket.socket] = []
    while True:
        while len(crowd) < 100 and (one := connect(path)):
            crowd.append(one)
        crowd = [one for one in crowd if send(one, b"COMMAND\r\n" * 500)]
        time.sleep(0.001)


def half_open(path: str) -> None:
    """Asks, and is gone before the answer."""
    while True:
        one = connect(path)
        if one:
            send(one, b"LEASES\r\nINFO\r\nCOMMAND\r\n")
            one.close()


def ten_thousand(path: str) -> None:
    """As many connections as it can get, and then one more, for ever."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    crowd: list[socket.socket] = []
    while True:
        one = connect(path)
        if one:
            crowd.append(one)
        if len(crowd) == 10000:
            for gone in crowd[:100]:
                gone.close()
            del crowd[:100]


KINDS: dict[str, Callable[[str], None]] = {
    "slow": slow,
    "huge": again_and_again(b"*1\r\n$65000\r\n" + b"x" * 65000 + b"\r\n"),
    "too large": again_and_again(b"*2\r\n$4\r\nPING\r\n$1073741824\r\n"),
    "endless": again_and_again(b"x" * 65536),
    "deaf": deaf,
    "half-open": half_open,
    "10,000 connections": ten_thousand,
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](sys.argv[2])
