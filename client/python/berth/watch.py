# SPDX-License-Identifier: MIT
"""A thread that notices the other end of a socket hanging up while nobody talks."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from typing import Callable

#: Linux tells of it by this; POLLHUP, which nobody needs to ask for, does elsewhere.
_HUNG_UP: int = getattr(select, "POLLRDHUP", 0)
#: Seconds that a fork waits for the thread to end.
_PATIENCE = 1.0

#: Waits for so many seconds; returns early, and True, when there is no use in it any more.
Wait = Callable[[float], bool]


class Watch:
    """Calls `on_hang_up(sock, wait)` when the peer of `sock_of()` hangs up, in a daemon thread.

    Again and again, as long as it is hung up; it may stop() the watch. A process that forks should
    have one thread: stop() before it, start() after it.
    """

    def __init__(
        self,
        sock_of: Callable[[], socket.socket],
        on_hang_up: Callable[[socket.socket, Wait], object],
    ) -> None:
        self._sock_of = sock_of
        self._on_hang_up = on_hang_up
        self._thread: threading.Thread | None = None
        self._wake = -1

    def start(self) -> None:
        """Once is enough."""
        if self._thread is None:
            read, self._wake = os.pipe()
            self._thread = threading.Thread(
                target=self._run, args=(read,), name="berth watch", daemon=True
            )
            self._thread.start()

    def stop(self) -> bool:
        """Whether it ran."""
        thread, self._thread = self._thread, None
        if thread is None:
            return False
        os.close(self._wake)
        if thread is not threading.current_thread():
            thread.join(_PATIENCE)
        return True

    def _run(self, wake: int) -> None:
        stopped = select.poll()
        stopped.register(wake, select.POLLIN)

        def wait(seconds: float) -> bool:
            return bool(stopped.poll(seconds * 1000))

        sock = self._sock_of()
        while not wait(0):
            either = select.poll()
            either.register(wake, select.POLLIN)
            with contextlib.suppress(ValueError):  # it is closed
                either.register(sock, _HUNG_UP)
                either.poll()
            if not wait(0):
                self._on_hang_up(sock, wait)
            sock = self._sock_of()
        os.close(wake)
