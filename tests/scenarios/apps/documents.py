# SPDX-License-Identifier: MIT
"""A document search as SQLAlchemy sees it: five enums, a dozen tables that use them."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ENUM

ENUMS = {
    "document_status": ["pending", "processing", "completed", "failed", "deleted"],
    "permission_type": ["read", "write", "admin"],
    "collection_status": ["pending", "ready", "processing", "error", "degraded"],
    "operation_type": ["index", "append", "reindex", "remove_source", "delete"],
    "operation_status": ["pending", "processing", "completed", "failed", "cancelled"],
}

# table: (the tables it refers to, the enums it uses)
TABLES = {
    "users": ([], []),
    "api_keys": (["users"], ["permission_type"]),
    "refresh_tokens": (["users"], []),
    "collections": (["users"], ["collection_status"]),
    "collection_permissions": (["collections", "users"], ["permission_type"]),
    "collection_sources": (["collections"], ["document_status"]),
    "documents": (["collections", "collection_sources"], ["document_status"]),
    "chunks": (["documents"], []),
    "operations": (["collections", "users"], ["operation_type", "operation_status"]),
    "operation_events": (["operations"], ["operation_status"]),
    "audit_log": (["users", "collections"], ["operation_type"]),
    "resource_limits": (["users"], []),
}


def metadata(create_type: bool = True) -> MetaData:
    """create_type=False: the tables use the types, and neither make nor drop them."""
    found = MetaData()
    types = {
        name: ENUM(*labels, name=name, create_type=create_type) for name, labels in ENUMS.items()
    }
    for table, (others, enums) in TABLES.items():
        Table(
            table,
            found,
            Column("id", Integer, primary_key=True),
            *(Column(f"{other}_id", ForeignKey(f"{other}.id")) for other in others),
            *(Column(name, types[name], nullable=False) for name in enums),
            Column("note", Text),
        )
    return found
