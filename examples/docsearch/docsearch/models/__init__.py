# SPDX-License-Identifier: MIT
"""All tables, so that importing this package fills ``Base.metadata``."""

from docsearch.models.accounts import ApiKey, User
from docsearch.models.base import Base
from docsearch.models.collections import Collection, CollectionPermission, Source
from docsearch.models.documents import Chunk, Document, DocumentTag, Tag
from docsearch.models.operations import Operation, OperationEvent
from docsearch.models.searches import SavedSearch, SearchLog

__all__ = [
    "ApiKey",
    "Base",
    "Chunk",
    "Collection",
    "CollectionPermission",
    "Document",
    "DocumentTag",
    "Operation",
    "OperationEvent",
    "SavedSearch",
    "SearchLog",
    "Source",
    "Tag",
    "User",
]
