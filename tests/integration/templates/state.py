# SPDX-License-Identifier: MIT
"""The whole state of a slot as text, so that two can be compared: catalogs, rows, sequences, pg_dump, Redis."""

from __future__ import annotations

import difflib
import functools
import os
import re
import subprocess
from dataclasses import dataclass

import psycopg
from psycopg import sql

from harness.pg_server import PgServer
from harness.places import pg_bindir
from harness.redis_server import RedisServer
from templates import catalogs

# Names that PostgreSQL makes out of OIDs.
_NUMBERED = re.compile(r"\b((?:RI_ConstraintTrigger_[ac]|Unique_ConstraintTrigger)_)\d+")

# What belongs to a session and goes with it, and what is only how rows are stored.
_NOT_OURS = re.compile(r"\bpg_(toast_)?temp(_\d+)?\.|\bpg_toast\b")

# Numbers, not parameters of a plan that is used again: the planner shall know how few rows these are.
OIDS = "SELECT (SELECT oid FROM pg_namespace WHERE nspname = %s), (SELECT oid FROM pg_roles WHERE rolname = %s)"

RELATIONS = """
SELECT relname, relkind, relispopulated FROM pg_class
WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %s) AND relkind IN ('r', 'm', 'S') ORDER BY relname
"""


@dataclass(frozen=True)
class Slot:
    """What to look at: a schema and its role in a server, and its database in a Redis."""

    pg: PgServer
    name: str
    redis: RedisServer | None = None
    redis_db: int | None = None
    builder: str | None = None  # the schema that its template was built in; it may stand in rows

    def called(self, text: str, *also: str | None) -> str:
        """text with the slot's own name in it replaced, and those of also."""
        names = "|".join(name for name in (self.name, *also) if name)
        return re.sub(rf"(?<![A-Za-z0-9_])({names})(?![A-Za-z0-9_])", "SLOT", text)


State = dict[str, list[str]]


class Observer:
    """Looks at slots of one server through a session of the administrator's that stays open."""

    def __init__(self, pg: PgServer):
        self.connection = pg.connect(cursor_factory=psycopg.ClientCursor, prepare_threshold=None)
        self.connection.execute("SET search_path = pg_catalog")
        self.connection.execute("SET jit = off")
        self.query = catalogs.query(self.connection)

    def close(self) -> None:
        self.connection.close()

    def catalogs(self, slot: Slot) -> State:
        found: State = {}
        ns, role = self.connection.execute(OIDS, (slot.name,) * 2).fetchone() or (0, 0)
        for catalog, line in self.connection.execute(self.query, {"ns": ns or 0, "role": role or 0}):
            if not _NOT_OURS.search(line or ""):
                text = _NUMBERED.sub(r"\1N", slot.called(str(line)))
                found.setdefault(catalog, []).append(text)
        return {catalog: sorted(lines) for catalog, lines in found.items()}

    def rows(self, slot: Slot) -> State:
        """Each table's and materialized view's rows, and where each sequence stands."""
        parts = []
        relations = self.connection.execute(RELATIONS, (slot.name,)).fetchall()
        for name, kind, populated in relations:
            what = "last_value || ' ' || is_called" if kind == "S" else '"the row"::text'
            if populated:
                parts.append(
                    sql.SQL("SELECT {}, {} FROM ONLY {} AS \"the row\"").format(
                        f"rows of {name}", sql.SQL(what), sql.Identifier(slot.name, name)
                    )
                )
        found: State = {}
        if parts:
            for name, line in self.connection.execute(sql.SQL(" UNION ALL ").join(parts)):
                found.setdefault(name, []).append(slot.called(line, slot.builder))
        return {name: sorted(lines) for name, lines in found.items()}

    def state(self, slot: Slot) -> State:
        found = self.catalogs(slot) | self.rows(slot)
        if slot.redis and slot.redis_db is not None:
            keys = slot.redis.db(slot.redis_db).dbsize()
            found["redis"] = [f"{keys} keys"]
        return found


def dump(slot: Slot) -> State:
    """pg_dump's own view of the schema, object by object; the order of objects says nothing."""
    said = subprocess.run(
        [pg_bindir() / "pg_dump", "--schema-only", "-n", slot.name, "-d", slot.pg.dsn("postgres")],
        check=True,
        capture_output=True,
        text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PG")},
    ).stdout
    text = re.sub(r"^\\(un)?restrict .*\n", "", slot.called(said), flags=re.M)
    text = re.sub(r"^COMMENT ON SCHEMA .*\n", "", text, flags=re.M)  # the stamp, with its fence
    text = re.sub(r"( FOR SELECT TO )([\w, ]+)( USING)", _in_one_order, text)
    blocks = re.split(r"^--\n(?=-- Name: )", text, flags=re.M)[1:]
    return {"pg_dump": sorted(line for block in blocks for line in _statements(block))}


def _in_one_order(roles: re.Match) -> str:
    """A policy's: pg_dump lists them as they lie in pg_authid."""
    return roles[1] + ", ".join(sorted(roles[2].split(", "))) + roles[3]


def _statements(block: str) -> list[str]:
    """The parts of one object's block; the settings between objects are left out."""
    head, _, body = block.partition("\n--\n")
    body = re.sub(r"^SET default_\w+ = .*;\n", "", body, flags=re.M)
    body = body.split("\n--\n-- PostgreSQL database dump complete")[0]
    return [f"{head}\n{body.strip()}"]


def difference(before: State, after: State) -> list[str]:
    """What is in one and not in the other; empty when they are the same."""
    found = []
    for part in sorted(before.keys() | after.keys()):
        ours, theirs = before.get(part, []), after.get(part, [])
        if ours != theirs:
            lines = list(difflib.unified_diff(ours, theirs, lineterm="", n=0))[2:]
            found += [f"{part} {line}" for line in lines if not line.startswith("@@")]
    return found
