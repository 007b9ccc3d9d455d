# SPDX-License-Identifier: MIT
"""Newsletters, sent by RQ workers: jobs in Redis, what was delivered in PostgreSQL."""
