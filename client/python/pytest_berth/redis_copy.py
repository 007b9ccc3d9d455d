# SPDX-License-Identifier: MIT
"""Copies the keys of one lease's Redis database into another's, as the users of both."""

from __future__ import annotations

import contextlib
import shlex
import socket
from collections.abc import Generator, Sequence
from typing import Any

import berth
from berth.resp import Argument, ReplyReader, encode

_TIMEOUT = 10.0
#: Keys asked for at a time, and in all.
_BATCH, _MOST = 500, 20_000


def command(lease: berth.Lease) -> str:
    """How a person looks into it."""
    argv = ["redis-cli", "--no-auth-warning", "-n", str(lease.redis_db or 0)]
    if lease.redis_socket:
        argv += ["-s", lease.redis_socket]
    else:
        argv += ["-h", lease.redis_host or "", "-p", str(lease.redis_port)]
    if lease.redis_password:
        argv += ["--user", lease.redis_user or "default", "--pass", lease.redis_password]
    return " ".join(map(shlex.quote, argv))


def copy(lease: berth.Lease, to: berth.Lease) -> int:
    """How many keys there were. Raises BerthError (also for what Redis refuses) and OSError."""
    copied = 0
    with _opened(lease) as source, _opened(to) as target:
        cursor = "0"
        while True:
            cursor, keys = source.ask(["SCAN", cursor, "COUNT", _BATCH])[0]
            copied += _some(source, target, keys)
            if cursor == "0":
                return copied
            if copied >= _MOST:
                raise berth.LimitError(f"more than {_MOST} keys")


def _some(source: _Connection, target: _Connection, keys: list[str]) -> int:
    """Those that are still there."""
    dumps = source.ask(*(["DUMP", key] for key in keys))
    times = source.ask(*(["PTTL", key] for key in keys))
    rows = [row for row in zip(keys, times, dumps) if row[2] is not None]
    target.ask(*(["RESTORE", k, max(ms, 0), dump, "REPLACE"] for k, ms, dump in rows))
    return len(rows)


@contextlib.contextmanager
def _opened(lease: berth.Lease) -> Generator[_Connection, None, None]:
    if (lease.redis_url or "").startswith("rediss:"):
        raise berth.UsageError("a Redis that is reached by TLS is not copied")
    if lease.redis_socket:
        sock = socket.socket(socket.AF_UNIX)
    else:
        sock = socket.create_connection((lease.redis_host, lease.redis_port or 6379), _TIMEOUT)
    with sock:
        sock.settimeout(_TIMEOUT)
        if lease.redis_socket:
            sock.connect(lease.redis_socket)
        connection = _Connection(sock)
        if lease.redis_password:
            connection.ask(["AUTH", lease.redis_user or "default", lease.redis_password])
        connection.ask(["SELECT", lease.redis_db or 0])
        yield connection


class _Connection:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reader = ReplyReader(sock.recv)

    def ask(self, *requests: Sequence[Argument]) -> list[Any]:
        """All of them in one go; the first error is raised."""
        self._sock.sendall(b"".join(encode(*request) for request in requests))
        replies = [self._reader.read() for _ in requests]
        for reply in replies:
            if isinstance(reply, berth.BerthError):
                raise reply
        return replies
