# SPDX-License-Identifier: MIT
"""pytest-berth: every pytest worker runs on a PostgreSQL schema and a Redis database of its own.

Loaded by every pytest run where it is installed, so nothing here imports anything until --berth
asks for it.
"""
