# SPDX-License-Identifier: MIT
"""The schema that has everything that a template must carry; its SQL is in everything/."""

from __future__ import annotations

from pathlib import Path

import psycopg

from harness.pg_server import PgServer

HERE = Path(__file__).resolve().parent

# What is outside of every slot and may be used in it: shared types, extensions, another role.
SHARED = """
CREATE ROLE reader;
CREATE EXTENSION btree_gist;
CREATE EXTENSION citext;
CREATE EXTENSION hstore;
CREATE EXTENSION pg_trgm;
CREATE TYPE shared_mood AS ENUM ('one', 'two', 'it''s');
CREATE TABLE countries (code text PRIMARY KEY);
INSERT INTO countries VALUES ('de'), ('fr');
GRANT REFERENCES, SELECT ON countries TO PUBLIC;
CREATE FUNCTION shared_function(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 + 1';
"""


def share(pg: PgServer) -> None:
    pg.sql(SHARED)


def statements(schema: str) -> list[str]:
    """Texts of several statements each, every one of which is a transaction."""
    files = sorted((HERE / "everything").glob("*.sql"))
    texts = [part for file in files for part in file.read_text().split("\n-- next\n")]
    return [text.replace("@schema@", schema) for text in texts]


def make(dsn: str, schema: str) -> None:
    """Makes it all in an empty slot, as its role."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for text in statements(schema):
            connection.execute(text)
