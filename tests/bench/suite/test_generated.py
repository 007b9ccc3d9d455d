# SPDX-License-Identifier: MIT
"""Tests as applications have them: a few rows in, a few questions. BENCH_COUNT of them."""

import os

import pytest

COUNT, TABLES = int(os.environ["BENCH_COUNT"]), int(os.environ["BENCH_TABLES"])


@pytest.mark.parametrize("number", range(COUNT))
def test_something(db, number):
    leaf = f"t{number % (TABLES // 5) * 5 + 4}"
    parent = f"t{number % (TABLES // 5) * 5 + 3}"
    for n in range(3):
        (row,) = db.execute(f"INSERT INTO {parent} (name) VALUES (%s) RETURNING id", (f"p{n}",)).fetchone()
        db.execute(f"INSERT INTO {leaf} (name, parent) VALUES (%s, %s)", (f"l{n}", row))
    found = db.execute(f"SELECT count(*) FROM {leaf} l JOIN {parent} p ON l.parent = p.id").fetchone()
    assert found[0] >= 3
    db.execute(f"UPDATE {leaf} SET state = 'done' WHERE name = 'l1'")
    assert db.execute("SELECT count(*) FROM t0").fetchone()[0] >= 20
    if os.environ["BENCH_WAY"] in ("reset", "database"):
        assert found == (3,)  # nobody else's rows
