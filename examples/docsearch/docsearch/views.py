# SPDX-License-Identifier: MIT
"""The two views: how collections are doing, and what people search for."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    event,
    text,
)

from docsearch.models import Base

COLLECTION_SUMMARY = """
CREATE VIEW collection_summary AS
SELECT c.id AS collection_id, c.name, c.status::text AS status, u.email AS owner,
       count(DISTINCT d.id) FILTER (WHERE d.status <> 'deleted') AS documents,
       count(DISTINCT d.id) FILTER (WHERE d.status = 'completed') AS indexed,
       count(k.id) AS chunks, max(d.indexed_at) AS last_indexed_at
  FROM collections c
  JOIN users u ON u.id = c.owner_id
  LEFT JOIN documents d ON d.collection_id = c.id
  LEFT JOIN chunks k ON k.document_id = d.id
 GROUP BY c.id, u.email
"""

POPULAR_SEARCHES = """
CREATE VIEW popular_searches AS
SELECT query, count(*) AS searches, count(DISTINCT user_id) AS users,
       round(avg(results), 1) AS average_results, max(created_at) AS last_searched_at
  FROM search_log
 GROUP BY query
"""

# Not part of Base.metadata: nobody should create these as tables.
_views = MetaData()

collection_summary = Table(
    "collection_summary",
    _views,
    Column("collection_id", Integer),
    Column("name", Text),
    Column("status", Text),
    Column("owner", Text),
    Column("documents", BigInteger),
    Column("indexed", BigInteger),
    Column("chunks", BigInteger),
    Column("last_indexed_at", DateTime(timezone=True)),
)

popular_searches = Table(
    "popular_searches",
    _views,
    Column("query", Text),
    Column("searches", BigInteger),
    Column("users", BigInteger),
    Column("average_results", Numeric),
    Column("last_searched_at", DateTime(timezone=True)),
)


# For those who call Base.metadata.create_all() instead of running the migrations.
@event.listens_for(Base.metadata, "after_create")
def _create_views(target: MetaData, connection: Connection, **_: object) -> None:
    connection.execute(text(COLLECTION_SUMMARY))
    connection.execute(text(POPULAR_SEARCHES))


@event.listens_for(Base.metadata, "before_drop")
def _drop_views(target: MetaData, connection: Connection, **_: object) -> None:
    connection.execute(text("DROP VIEW IF EXISTS collection_summary, popular_searches"))
