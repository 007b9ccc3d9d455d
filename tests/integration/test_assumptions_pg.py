# SPDX-License-Identifier: MIT
"""What the design relies on in PostgreSQL, shown on the version that is here."""

import base64
import hashlib
import hmac
import threading

import psycopg
import pytest

from harness import eventually


@pytest.fixture
def admin(pg):
    with pg.connect() as connection:
        yield connection


@pytest.fixture
def slot(pg, admin):
    """A schema and role test_assumed as berthd makes them; its DSN. Removed at the end."""
    admin.execute("CREATE ROLE test_assumed LOGIN PASSWORD 'pw'")
    admin.execute("CREATE SCHEMA test_assumed AUTHORIZATION test_assumed")
    yield pg.dsn("test_assumed", password="pw")
    pg.scrub()


def verifier(password: str, iterations: int) -> str:
    """A SCRAM verifier as PostgreSQL stores it."""
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    b64 = lambda b: base64.b64encode(b).decode()  # noqa: E731
    return f"SCRAM-SHA-256${iterations}:{b64(salt)}${b64(stored)}:{b64(server)}"


def test_one_sync_is_one_transaction(pg, admin):
    with pg.connect() as c:
        with pytest.raises(psycopg.errors.DivisionByZero), c.pipeline():
            c.execute("CREATE TABLE one_sync (a int)")
            c.execute("SELECT 1/0")
        assert c.execute("SELECT to_regclass('one_sync')").fetchone() == (None,)
        with c.pipeline() as p:
            c.execute("CREATE TABLE one_sync (a int)")
            p.sync()
            with pytest.raises(psycopg.errors.DivisionByZero):
                c.execute("SELECT 1/0")
                p.sync()
        assert c.execute("SELECT to_regclass('one_sync')").fetchone() == ("one_sync",)
        c.execute("DROP TABLE one_sync")


def test_role_settings_and_schema_can_be_made_in_one_run_and_undone_together(pg):
    with pg.connect() as c:
        with pytest.raises(psycopg.errors.InvalidParameterValue), c.pipeline():
            c.execute("CREATE ROLE test_assumed LOGIN")
            c.execute("CREATE SCHEMA test_assumed AUTHORIZATION test_assumed")
            c.execute("ALTER ROLE test_assumed SET jit = 'nonsense'")
    assert pg.made() == []


def test_create_database_works_alone_in_a_run_and_not_with_others(pg):
    with pg.connect() as c:
        with c.pipeline():
            c.execute("CREATE DATABASE test_assumed")
        assert pg.database_exists("test_assumed")
        with c.pipeline():
            c.execute("DROP DATABASE test_assumed WITH (FORCE)")
        assert not pg.database_exists("test_assumed")
        with pytest.raises(psycopg.errors.ActiveSqlTransaction), c.pipeline():
            c.execute("SELECT 1")
            c.execute("CREATE DATABASE test_assumed")


def test_a_verifier_of_one_iteration_logs_in(pg, admin):
    admin.execute(f"CREATE ROLE test_assumed LOGIN PASSWORD '{verifier('secret', 1)}'")
    try:
        for tcp in (False, True):
            with psycopg.connect(pg.dsn("test_assumed", password="secret", tcp=tcp)) as c:
                assert c.execute("SELECT current_user").fetchone() == ("test_assumed",)
            with pytest.raises(psycopg.OperationalError):
                psycopg.connect(pg.dsn("test_assumed", password="wrong", tcp=tcp))
    finally:
        admin.execute("DROP ROLE test_assumed")


def test_the_default_search_path_lands_in_the_schema_of_the_role_s_name(slot):
    with psycopg.connect(slot) as c:
        assert c.execute("SHOW search_path").fetchone() == ('"$user", public',)
        assert c.execute("SELECT current_schema").fetchone() == ("test_assumed",)


def test_a_session_survives_its_role_s_drop(pg, admin, slot):
    with psycopg.connect(slot, autocommit=True) as c:
        admin.execute("DROP SCHEMA test_assumed CASCADE")
        admin.execute("DROP ROLE test_assumed")
        assert c.execute("SELECT 1").fetchone() == (1,)
        row = admin.execute(
            "SELECT usename, usesysid IS NOT NULL FROM pg_stat_activity WHERE pid = %s",
            [c.info.backend_pid],
        ).fetchone()
        assert row == (None, True)
        admin.execute("SELECT pg_terminate_backend(%s)", [c.info.backend_pid])


def test_nologin_keeps_new_sessions_out_and_leaves_old_ones(admin, slot):
    with psycopg.connect(slot, autocommit=True) as c:
        admin.execute("ALTER ROLE test_assumed NOLOGIN")
        assert c.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            psycopg.connect(slot)


def test_drop_schema_waits_behind_a_reader_and_lock_timeout_ends_the_wait(pg, admin, slot):
    admin.execute("CREATE TABLE test_assumed.t (a int)")
    with pg.connect() as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM test_assumed.t")
        admin.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            admin.execute("DROP SCHEMA test_assumed CASCADE")
        reader.execute("ROLLBACK")
    admin.execute("DROP SCHEMA test_assumed CASCADE")


