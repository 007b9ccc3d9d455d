# SPDX-License-Identifier: MIT
"""--berth-keep: the state in which a test has failed, copied before anybody tidies it up.

The copy is a lease of its own, detached for a while; the worker goes on with its own. What the test
has not committed is in neither.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING, Any

import pytest

import berth
from pytest_berth import redis_copy

if TYPE_CHECKING:
    from pytest_berth.holder import Holder

#: Of one worker; each takes a schema and a Redis database from everybody else.
_MOST = 3
#: Seconds to wait for a slot; the worker waits with it.
_WAIT = 10.0
_TABLES_SHOWN = 30


class Keeper:
    """Adds a section to the reports of tests that fail."""

    def __init__(self, holder: Holder, client: berth.Client, seconds: float) -> None:
        self._holder = holder
        self._client = client
        self._seconds = seconds
        self._kept = 0

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, Any, None]:
        outcome = yield
        report = outcome.get_result()
        if report.failed and report.when != "teardown":
            report.sections.append(("berth", "\n".join(self._lines(item))))

    def _lines(self, item: pytest.Item) -> Iterable[str]:
        for lease in self._holder.leases:
            yield from self._differences(lease)
        if self._kept >= _MOST:
            yield f"Not kept: {_MOST} of {self._holder.worker} are already."
            return
        try:
            for lease in self._holder.leases:
                yield from self._keep(lease, item)
        except (berth.BerthError, OSError) as e:
            yield f"Not kept: {e}"

    # -- what differs --------------------------------------------------------------------------

    def _differences(self, lease: berth.Lease) -> Iterable[str]:
        try:
            rows = self._client.diff(lease)
        except berth.BerthError as e:
            yield f"No differences to show: {e}"
            return
        origin = self._holder.resets.origin(lease)
        if not rows:
            yield f"What is committed in {lease.schema} does not differ from {origin}."
            return
        yield f"Tables of {lease.schema} that differ from {origin}:"
        width = max(len(row.table) for row in rows[:_TABLES_SHOWN])
        for row in rows[:_TABLES_SHOWN]:
            yield f"  {row.table:{width}}  {_change(row)}"
        if len(rows) > _TABLES_SHOWN:
            yield f"  and {len(rows) - _TABLES_SHOWN} more"

    # -- keeping it ----------------------------------------------------------------------------

    def _keep(self, lease: berth.Lease, item: pytest.Item) -> Iterable[str]:
        self._kept += 1
        copy = self._client.acquire(
            f"{lease.worker[:50]}_kept{self._kept}",
            run=lease.run,
            redis=lease.redis,
            ttl=self._seconds,
            wait=_WAIT,
            detach=True,
            label=f"kept: {item.nodeid}".encode("ascii", "replace").decode()[:200],
        )
        try:
            self._client.copy(lease, copy)
        except BaseException:
            self._client.release(copy)
            raise
        self._holder.tally.kept(item.nodeid, copy.id)
        until = time.strftime("%H:%M:%S", time.localtime(time.time() + self._seconds))
        release = f"berth --socket {shlex.quote(self._client.path)} release {copy.id}"
        yield f"Kept until {until} (or {release}), as it was when the test failed:"
        yield f"  psql {shlex.quote(copy.dsn)}"
        if copy.redis_url is not None:
            yield f"  {redis_copy.command(copy)}{self._copy_redis(lease, copy)}"

    def _copy_redis(self, lease: berth.Lease, copy: berth.Lease) -> str:
        try:
            keys = redis_copy.copy(lease, copy)
        except (berth.BerthError, OSError) as e:
            return f"    (not all of it: {e})"
        return f"    ({keys} {'key' if keys == 1 else 'keys'})"


def _change(row: berth.TableDiff) -> str:
    if row.rows_then is None:
        return f"new, {row.rows_now} rows"
    if row.rows_now is None:
        return f"gone, {row.rows_then} rows"
    return f"{row.rows_then} -> {row.rows_now} rows, {row.written} written"
