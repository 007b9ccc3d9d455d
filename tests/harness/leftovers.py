# SPDX-License-Identifier: MIT
"""What others have left in PostgreSQL: schemas and roles with berth's stamp or without, by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.pg_server import DAEMON, PgServer
from harness.resp import Client, Map, as_map

DAY = 86400


@dataclass
class Leftovers:
    """Makes things as a runner made them that nobody remembers; `runner` is in their stamps."""

    pg: PgServer
    runner: str = "dead01"

    def stamp(self, age: int = DAY, home: str = "app") -> str:
        made = self.pg.one("SELECT floor(extract(epoch FROM clock_timestamp()))::bigint") - age
        return f"berth runner={self.runner} fence=7 host=ci-7 db={home} made={made}"

    def joined(self, name: str) -> None:
        """A role that berthd's may act for and drop, as if it had made it; a superuser may in any case."""
        self.pg.sql(f'CREATE ROLE "{name}" LOGIN PASSWORD \'x\'')
        self.pg.sql(f'GRANT "{name}" TO {DAEMON} WITH ADMIN OPTION')

    def role(self, name: str, **stamp) -> None:
        self.joined(name)
        self.pg.sql(f"COMMENT ON ROLE \"{name}\" IS '{self.stamp(**stamp)}'")

    def schema(self, name: str, tables: int = 2, owner: str = "", **stamp) -> None:
        """A stamped schema, with a stamped role of its name unless it has another owner."""
        if not owner:
            self.role(name, **stamp)
        self.foreign(name, tables, owner or name)
        self.pg.sql(f"COMMENT ON SCHEMA \"{name}\" IS '{self.stamp(**stamp)}'")

    def foreign(self, name: str, tables: int = 2, owner: str = "postgres") -> None:
        self.pg.sql(f'CREATE SCHEMA "{name}" AUTHORIZATION "{owner}"')
        self.pg.sql(tables_of(name, tables))

    def database(self, name: str, **stamp) -> None:
        self.role(name, **stamp)
        self.pg.sql(f'CREATE DATABASE "{name}" OWNER "{name}"')


def tables_of(schema: str, count: int) -> str:
    """Tables as an application has them: a serial key, an index, a reference to the one before."""
    made = f"CREATE TYPE \"{schema}\".status AS ENUM ('on', 'off');"
    for i in range(count):
        refers = f', before int REFERENCES "{schema}".t{i - 1}' if i else ""
        made += (
            f'CREATE TABLE "{schema}".t{i} (id serial PRIMARY KEY, a text, s "{schema}".status'
            f'{refers}); CREATE INDEX ON "{schema}".t{i} (a);'
        )
    return made


def orphans(client: Client, *words) -> list[Map]:
    return [as_map(row) for row in client("ORPHANS", *words)]


def answers(client: Client, *words) -> Iterator[list[Map]]:
    """Answer after answer until there is no more, as a client has to ask."""
    after: list[str] = []
    while rows := orphans(client, *words, *after):
        yield rows
        for row in rows:
            if row.action == "dropping":
                break
            after = ["AFTER", f"{row.kind}/{row.name}"]


def all_orphans(client: Client, *words) -> list[Map]:
    return [row for rows in answers(client, *words) for row in rows]


def told(rows: list[Map]) -> dict[str, str]:
    """{"kind name": action} of the last that was said about each."""
    return {f"{row.kind} {row.name}": row.action for row in rows}
