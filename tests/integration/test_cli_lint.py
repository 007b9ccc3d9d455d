# SPDX-License-Identifier: MIT
"""berth lint: what of the migrations does not stay inside of a lease is named, and only that."""

import pytest
from harness.cli import Cli

STAYS = """
    CREATE TABLE users (id serial PRIMARY KEY, code int GENERATED ALWAYS AS IDENTITY, name text UNIQUE);
    CREATE TABLE parts (id int) PARTITION BY LIST (id);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE VIEW names AS SELECT name FROM users;
    CREATE FUNCTION publication() RETURNS int LANGUAGE sql SET search_path FROM CURRENT AS 'SELECT 1';
    DO $$ BEGIN
        EXECUTE format('CREATE FUNCTION at_home() RETURNS int LANGUAGE sql SET search_path = %I AS %L', current_schema(), 'SELECT 1');
    END $$;
"""
LEAVES = """
    CREATE TABLE users (id int);
    CREATE SCHEMA audit;
    CREATE TABLE audit.log (id serial);
    CREATE TABLE public.settings (name text);
    CREATE EXTENSION pgcrypto;
"""
PASSES = """
    SELECT FROM lo_create(0);
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_type WHERE typname = 'lint_mood') THEN
            CREATE TYPE lint_mood AS ENUM ('sad', 'ok');
        END IF;
    END $$;
    CREATE FUNCTION told() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('news', ''); END $$;
    CREATE FUNCTION alone() RETURNS void LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_lock(1); END $$;
    CREATE FUNCTION outer_one() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN public.one(); END $$;
    DO $$ BEGIN
        EXECUTE format('CREATE FUNCTION inner_one() RETURNS int LANGUAGE plpgsql AS %L',
                       format('BEGIN RETURN %I.one(); END', current_schema()));
    END $$;
"""


@pytest.fixture
def lint(daemon, tmp_path):
    """lint(sql, *options): berth lint with psql; its exit status, and (finding, object) of its lines."""
    cli = Cli(daemon.ready().socket)

    def run(sql: str, *options: str):
        script = tmp_path / "migration.sql"
        script.write_text(sql)
        done = cli("lint", *options, "--", "psql", "-qX", "-v", "ON_ERROR_STOP=1", "-f", script)
        rows = [line.split("\t") for line in done.stdout.splitlines()]
        return done.returncode, {(row[0], row[1]) for row in rows}, done

    yield run
    cli.close()


def test_what_stays_inside_is_not_named(lint):
    status, found, done = lint(STAYS)

    assert (status, found) == (0, set()), done
    assert done.stderr.count("it runs in ") == 3


def test_what_is_made_elsewhere_is_named_although_a_lease_may_not_make_it(lint):
    status, found, done = lint(LEAVES)

    assert status == 1
    assert found == {
        ("fails", "-"),
        ("outside", "schema audit"),
        ("outside", "table audit.log"),
        ("outside", "table public.settings"),
        ("outside", "extension pgcrypto"),
    }, done
    assert "permission denied for database" in done.stdout.splitlines()[0]


def test_what_passes_and_does_not_stay_inside_is_named(lint):
    status, found, done = lint(PASSES)

    assert status == 1
    assert found == {
        ("outside", "large object"),
        ("missing", "type lint_mood"),
        ("channel", "function told()"),
        ("lock", "function alone()"),
        ("public", "function outer_one()"),
        ("itself", "function inner_one()"),
    }, done


def test_a_failure_only_beside_another_is_told_from_others(lint):
    guarded = PASSES[PASSES.index("DO $$") : PASSES.index("CREATE FUNCTION")]

    status, found, done = lint(f"{guarded} CREATE TABLE patients (now lint_mood);")

    assert (status, found) == (1, {("fails", "-")}), done
    assert "once the first was migrated" in done.stdout and "lint_mood" in done.stdout


def test_a_command_that_goes_elsewhere_is_no_success(lint):
    assert lint("SELECT 1")[:2] == (1, {("nothing", "-")})


@pytest.fixture
def trgm(pg):
    pg.sql("CREATE EXTENSION pg_trgm")
    yield
    pg.sql("DROP EXTENSION pg_trgm")


def test_an_extension_that_is_there_already_is_in_nobodys_way(lint, trgm):
    body = "CREATE FUNCTION near() RETURNS real LANGUAGE sql AS $$ SELECT public.similarity('a', 'b') $$"
    again = f"SET check_function_bodies = off; {body}; CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;"

    assert lint(again)[:2] == (0, set())


def test_what_cannot_be_run_is_no_finding(daemon):
    done = Cli(daemon.ready().socket)("lint", "--json", "--", "/nowhere/alembic")

    assert (done.returncode, done.stdout) == (127, "")
