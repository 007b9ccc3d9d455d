# SPDX-License-Identifier: MIT
"""What tests leave outside of their lease: looked for once at the end, or after each test.

Seen are objects that the lease's role owns elsewhere, prepared transactions, advisory locks and
sessions in a transaction. Idle sessions are no leak, for they may be a pool's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

import berth
from pytest_berth.resets import in_one_transaction

if TYPE_CHECKING:
    from pytest_berth.holder import Holder

_LONGEST = 160
#: Seconds.
_PATIENCE, _AGAIN = 0.5, 0.02


class Leaks:
    """Tells the holder's tally of what was not there before."""

    def __init__(self, holder: Holder, client: berth.Client, every: str) -> None:
        self._holder = holder
        self._client = client
        self._every_test = every == "test"
        self._known: set[tuple[str, str]] = set()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, None, None]:
        """When all that was torn down behind the test is."""
        yield
        if self._every_test:
            found = self._new(sessions=not in_one_transaction(item))
            if found:
                item.user_properties.append(("berth_leaks", "; ".join(found)))
            self._holder.tally.leaked(item.nodeid, found)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """When session-scoped fixtures are torn down; before xdist tells the controller."""
        after = f"{self._holder.worker}, at the end," if self._every_test else self._holder.worker
        self._holder.tally.leaked(after, self._new(sessions=True))
        self._holder.publish(session.config)

    def _new(self, sessions: bool) -> list[str]:
        found: list[berth.Leak] = []
        for lease in self._holder.leases:
            with contextlib.suppress(berth.BerthError):  # an old daemon, or PostgreSQL is away
                found += self._new_of(lease, sessions)
        self._known.update(map(_key, found))
        return [_text(leak) for leak in found]

    def _new_of(self, lease: berth.Lease, sessions: bool) -> list[berth.Leak]:
        """A session that was closed just now takes a moment to go."""
        until = time.monotonic() + _PATIENCE
        while True:
            found = [
                leak
                for leak in self._client.leaks(lease)
                if _key(leak) not in self._known
                and (leak.kind != "session" or (sessions and leak.state != "idle"))
            ]
            if all(leak.pid is None for leak in found) or time.monotonic() >= until:
                return found
            time.sleep(_AGAIN)


def _key(leak: berth.Leak) -> tuple[str, str]:
    return leak.kind, str(leak.pid) if leak.kind == "session" else leak.what


def _text(leak: berth.Leak) -> str:
    what = leak.what if len(leak.what) <= _LONGEST else leak.what[: _LONGEST - 3] + "..."
    if leak.kind == "prepared":
        return f"the prepared transaction '{what}'"
    if leak.kind == "advisory":
        return f"the advisory lock {what} (pid {leak.pid})"
    if leak.kind == "session":
        return f"a session that is {leak.state} (pid {leak.pid}): {what}"
    return what