def test_drop_schema_waits_behind_a_reader_of_a_table_it_refers_to(pg, admin, slot):
    admin.execute("CREATE TABLE test_parent (a int PRIMARY KEY)")
    try:
        admin.execute("CREATE TABLE test_assumed.t (a int REFERENCES test_parent)")
        with pg.connect() as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM test_parent")
            admin.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                admin.execute("DROP SCHEMA test_assumed CASCADE")
            reader.execute("ROLLBACK")
    finally:
        admin.execute("DROP TABLE test_parent CASCADE")


def test_a_large_object_blocks_drop_role_until_drop_owned(admin, slot):
    with psycopg.connect(slot, autocommit=True) as c:
        c.execute("SELECT lo_create(0)")
    admin.execute("DROP SCHEMA test_assumed CASCADE")
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        admin.execute("DROP ROLE test_assumed")
    admin.execute("DROP OWNED BY test_assumed CASCADE")
    admin.execute("DROP ROLE test_assumed")


def test_an_advisory_lock_is_free_when_its_session_dies(pg, admin):
    with pg.connect() as holder:
        assert holder.execute("SELECT pg_try_advisory_lock(424242)").fetchone() == (True,)
        assert admin.execute("SELECT pg_try_advisory_lock(424242)").fetchone() == (False,)
    eventually(lambda: admin.execute("SELECT pg_try_advisory_lock(424242)").fetchone() == (True,))
    admin.execute("SELECT pg_advisory_unlock(424242)")


def test_an_advisory_lock_does_not_survive_a_restart(own_pg):
    holder = own_pg.connect()
    holder.execute("SELECT pg_advisory_lock(424242)")
    own_pg.restart()
    assert own_pg.one("SELECT pg_try_advisory_lock(424242)")
    holder.close()


def test_create_schema_if_not_exists_races(pg):
    """Why the registry is created under an advisory lock."""
    errors = []

    def race(barrier):
        with pg.connect() as c:
            for i in range(30):
                barrier.wait()
                try:
                    c.execute(f"CREATE SCHEMA IF NOT EXISTS test_race_{i}")
                except psycopg.Error as e:
                    errors.append(e.sqlstate)

    barrier = threading.Barrier(6)
    threads = [threading.Thread(target=race, args=[barrier]) for _ in range(6)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    pg.scrub()
    assert set(errors) <= {"23505", "42P06"}, "nothing else comes out of this race"


def test_terminating_by_role_in_a_materialized_cte_ends_that_role_alone(pg, admin, slot):
    with psycopg.connect(slot, autocommit=True) as victim, pg.connect() as bystander:
        killed = admin.execute(
            "WITH mine AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE usesysid ="
            " (SELECT oid FROM pg_roles WHERE rolname = 'test_assumed'))"
            " SELECT count(pg_terminate_backend(pid)) FROM mine"
        ).fetchone()
        assert killed == (1,)
        assert bystander.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError):
            victim.execute("SELECT 1")


def test_drop_database_with_force_ends_the_sessions_in_it(pg, admin):
    admin.execute("CREATE DATABASE test_assumed")
    with pg.connect(pg.dsn("postgres", "test_assumed")) as inside:
        admin.execute("DROP DATABASE test_assumed WITH (FORCE)")
        with pytest.raises(psycopg.OperationalError):
            inside.execute("SELECT 1")


def test_a_role_s_connection_limit_counts_its_own_sessions_only(admin, slot):
    admin.execute("ALTER ROLE test_assumed CONNECTION LIMIT 1")
    with (
        psycopg.connect(slot),
        pytest.raises(psycopg.OperationalError, match="too many connections"),
    ):
        psycopg.connect(slot)


def test_membership_is_enough_to_terminate_and_to_drop_without_superuser(make_pg):
    pg = make_pg(superuser=False)
    with pg.connect(pg.dsn()) as d:
        d.execute("CREATE ROLE test_assumed LOGIN PASSWORD 'pw'")
        sixteen = d.info.server_version >= 160000
        d.execute(
            "GRANT test_assumed TO berthd" + (" WITH INHERIT TRUE, SET TRUE" if sixteen else "")
        )
        d.execute("CREATE SCHEMA test_assumed AUTHORIZATION test_assumed")
        with psycopg.connect(pg.dsn("test_assumed", password="pw"), autocommit=True) as c:
            c.execute("CREATE TABLE t (a int)")
            c.execute("SELECT lo_create(0)")
            d.execute("SELECT pg_terminate_backend(%s)", [c.info.backend_pid])
            eventually(lambda: pg.sessions("test_assumed") == 0)
        d.execute("DROP SCHEMA test_assumed CASCADE")
        d.execute("DROP OWNED BY test_assumed CASCADE")
        d.execute("DROP ROLE test_assumed")
    assert pg.made() == []
