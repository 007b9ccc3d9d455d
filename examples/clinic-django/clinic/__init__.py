# SPDX-License-Identifier: MIT
"""Appointments of a small clinic, on two PostgreSQL databases and a Redis cache."""
