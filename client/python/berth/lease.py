# SPDX-License-Identifier: MIT
"""What berthd says about leases, as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from berth.errors import ProtocolError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: Attributes whose name differs from the field on the wire.
_WIRE_NAMES = {"id": "lease"}


@dataclass(frozen=True)
class Lease:
    """A lease with a slot in PostgreSQL and, unless ``redis`` is "none", one in Redis.

    It is held, or ``is_builder``: then its slot is empty, and whoever holds it is to migrate it and
    say template_seal() or template_abort(), or leaves all that to template_build().

    The attributes are the fields of the protocol's lease map under the same names, but for its
    ``lease``, which is ``id`` here. What is secret stays out of ``repr()``.
    """

    id: str
    run: str
    worker: str
    state: str
    """"held", or "building" for the builder of a template."""
    position: int
    """0."""
    kind: str
    """"schema" or "database"."""
    template: str | None
    """The key of the template that the slot was built from, or is built for."""
    builder: str | None
    """Who builds the template, for people; None when nobody does."""
    schema: str
    """The schema that is the lease's own ("public" in a database of its own)."""
    role: str
    dsn: str = field(repr=False)
    """A libpq URI; works with psycopg and asyncpg, also where ``host`` is a directory."""
    host: str
    """A host name or address, or the directory of the server's Unix socket."""
    port: int
    dbname: str
    user: str
    password: str = field(repr=False)
    """"" where the server wants none."""
    options: str | None
    """libpq's, where several leases share a role: without them a session is in no lease's schema."""
    redis: str
    """The level granted: "acl", "index", "private" or "none"."""
    redis_url: str | None = field(repr=False)
    """``redis://…`` or ``unix://…``; None, as everything about Redis, if ``redis`` is "none"."""
    redis_host: str | None
    redis_port: int | None
    redis_socket: str | None
    redis_db: int | None
    redis_user: str | None
    redis_password: str | None = field(repr=False)
    fence: int
    """Rises each time the slot changes hands."""
    expires_ms: int
    """Milliseconds left when this was said: to the TTL if detached, else to the hard maximum."""
    why: str | None

    @property
    def is_builder(self) -> bool:
        """Whether this lease is to build its template."""
        return self.state == "building"


@dataclass(frozen=True)
class Waiting:
    """A lease that was asked for and is not held yet."""

    id: str
    run: str
    worker: str
    state: str
    """"queued" (waits for its turn) or "building" (its slot is being made)."""
    position: int
    """The place in the queue, from 1; 0 when building."""
    kind: str
    template: str | None
    builder: str | None
    """Who builds the template that it waits for, for people."""
    why: str | None
    """What it waits for."""


@dataclass(frozen=True)
class LeaseRow:
    """One row of ``LEASES``: who holds or waits for what. No secrets."""

    id: str
    run: str
    worker: str
    state: str
    position: int
    kind: str
    schema: str | None
    role: str | None
    dbname: str | None
    redis: str | None
    redis_db: int | None
    fence: int | None
    uid: int
    pid: int
    label: str | None
    age_ms: int
    expires_ms: int | None
    connections: int


_Row = TypeVar("_Row", bound="DataclassInstance")

#: The types that a field may have, by its annotation.
_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "bool": int,
    "str | None": (str, type(None)),
    "int | None": (int, type(None)),
}


def as_map(reply: Any) -> Mapping[str, Any]:
    """A map of RESP3, or the flat array that stands for it in RESP2."""
    if isinstance(reply, list) and len(reply) % 2 == 0:
        names = reply[::2]
        if all(isinstance(name, str) for name in names):
            return dict(zip(names, reply[1::2]))
    if isinstance(reply, dict):
        return reply
    raise ProtocolError(f"a map was expected, not {type(reply).__name__}")


def as_list(reply: Any) -> list[Any]:
    if not isinstance(reply, list):
        raise ProtocolError(f"an array was expected, not {type(reply).__name__}")
    return reply


def row_from(cls: type[_Row], reply: Any) -> _Row:
    """A value of `cls` from its map; fields that `cls` does not know are passed over."""
    row = as_map(reply)
    values = {}
    for f in fields(cls):
        name = _WIRE_NAMES.get(f.name, f.name)
        value = row.get(name)
        if not isinstance(value, _TYPES[str(f.type)]):
            raise ProtocolError(f"the field {name!r} is {value!r:.40}, not {f.type}")
        values[f.name] = bool(value) if f.type == "bool" else value
    return cls(**values)


def lease_from(reply: Any) -> Lease | Waiting:
    """A lease map as what it is by its state; only a lease that has its slot has a DSN."""
    row = as_map(reply)
    if row.get("state") == "held" or row.get("dsn") is not None:
        return row_from(Lease, row)
    return row_from(Waiting, row)
