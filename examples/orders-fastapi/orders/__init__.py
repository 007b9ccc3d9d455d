# SPDX-License-Identifier: MIT
"""Orders of a small shop: FastAPI, SQLAlchemy and asyncpg, Redis."""
