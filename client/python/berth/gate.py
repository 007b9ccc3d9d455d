# SPDX-License-Identifier: MIT
"""What berthd says about the gate (ONCE) and about shared enums (ENUM), and running through the gate."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable

from berth.errors import OnceFailedError, ProtocolError, UnavailableError
from berth.lease import as_list, as_map, row_from

if TYPE_CHECKING:
    from berth.client import Client

#: Seconds for which the outcome of a run is told again when PostgreSQL is away.
_TELL = 15.0
_AGAIN = 0.1
#: The daemon keeps this much of a message.
_MESSAGE_BYTES = 500


@dataclass(frozen=True)
class Gate:
    """What ``ONCE ENTER`` came to."""

    state: str
    """"run" (it is this connection's turn), "wait" (another one runs it), "done" or "failed"."""
    fence: int
    """Names the run; once_done() and once_fail() take it."""
    message: str | None
    """Of a failure."""
    status: int
    """The exit status of a failure, else 0."""
    holder: str
    """Who runs or ran it: "host pid 123"."""
    age_ms: int
    """Milliseconds since it began, or since it ended."""


@dataclass(frozen=True)
class GateRow:
    """One row of ``ONCE LIST``."""

    key: str
    state: str
    """"running", "free" (its runner went away), "done" or "failed"."""
    fence: int
    holder: str
    uid: int
    age_ms: int
    message: str | None


@dataclass(frozen=True)
class SharedEnum:
    """One row of ``ENUM LIST``."""

    name: str
    schema: str
    labels: tuple[str, ...]
    """In their order."""


def enum_from(reply: Any) -> SharedEnum:
    row = as_map(reply)
    name, schema, labels = row.get("name"), row.get("schema"), as_list(row.get("labels"))
    if not isinstance(name, str) or not isinstance(schema, str):
        raise ProtocolError("an enum without a name or schema")
    if not all(isinstance(label, str) for label in labels):
        raise ProtocolError(f"the labels of enum {name} are not all texts")
    return SharedEnum(name, schema, tuple(labels))


def gate_from(reply: Any) -> Gate:
    return row_from(Gate, reply)


def shortened(message: str) -> str:
    """As much of it as the daemon keeps, without half a character at the end."""
    return message.encode("utf-8", "replace")[:_MESSAGE_BYTES].decode("utf-8", "ignore")


def run_once(
    client: Client, key: str, fn: Callable[[], object], retry: bool, wait: float | None
) -> bool:
    """Client.once() on a connection of its own."""
    gate = client.once_enter(key, retry=retry, wait=wait)
    if gate.state == "failed":
        raise OnceFailedError(key, gate.message or "", gate.status, gate.holder)
    if gate.state != "run":
        return False
    try:
        fn()
    except Exception as e:
        message = f"{type(e).__name__}: {e}"
        with contextlib.suppress(Exception):  # what is raised is the failure itself
            _tell(lambda: client.once_fail(key, gate.fence, message))
        raise
    _tell(lambda: client.once_done(key, gate.fence))
    return True


def _tell(say: Callable[[], None]) -> None:
    """Says it again while PostgreSQL is away."""
    until = time.monotonic() + _TELL
    while True:
        try:
            return say()
        except UnavailableError:
            if time.monotonic() >= until:
                raise
        time.sleep(_AGAIN)
