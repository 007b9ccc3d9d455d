# SPDX-License-Identifier: MIT
"""Search over documents in PostgreSQL, with Redis as cache and queue."""
