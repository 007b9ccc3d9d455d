# SPDX-License-Identifier: MIT
"""berth reset, berth baseline: a lease is brought back to what it was, and what was done is told."""

import re

import pytest
from harness import eventually
from harness.cli import Cli
from harness.leftovers import Leftovers
from harness.resp import Map
from harness.wait import ms
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


# A schema by its name.

EVERYTHING = """
    CREATE TABLE s.t (id serial PRIMARY KEY); CREATE VIEW s.v AS SELECT * FROM s.t;
    CREATE MATERIALIZED VIEW s.m AS SELECT 1 AS a; CREATE SEQUENCE s.alone; CREATE DOMAIN s.d AS int;
    CREATE TYPE s.e AS ENUM ('a'); CREATE FUNCTION s.f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE PROCEDURE s.p() LANGUAGE sql AS ''; CREATE AGGREGATE s.g(int) (sfunc = int4pl, stype = int);
    CREATE OPERATOR s.=== (leftarg = int, rightarg = int, function = int4pl); CREATE COLLATION s.c FROM "C";
    CREATE OPERATOR FAMILY s.fam USING btree; CREATE TEXT SEARCH DICTIONARY s.dict (template = simple);
    CREATE TEXT SEARCH CONFIGURATION s.conf (copy = simple);
    CREATE TABLE s.two (a int, b int); CREATE STATISTICS s.stat ON a, b FROM s.two;
"""


def fill(pg, schema: str) -> None:
    pg.sql(EVERYTHING.replace("s.", f"{schema}."))
    pg.sql(f"GRANT USAGE ON SCHEMA {schema} TO berthd")
    pg.sql(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO berthd")


def inside(pg, schema: str) -> list:
    return pg.sql(
        "SELECT pg_describe_object(classid, objid, 0) FROM pg_depend WHERE refobjid = to_regnamespace(%s)"
        " AND deptype = 'n'",
        schema,
    )


def schema_row(pg, schema: str) -> tuple:
    """What must outlive it: the schema itself, its owner, rights and stamp."""
    what = "SELECT oid, nspowner, nspacl::text, obj_description(oid) FROM pg_namespace WHERE nspname = %s"
    return pg.sql(what, schema)[0]


def test_a_lease_is_named_by_its_schema_too(daemon, berth, lease):
    daemon.sql(lease).execute(SEED)
    assert berth.json("reset", lease.schema)["lease"] == lease.schema
    assert inside(daemon.pg, lease.schema) == []


@pytest.mark.berthd(runner_grace_ms=ms(1000), heartbeat_ms=200)
def test_a_schema_that_nobody_owns_is_emptied_and_stays(daemon, berth):
    left = Leftovers(daemon.pg)
    left.schema("test_dead01_1", tables=50)
    fill(daemon.pg, "test_dead01_1")
    before = schema_row(daemon.pg, "test_dead01_1")

    def emptied() -> bool:
        done = berth("reset", "test_dead01_1")
        assert done.returncode == 0, done
        return re.fullmatch(r"emptied of 5\d tables\n", done.stdout)

    eventually(emptied)  # PostgreSQL has just started: whoever lives may not be back yet

    assert inside(daemon.pg, "test_dead01_1") == []
    assert schema_row(daemon.pg, "test_dead01_1") == before
    assert berth.json("reset", "test_dead01_1") == {"schema": "test_dead01_1", "tables": 0, "emptied": True}
    eventually(lambda: "dropped" in berth("orphans", "--drop").stdout)


def test_a_foreign_schema_is_emptied_when_that_is_said_and_nobody_is_at_work_in_it(daemon, berth):
    pg = daemon.pg
    Leftovers(pg).joined("test_owner")
    pg.sql("CREATE SCHEMA test_gw0 AUTHORIZATION test_owner; CREATE SCHEMA test_gw00")
    pg.sql("CREATE TABLE test_gw0.t (a int); CREATE TABLE test_gw00.t (a int)")
    try:
        refused = berth("reset", "test_gw0")
        assert refused.returncode == 1 and "NOLEASE" in refused.stderr and "--foreign" in refused.stderr
        with pg.connect() as reader:
            reader.execute("BEGIN; SELECT * FROM test_gw0.t")
            busy = berth("reset", "--foreign", "test_gw0")
            assert busy.returncode == 1 and "session" in busy.stderr, busy
        assert inside(pg, "test_gw0") != []
        assert berth.ok("reset", "--foreign", "test_gw0") == "emptied of 1 table\n"
        assert inside(pg, "test_gw0") == [] and inside(pg, "test_gw00") != []
    finally:
        pg.sql("DROP SCHEMA test_gw0, test_gw00 CASCADE; DROP ROLE test_owner")


@pytest.mark.parametrize("name", ["public", "berth", "pg_catalog", "nosuch", "%"])
def test_what_is_nobodys_business_is_not_emptied(daemon, berth, name):
    before = daemon.pg.one("SELECT count(*) FROM pg_class")
    for options in ([], ["--foreign"], ["--foreign", "--force"]):
        done = berth("reset", *options, name)
        assert (done.returncode, done.stdout) in ((1, ""), (2, "")), done
    assert daemon.pg.one("SELECT count(*) FROM pg_class") >= before


def test_what_another_runner_holds_is_not_emptied(daemon, berth, make_daemon):
    other = make_daemon()
    lease = other.client().acquire("gw0")
    other.sql(lease).execute("CREATE TABLE t (a int)")
    for options in ([], ["--foreign"], ["--foreign", "--force"]):
        assert berth("reset", *options, lease.schema).returncode == 1
    assert other.sql(lease).execute("SELECT count(*) FROM t").fetchone() == (0,)
