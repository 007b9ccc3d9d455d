# SPDX-License-Identifier: MIT
"""The environment variables that carry a lease to the application, and their formats.

The table below is what is set; lines of ``berth_env`` replace and add to it.
"""

from __future__ import annotations

import os
import string
from collections.abc import Iterable, Mapping
from typing import Optional

from berth import Lease

#: What is set unless berth_env says otherwise. A variable whose field is null is left as it is.
DEFAULT: dict[str, str] = {
    "BERTH_SOCKET": "{socket}",
    "BERTH_LEASE": "{lease}",
    "BERTH_FENCE": "{fence}",
    "BERTH_SCHEMA": "{schema}",
    "BERTH_RUN": "{run}",
    "BERTH_WORKER": "{worker}",
    "BERTH_REDIS_DB": "{redis_db}",
    "DATABASE_URL": "{dsn}",
    "REDIS_URL": "{redis_url}",
    "PGHOST": "{host}",
    "PGPORT": "{port}",
    "PGDATABASE": "{dbname}",
    "PGUSER": "{user}",
    "PGPASSWORD": "{password}",
    "PGOPTIONS": "{options}",
}

#: Says for whom a process stands that holds no lease: these are not set where there is none.
OF_A_LEASE = ("BERTH_LEASE", "BERTH_FENCE")

#: Settings of libpq that would lead past the ones above, to another server or another schema.
OVERRULING = ("PGHOSTADDR", "PGSERVICE")

Fields = Mapping[str, Optional[str]]


class FormatError(ValueError):
    """A line of berth_env that cannot be followed; the text says which and why."""


def fields_of(lease: Lease, socket: str) -> Fields:
    """What a format may name."""
    values: dict[str, str | int | None] = {
        "dsn": lease.dsn,
        "dsn_tail": lease.dsn.partition("://")[2],
        "user": lease.user,
        "password": lease.password,
        "options": lease.options,
        "host": lease.host,
        "port": lease.port,
        "dbname": lease.dbname,
        "schema": lease.schema,
        "redis_url": lease.redis_url,
        "redis_host": lease.redis_host,
        "redis_port": lease.redis_port,
        "redis_socket": lease.redis_socket,
        "redis_db": lease.redis_db,
        "redis_user": lease.redis_user,
        "redis_password": lease.redis_password,
        "lease": lease.id,
        "fence": lease.fence,
        "run": lease.run,
        "worker": lease.worker,
        "socket": socket,
    }
    return {name: None if value is None else str(value) for name, value in values.items()}


#: A lease that leads nowhere, for a process that takes none but loads conftest files all the
#: same: they find each variable they read, and whoever connects is told by the path it failed on.
NOWHERE = Lease(
    id="none",
    run="none",
    worker="none",
    state="held",
    position=0,
    kind="schema",
    template=None,
    builder=None,
    schema="berth_no_lease_here",
    role="berth_no_lease_here",
    dsn="postgresql://berth_no_lease_here:none@/berth_no_lease_here"
    "?host=%2Fnonexistent%2Fthis-process-has-no-berth-lease&port=5432",
    host="this-process-has-no-berth-lease.invalid",
    port=5432,
    dbname="berth_no_lease_here",
    user="berth_no_lease_here",
    password="none",
    options=None,
    redis="index",
    redis_url="unix:///nonexistent/this-process-has-no-berth-lease.sock?db=0",
    redis_host="this-process-has-no-berth-lease.invalid",
    redis_port=6379,
    redis_socket="/nonexistent/this-process-has-no-berth-lease.sock",
    redis_db=0,
    redis_user="default",
    redis_password="none",
    fence=0,
    expires_ms=0,
    why=None,
)


def parse(lines: Iterable[str]) -> dict[str, str]:
    """The table in force: DEFAULT changed by NAME=FORMAT lines. NAME= maps to ""."""
    table = dict(DEFAULT)
    for line in lines:
        name, equals, form = line.partition("=")
        name = name.strip()
        if not equals or not name or any(c.isspace() for c in name):
            raise FormatError(f"berth_env: {line!r} is not NAME=FORMAT")
        table[name] = form.strip()
        _check(name, table[name])
    return table


def _check(name: str, form: str) -> None:
    known = fields_of(NOWHERE, "")
    for field in _names(name, form):
        if field not in known:
            raise FormatError(
                f"berth_env: {name} names the field {{{field}}}; there are "
                + " ".join(f"{{{one}}}" for one in known)
            )


def _names(name: str, form: str) -> list[str]:
    try:
        parts = list(string.Formatter().parse(form))
    except ValueError as e:
        raise FormatError(f"berth_env: {name}={form}: {e}") from None
    for _, field, spec, conversion in parts:
        if spec or conversion:
            raise FormatError(f"berth_env: {name}: write {{{field}}}, without : and !")
    return [field for _, field, _, _ in parts if field is not None]


def changes(table: Mapping[str, str], fields: Fields) -> dict[str, str | None]:
    """What to set, and with None what to remove, for a lease of these fields."""
    result: dict[str, str | None] = {name: None for name in _overruling()}
    for name, form in table.items():
        values = fields
        if form != DEFAULT.get(name):  # whoever names options wants them where there are any
            values = {**fields, "options": fields["options"] or ""}
        null = [field for field in _names(name, form) if values[field] is None]
        if not form:
            result[name] = None
        elif not null:
            _check_host(name, form, fields)
            result[name] = form.format_map(values)
        elif form != DEFAULT.get(name):
            raise FormatError(f"berth_env: {name} needs {{{null[0]}}}, which this lease has not")
    return result


def _overruling() -> list[str]:
    """Of the settings that lead elsewhere, those that are there."""
    options = "search_path" in os.environ.get("PGOPTIONS", "").lower()
    return [*OVERRULING, *(["PGOPTIONS"] if options else [])]


def _check_host(name: str, form: str, fields: Fields) -> None:
    """A URL cannot hold the directory of a Unix socket between @ and /: refuse to write one."""
    for host, instead in (("host", "{dsn_tail}"), ("redis_host", "{redis_url}")):
        if f"@{{{host}}}" in form and (fields[host] or "").startswith("/"):
            raise FormatError(
                f"berth_env: {name}={form}: {{{host}}} is {fields[host]}, the directory of a Unix "
                f"socket, and a URL cannot hold it there; {instead} fits every server "
                "(DATABASE_URL=postgresql+asyncpg://{dsn_tail})"
            )


def apply(wanted: Mapping[str, str | None]) -> dict[str, str | None]:
    """Changes os.environ; what was there before, to be applied at the end."""
    before = {name: os.environ.get(name) for name in wanted}
    for name, value in wanted.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    return before
