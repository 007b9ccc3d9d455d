# SPDX-License-Identifier: MIT
"""The schema that is measured with: N tables as applications have them, with a few rows in some."""

from __future__ import annotations

import psycopg

LOOKUPS = 3  # tables with seed rows, of any number of tables
ROWS = 20  # seed rows of each


def table(number: int) -> str:
    refers = f" REFERENCES t{number - 1}" if number % 5 else ""
    return (
        f"CREATE TABLE t{number} (id serial PRIMARY KEY, name text NOT NULL, code varchar(40) UNIQUE,"
        f" parent integer{refers}, state text DEFAULT 'new' CHECK (state <> ''), data jsonb,"
        f" made_at timestamptz NOT NULL DEFAULT now());"
        f" CREATE INDEX t{number}_name ON t{number} (lower(name))"
    )


def statements(tables: int) -> list[str]:
    """The DDL and the seed rows, one statement each."""
    made = [part.strip() for number in range(tables) for part in table(number).split(";")]
    return made + [
        f"INSERT INTO t{number * 5} (name, code) SELECT 'seed ' || g, 'c' || g"
        f" FROM generate_series(1, {ROWS}) g"
        for number in range(LOOKUPS)
        if number * 5 < tables
    ]


def names(tables: int) -> list[str]:
    return [f"t{number}" for number in range(tables)]


def dirty_some(tables: int, count: int) -> list[str]:
    """Tables without seed rows that nothing refers to: their contents a test's own."""
    free = [n for n in range(tables) if n % 5 == 4] or [tables - 1]
    return [f"t{n}" for n in (free + [n for n in range(tables) if n not in free])[:count]]


def touch(connection: psycopg.Connection, tables: list[str]) -> None:
    """Ten rows in each of them, in one round trip."""
    if tables:
        connection.execute(
            ";".join(
                f"INSERT INTO {name} (name) SELECT 'row ' || g FROM generate_series(1, 10) g"
                for name in tables
            )
        )
