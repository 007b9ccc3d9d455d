# SPDX-License-Identifier: MIT
"""Templates that nobody uses go by age and by their number of bytes; never one that is in use."""

from __future__ import annotations

import psycopg
import pytest
from harness.resp import ReplyError, as_map
from harness.wait import eventually


def seal(client, key: str, **options):
    lease = as_map(client.acquire("gw0", run=key, template=key, **options))
    assert lease.state == "building"
    with psycopg.connect(lease.dsn, autocommit=True) as sql:
        sql.execute("CREATE TABLE t (a int)")
    client("TEMPLATE", "SEAL", lease.lease)
    return lease


def keys(pg) -> set:
    return {row[0] for row in pg.sql("SELECT key FROM berth.template")}


def test_what_nobody_has_used_for_long_goes(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg, template_age_h=24).ready()
    client = daemon.client()
    for kind in ("schema", "database"):
        client("RELEASE", seal(client, f"old-{kind}", kind=kind).lease)
        client("RELEASE", seal(client, f"new-{kind}", kind=kind).lease)
    daemon.stop()
    own_pg.sql("UPDATE berth.template SET used = used - interval '25 hours' WHERE key LIKE 'old-%'")

    make_daemon(pg=own_pg, template_age_h=24).ready()

    eventually(lambda: keys(own_pg) == {"new-schema", "new-database"})
    eventually(lambda: own_pg.one("SELECT count(*) FROM pg_database WHERE datname LIKE 'berth_t_%'") == 1)
    own_pg.sql("DELETE FROM berth.template")


def test_beyond_the_budget_the_least_used_go_but_none_that_is_in_use(make_daemon, own_pg):
    daemon = make_daemon(pg=own_pg, heartbeat_ms=200).ready()
    client = daemon.client()
    for key in ("first", "second", "third"):
        client("RELEASE", seal(client, key).lease)
    held = as_map(client.acquire("gw1", template="first"))
    assert held.state == "held"
    eventually(lambda: own_pg.one("SELECT count(*) FROM berth.lease") == 1)
    own_pg.sql(
        "UPDATE berth.template SET bytes = 500000, used = now() - CASE key WHEN 'first' THEN interval '3 h'"
        " WHEN 'second' THEN interval '2 h' ELSE interval '1 h' END"
    )

    recent = "SELECT used > now() - interval '1 h' FROM berth.template WHERE key = 'first'"
    eventually(lambda: own_pg.one(recent))  # whoever holds a lease of it says so with each heartbeat

    make_daemon(pg=own_pg, templates_mb=1).ready()

    eventually(lambda: keys(own_pg) == {"first", "third"})
    assert as_map(client("RESET", held.lease)).rebuilt == 0
    own_pg.sql("DELETE FROM berth.template")


@pytest.mark.berthd(template_mb=1)
def test_rows_that_are_more_than_a_template_may_have_are_refused(daemon):
    client = daemon.client()
    lease = as_map(client.acquire("gw0", template="large"))
    with psycopg.connect(lease.dsn, autocommit=True) as sql:
        sql.execute("CREATE TABLE t AS SELECT repeat('x', 1000) AS a FROM generate_series(1, 1500)")
    with pytest.raises(ReplyError) as e:
        client("TEMPLATE", "SEAL", lease.lease)
    assert e.value.code == "LIMIT" and "template_mb" in e.value.message
    client("TEMPLATE", "ABORT", lease.lease)
