# SPDX-License-Identifier: MIT
"""The five PostgreSQL enums of the application."""

from enum import StrEnum


class DocumentStatus(StrEnum):
    """How far a document has come on its way into the index."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    DELETED = "deleted"


class PermissionType(StrEnum):
    """What a user may do with a collection; each includes those before it."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class CollectionStatus(StrEnum):
    """Whether a collection can be searched, and how completely."""

    PENDING = "pending"
    READY = "ready"
    PROCESSING = "processing"
    ERROR = "error"
    DEGRADED = "degraded"


class OperationType(StrEnum):
    """The work that is done in the background."""

    INDEX = "index"
    APPEND = "append"
    REINDEX = "reindex"
    REMOVE_SOURCE = "remove_source"
    DELETE = "delete"


class OperationStatus(StrEnum):
    """The life of an operation."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
