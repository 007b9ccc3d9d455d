# SPDX-License-Identifier: MIT
"""What berthd says about templates (TEMPLATE) and resets (RESET), and building a template."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Callable

from berth.errors import BerthError, UnavailableError
from berth.gate import shortened
from berth.lease import Lease

if TYPE_CHECKING:
    from berth.client import Client

#: Seconds for which SEAL is said again while PostgreSQL is away.
_SEAL_AGAIN = 15.0
_AGAIN = 0.25


@dataclass(frozen=True)
class SealedTemplate:
    """What ``TEMPLATE SEAL`` came to."""

    key: str
    kind: str
    """"schema" or "database"."""
    tables: int
    rows: int
    bytes: int
    us: int
    """Microseconds that sealing took."""


@dataclass(frozen=True)
class TemplateRow:
    """One row of ``TEMPLATE LIST``."""

    key: str
    kind: str | None
    state: str
    """"building", "sealed" or "failed"."""
    tables: int | None
    rows: int | None
    bytes: int | None
    slots: int | None
    """Slots built from it, leased or not."""
    leases: int | None
    builder: str | None
    """Who builds it, for people; only while it is built."""
    runner: str | None
    age_ms: int | None
    idle_ms: int | None
    """Milliseconds since it was last used."""


@dataclass(frozen=True)
class Reset:
    """What ``RESET`` did."""

    tables: int
    """Tables that were not as the baseline has them."""
    rows: int
    """Rows removed and put back."""
    sequences: int
    """Sequences set back."""
    rebuilt: bool
    """Whether the slot was made anew, because its definitions had changed."""
    us: int
    """Microseconds that it took."""


@dataclass(frozen=True)
class TableDiff:
    """One row of ``DIFF``: a table that holds something else than the baseline."""

    table: str
    """As SQL writes it, quoted where it must be, without the schema."""
    rows_then: int | None
    """None: there was no such table."""
    rows_now: int | None
    """None: there is no such table any more."""
    written: int
    """How many of the rows that are there now the baseline did not write."""


@dataclass(frozen=True)
class Leak:
    """One row of ``LEAKS``: something that a lease's role has outside of its schema, or holds on to."""

    kind: str
    """"object", "prepared" (a transaction), "advisory" (a lock) or "session"."""
    what: str
    """Its name or key; of a session its last query."""
    pid: int | None
    """Of the session, or of the one that has the lock."""
    state: str | None
    """Of a session, as in pg_stat_activity: "idle", "idle in transaction", "active", …"""


def build(client: Client, lease: Lease, fn: Callable[[Lease], object]) -> None:
    """Calls `fn` and seals; aborts when that fails, with a message unless it was interrupted."""
    try:
        fn(lease)
        _seal(client, lease)
    except Exception as e:
        _give_up(client, lease, describe(e))
        raise
    except BaseException:  # Ctrl-C: whoever waits builds it
        _give_up(client, lease, None)
        raise


def describe(e: Exception) -> str:
    """As others are told of it: what berthd (or the caller, in its words) said goes as it is."""
    text = str(e) if isinstance(e, BerthError) else f"{type(e).__name__}: {e}"
    return shortened(text)


def _seal(client: Client, lease: Lease) -> None:
    until = time.monotonic() + _SEAL_AGAIN
    while True:
        try:
            client.template_seal(lease)
            return
        except UnavailableError:
            if time.monotonic() >= until:
                raise
        time.sleep(_AGAIN)


def _give_up(client: Client, lease: Lease, message: str | None) -> None:
    with contextlib.suppress(BerthError):  # what is raised is why it was given up
        client.template_abort(lease, message)
