# SPDX-License-Identifier: MIT
"""The socket to berthd, and the way back to a daemon that was started again."""

from __future__ import annotations

import contextlib
import os
import random
import socket as _socket
import threading
import time
import weakref
from collections.abc import Iterator
from typing import Any, Callable

from berth.errors import BerthError, NoLeaseError, UnreachableError
from berth.lease import Lease, Waiting, as_map
from berth.resp import Argument, ReplyReader, encode
from berth.watch import Wait, Watch

#: Seconds before the second attempt to come back, and the most between two.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
#: Seconds after which a connection that another thread is busy with is looked at again.
_BUSY = 0.1

_GIVEN_UP = "the connection was given up in the middle of a reply"


class _Broken(Exception):
    """The connection is gone; another one may do."""


class Connection:
    """One socket to berthd at a time; what hangs on it is attached again when it breaks.

    Threads may share it; they take turns. A thread of its own watches the socket while leases hang
    on it, so that they come back also when nobody asks for anything; it stands still while this
    process forks. A child that was forked may not use it: it drops its copy at once, so that it
    does not keep the leases alive. The socket is closed when a program is executed.
    """

    def __init__(self, path: str, timeout: float, resp: int, reattach: float) -> None:
        self.path = path
        self.timeout = timeout
        self.reattach = reattach
        """Seconds for which a daemon that went away is looked for; 0 for not at all."""
        self.server: dict[str, Any] = {}
        """What the daemon said to HELLO."""
        self.lost: dict[str, BerthError] = {}
        """Leases that did not outlive an earlier daemon, by id, and why."""
        self.on_lost: Callable[[str, BerthError], object] = lambda lease, error: None
        """Told of each of them at once, perhaps in another thread; it must not use the client."""
        self._resp = resp
        self._held: dict[str, Lease] = {}
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._closed = ""
        self._watch = Watch(lambda: self._sock, self._on_hang_up)
        _open_connections.add(self)
        try:
            self._open()
        except _Broken as e:
            self.close()
            raise UnreachableError(str(e)) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Closes the connection; leases that no other connection holds end. May be repeated."""
        self._close("the connection was closed")

    def _close(self, why: str) -> None:
        self._closed = self._closed or why
        _open_connections.discard(self)
        self._hang_up()
        if os.getpid() == self._pid:
            self._watch.stop()

    def _hang_up(self) -> None:
        if os.getpid() == self._pid:
            with contextlib.suppress(OSError):
                self._sock.shutdown(_socket.SHUT_RDWR)  # whoever else has a copy of the descriptor
        self._sock.close()

    # -- requests ------------------------------------------------------------------------------

    def command(self, *args: Argument, wait: float = 0.0) -> Any:
        """Sends any request and returns its reply; an error reply is raised as its BerthError.

        `wait` is the seconds that the request itself may take (its WAIT) beyond `timeout`. When
        the answer does not come in time the connection is closed, for it cannot be followed any
        further: UnreachableError. When the connection breaks the request is made again on the next.
        """
        reply = self._pipeline([encode(*args)], wait)[0]
        if isinstance(reply, NoLeaseError) and not self.lost.keys().isdisjoint(map(str, args)):
            raise NoLeaseError(
                f"{reply} (berthd was started again, and the lease did not outlive it)"
            )
        if isinstance(reply, BerthError):
            raise reply
        return reply

    def _pipeline(self, requests: list[bytes], wait: float) -> list[Any]:
        """Sends all of them before it reads their replies, of which errors are values."""
        with self._turn():
            pauses = self._pauses()
            while True:
                if self._closed:
                    raise UnreachableError(self._closed)
                try:
                    return self._exchange(requests, wait)
                except _Broken as e:
                    self._come_back(str(e), pauses, _sleep)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """This thread's turn: what a reply says of a lease is known before the next begins."""
        if os.getpid() != self._pid:
            raise UnreachableError(
                "this connection belongs to the parent process; open another one"
            )
        with self._lock:
            yield

    def _exchange(self, requests: list[bytes], wait: float) -> list[Any]:
        try:
            return self._talk(requests, wait)
        except _Broken:
            raise
        except BerthError as e:
            self._close(str(e))
            raise
        except BaseException:
            self._close(_GIVEN_UP)
            raise

    def _talk(self, requests: list[bytes], wait: float = 0.0) -> list[Any]:
        """After anything but _Broken it is not known what comes next on this socket."""
        try:
            self._sock.settimeout(wait + self.timeout)
            self._sock.sendall(b"".join(requests))
            return [self._reader.read() for _ in requests]
        except _socket.timeout:
            why = f"no answer from {self.path} within {wait + self.timeout:g} s"
            raise UnreachableError(why) from None
        except OSError as e:  # UnreachableError, at the end of the stream, is one
            raise _Broken(f"the connection to {self.path} broke: {e.strerror or e}") from None

    # -- what hangs on it ----------------------------------------------------------------------

    def _hold(self, lease: Lease | Waiting) -> None:
        """It ends with this connection, unless it is attached to the next one."""
        if isinstance(lease, Lease) and self.reattach > 0:
            self._held[lease.id] = lease
            self._watch.start()

    def _let_go(self, name: str) -> None:
        """`name` is its id, or run/worker."""
        for lease in list(self._held.values()):
            if name in (lease.id, f"{lease.run}/{lease.worker}"):
                del self._held[lease.id]
        if not self._held:
            self._watch.stop()

    # -- coming back ---------------------------------------------------------------------------

    def _open(self) -> None:
        self._sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        self._sock.settimeout(self.timeout)
        self._sock.connect(self.path)
        self._reader = ReplyReader(self._sock.recv)
        self.server = dict(as_map(self._talk_one("HELLO", self._resp)))

    def _talk_one(self, *args: Argument) -> Any:
        reply = self._talk([encode(*args)])[0]
        if isinstance(reply, BerthError):
            raise reply
        return reply

    def _pauses(self) -> Iterator[float]:
        """What to wait before each attempt: ever longer, and not all workers at once."""
        until = time.monotonic() + self.reattach
        pause = 0.0
        while time.monotonic() < until:
            yield pause * random.uniform(0.5, 1.0)
            pause = min(max(pause * 2, _FIRST_PAUSE), _LONGEST_PAUSE)

    def _come_back(self, why: str, pauses: Iterator[float], wait: Wait) -> None:
        """A new socket on which everything held is attached; else it is closed for good."""
        last = why
        for pause in pauses:
            if wait(pause) or self._closed:
                return
            self._hang_up()
            try:
                self._open()
                return self._attach_all()
            except (_Broken, BerthError, OSError) as e:
                last = getattr(e, "strerror", None) or str(e)
            except BaseException:
                self._close(_GIVEN_UP)
                raise
        if self.reattach > 0:
            why = f"{why}, and no daemon took its place within {self.reattach:g} s: {last}"
        self._close(why)
        for lease in list(self._held):
            self._lose(lease, UnreachableError(why))

    def _attach_all(self) -> None:
        for lease in list(self._held.values()):
            try:
                self._talk_one("ATTACH", lease.id, lease.fence)
            except BerthError as e:
                if e.retry:
                    raise
                self._lose(lease.id, e)

    def _lose(self, lease: str, error: BerthError) -> None:
        del self._held[lease]
        self.lost[lease] = error
        self.on_lost(lease, error)

    def _on_hang_up(self, sock: _socket.socket, wait: Wait) -> None:
        """For the watch; whoever talks meanwhile finds out by himself."""
        if not self._lock.acquire(blocking=False):
            wait(_BUSY)
            return
        try:
            if self._sock is sock and self._held and not self._closed:
                self._come_back(f"{self.path} closed the connection", self._pauses(), wait)
            if self._closed or not self._held:
                self._watch.stop()
        finally:
            self._lock.release()


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


# -- forks: a child's copy of a connection would keep its parent's leases alive, and whoever forks
# with a thread of ours is warned by Python --------------------------------------------------------

_open_connections: weakref.WeakSet[Connection] = weakref.WeakSet()
_stood_still: list[Connection] = []


def _before_fork() -> None:
    _stood_still[:] = [one for one in list(_open_connections) if one._watch.stop()]


def _after_in_parent() -> None:
    while _stood_still:
        _stood_still.pop()._watch.start()


def _after_in_child() -> None:
    _stood_still.clear()
    for one in list(_open_connections):
        one._sock.close()
    _open_connections.clear()


os.register_at_fork(
    before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
)
