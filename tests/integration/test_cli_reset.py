# SPDX-License-Identifier: MIT
"""berth reset, berth baseline: a lease is brought back to what it was, and what was done is told."""

import re

import pytest
from harness import eventually
from harness.cli import Cli
from harness.resp import Map
from test_cli import says
from test_cli_template import no_templates

SEED = "CREATE TABLE t (id serial PRIMARY KEY, v text); INSERT INTO t (v) VALUES ('a'), ('b')"
ROWS = "SELECT string_agg(id || v, ' ' ORDER BY id) FROM t"


@pytest.fixture
def berth(daemon):
    cli = Cli(daemon.ready().socket)
    yield cli
    cli.close()
    eventually(lambda: no_templates(cli))


@pytest.fixture
def lease(berth):
    """A lease for one test, in the environment of its commands."""
    lease = Map(berth.json("acquire"))
    berth.env["BERTH_LEASE"] = lease.lease
    yield lease
    berth.ok("release")


def test_reset_brings_back_the_baseline_and_says_what_it_did(daemon, berth, lease):
    session = daemon.sql(lease)
    session.execute(SEED)
    assert berth.ok("baseline") == ""
    session.execute("UPDATE t SET v = 'x'; INSERT INTO t (v) VALUES ('c')")

    said = berth.ok("reset")

    assert re.fullmatch(r"1 table, \d+ rows?, 1 sequence in [\d.]+(us|ms|s)\n", said), said
    assert session.execute(ROWS).fetchone() == ("1a 2b",)
    assert berth.json("baseline", lease.lease) == {"lease": lease.lease, "baseline": True}
    answer = berth.json("reset", lease.lease)
    assert list(answer) == ["lease", "tables", "rows", "sequences", "rebuilt", "us"]
    assert answer["rebuilt"] is False and answer["us"] > 0


def test_a_reset_after_ddl_is_a_rebuild_and_without_a_baseline_nothing_is_left(daemon, berth, lease):
    daemon.sql(lease).execute(SEED)

    assert re.fullmatch(r"rebuilt in [\d.]+(us|ms|s)\n", berth.ok("reset"))

    count = "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema::regnamespace"
    assert daemon.sql(lease).execute(count).fetchone() == (0,)


def test_a_lease_of_a_template_goes_back_to_the_template(daemon, berth):
    build = f'psql -qc "{SEED}"'
    script = f'psql -qc "DELETE FROM t"; berth reset --json; psql -qAtc "{ROWS}"'

    done = berth("exec", "--template", "k", "--build", build, "--", "sh", "-c", script)

    assert done.returncode == 0, done
    assert '"rebuilt": false' in done.stdout and done.stdout.endswith("}\n1a 2b\n")


def test_a_session_in_a_transaction_stands_in_the_way_and_force_ends_it(daemon, berth, lease):
    daemon.sql(lease).execute(SEED)
    berth.ok("baseline")
    session = daemon.sql(lease)
    session.execute("BEGIN; DELETE FROM t")

    message = says(berth("reset"), 75, "BUSY")

    assert str(session.info.backend_pid) in message and "DELETE FROM t" in message, message
    berth.ok("reset", "--force")
    assert daemon.sql(lease).execute(ROWS).fetchone() == ("1a 2b",)
    assert eventually(lambda: broken(session))


def broken(session) -> bool:
    try:
        session.execute("SELECT 1")
    except Exception:  # whatever the driver makes of it
        return True
    return False


def test_a_lease_that_is_not_there_or_not_meant_is_refused(berth):
    for command in ("reset", "baseline"):
        says(berth(command, "no/body"), 1, "NOLEASE")
        assert "which lease?" in says(berth(command), 2, "USAGE")
    database = berth.json("acquire", "--kind", "database")["lease"]
    says(berth("baseline", database), 2, "USAGE")
    berth.ok("release", database)
