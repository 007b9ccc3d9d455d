# SPDX-License-Identifier: MIT
"""Makes all tables and enums of the document search in $DATABASE_URL."""

import os

import documents
from sqlalchemy import create_engine

url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://")
documents.metadata().create_all(create_engine(url))
