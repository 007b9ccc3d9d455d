# SPDX-License-Identifier: MIT
"""What all tables have in common."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from sqlalchemy import DateTime, Enum, MetaData, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

from docsearch.enums import (
    CollectionStatus,
    DocumentStatus,
    OperationStatus,
    OperationType,
    PermissionType,
)

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


def pg_enum(kind: type[StrEnum], name: str) -> Enum:
    """Map *kind* to the PostgreSQL enum *name*, by its values rather than its members' names."""
    return Enum(kind, name=name, values_callable=lambda members: [m.value for m in members])


class Base(DeclarativeBase):
    """Parent of every table."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(),
        CollectionStatus: pg_enum(CollectionStatus, "collection_status"),
        DocumentStatus: pg_enum(DocumentStatus, "document_status"),
        OperationStatus: pg_enum(OperationStatus, "operation_status"),
        OperationType: pg_enum(OperationType, "operation_type"),
        PermissionType: pg_enum(PermissionType, "permission_type"),
    }


Key = Annotated[int, mapped_column(primary_key=True)]
Created = Annotated[datetime, mapped_column(server_default=func.now())]
