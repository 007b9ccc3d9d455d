# SPDX-License-Identifier: MIT
"""`berth grants`: the SQL it prints is enough, for a new server and for one whose role was a superuser.

Every server of the harness with superuser=False has its role from it, so the rest of the suite tests it, too.
"""

from __future__ import annotations

import pytest
from harness import eventually
from harness.cli import Cli
from harness.resp import as_map
from harness.wait import ms

PRIVILEGES = ("superuser", "createrole", "createdb", "create")


@pytest.mark.parametrize("version", range(13, 19))
def test_each_version_has_its_own(alone, version):
    said = alone.ok("grants", "--pg-version", version, "--role", "my berth")
    assert f"on PostgreSQL {version}." in said and 'CREATE ON SCHEMA "public" TO "my berth"' in said
    assert ("close to superuser" in said) == (version < 16)
    assert "@" not in said and "NOCREATEDB" not in said


def test_what_is_not_wanted_is_not_granted(alone):
    said = alone.ok(
        "grants", "--pg-version", "16", "--without-databases", "--enum-schema", "shared"
    )
    assert "NOSUPERUSER CREATEROLE NOCREATEDB;" in said and 'to_regnamespace(\'"shared"\')' in said


@pytest.mark.parametrize(
    "words, why",
    [
        (("--pg-version", "12"), "13 to 18"),
        (("--pg-version", "x"), "13 to 18"),
        (("--pg-version", "16", "--role", 'a"b'), "cannot be a name"),
        (("--pg-version", "16", "--enum-schema", "$berth$"), "cannot be a name"),
        (("--pg-version", "16", "--role", "postgres"), "lose what makes it the superuser"),
    ],
)
def test_what_cannot_be_is_refused(alone, words, why):
    done = alone("grants", *words)
    assert (done.returncode, done.stdout) == (2, "") and why in done.stderr


def test_without_a_version_the_daemon_is_asked(daemon, alone):
    assert alone("grants").returncode == 69
    version = daemon.ready().client().info()["pg_version"][:2]
    said = Cli(daemon.socket).ok("grants")
    assert said == alone.ok("grants", "--pg-version", version)


@pytest.mark.pg_dump
def test_a_role_that_was_a_superuser_goes_on_without(make_daemon, make_pg):
    """The registry, with a template in it, the roles for all leases and those that were left behind are its, too."""
    pg = make_pg(superuser=True)
    first = make_daemon(pg=pg, redis=None, runner_grace_ms=ms(1000), heartbeat_ms=100)
    client = first.client()
    builder = client.acquire("gw0", template="t", redis="none")
    first.sql(builder).execute("CREATE TABLE seed AS SELECT 7 AS a")
    client("TEMPLATE", "SEAL", builder.lease)
    left = [client.acquire("gw1"), client.acquire("gw2", kind="database")]
    first.sql(left[0]).execute("CREATE TABLE t (a int)")
    first.kill()
    first.hang_up()

    pg.sql(pg.grants())
    daemon = make_daemon(pg=pg, redis=None, runner_grace_ms=ms(1000), heartbeat_ms=100)
    client = daemon.client()
    eventually(lambda: not any(pg.role_exists(lease.role) for lease in left), 30)
    lease = client.acquire("gw0", template="t", redis="none")
    assert daemon.sql(lease).execute("SELECT a FROM seed").fetchone() == (7,)
    assert client.acquire("gw1", kind="database", redis="none").state == "held"
    assert client("ENUM", "ENSURE", "mood", "sad", "ok") == "created"
    found = {row.key: row.severity for row in map(as_map, client("DOCTOR"))}
    assert {found[key] for key in PRIVILEGES} <= {"ok", "info"}
