# SPDX-License-Identifier: MIT
"""Leases of a PostgreSQL schema and a Redis database of one's own, from berthd.

    with berth.connect() as client:
        lease = client.acquire("gw0", run="nightly")
        psycopg.connect(lease.dsn)

Durations given are seconds; attributes that end in ``_ms`` are milliseconds, as on the wire.
"""

from berth.client import Client, connect, socket_paths
from berth.errors import (
    BY_CODE,
    BerthError,
    BuildFailedError,
    BusyError,
    DeniedError,
    DriftError,
    InUseError,
    LimitError,
    NoLeaseError,
    NoTemplateError,
    OnceFailedError,
    PostgresError,
    ProtocolError,
    RedisError,
    RequestError,
    StaleError,
    UnavailableError,
    UnreachableError,
    UsageError,
    WaitTimeoutError,
)
from berth.fingerprint import template_key
from berth.gate import Gate, GateRow, SharedEnum
from berth.lease import Lease, LeaseRow, Waiting
from berth.template import Leak, Reset, SealedTemplate, TableDiff, TemplateRow

__version__ = "0.1.0"

__all__ = [
    "BY_CODE",
    "BerthError",
    "BuildFailedError",
    "BusyError",
    "Client",
    "DeniedError",
    "DriftError",
    "Gate",
    "GateRow",
    "InUseError",
    "Leak",
    "Lease",
    "LeaseRow",
    "LimitError",
    "NoLeaseError",
    "NoTemplateError",
    "OnceFailedError",
    "PostgresError",
    "ProtocolError",
    "RedisError",
    "RequestError",
    "Reset",
    "SealedTemplate",
    "SharedEnum",
    "StaleError",
    "TableDiff",
    "TemplateRow",
    "UnavailableError",
    "UnreachableError",
    "UsageError",
    "WaitTimeoutError",
    "Waiting",
    "connect",
    "socket_paths",
    "template_key",
]
