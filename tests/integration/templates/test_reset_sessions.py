# SPDX-License-Identifier: MIT
"""RESET and the sessions that are open meanwhile: idle ones stay, busy ones are named or ended."""

import threading

import psycopg
import pytest

from harness import eventually
from harness.resp import ReplyError, as_map
from harness.wait import SLOW

REBUILD = "ALTER TABLE visits ADD x integer"


def pid(session) -> int:
    return session.info.backend_pid


def busy(desk, *wanted) -> ReplyError:
    """RESET says BUSY and these words."""
    with pytest.raises(ReplyError) as e:
        desk.reset()
    assert e.value.code == "BUSY", e.value
    for word in wanted:
        assert str(word) in e.value.message, e.value
    return e.value


@pytest.fixture
def desk(house, desks):
    return desks("shop")


# Open transactions.


def test_rows_of_a_transaction_that_is_open_are_named_not_lost(desk):
    session = desk.connect()
    desk.sql("DELETE FROM countries WHERE code = 'fr'")
    session.execute("BEGIN; INSERT INTO visits VALUES ('de')")
    before = desk.house.state(desk.lease)
    busy(desk, pid(session), "idle in transaction", "INSERT INTO visits")
    assert desk.house.state(desk.lease) == before
    session.execute("COMMIT")
    assert desk.is_dirty()
    desk.reset()
    desk.is_clean()


def test_force_ends_a_transaction_that_is_open(desk):
    session, idle = desk.connect(), desk.connect()
    session.execute("BEGIN; INSERT INTO visits VALUES ('de')")
    desk.reset("FORCE")
    desk.is_clean()
    with pytest.raises(psycopg.OperationalError):
        session.execute("COMMIT")
    assert idle.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.parametrize("text", ["SELECT 1", "SELECT * FROM users", "LOCK users IN ACCESS EXCLUSIVE MODE", "CREATE TABLE extra ()", "SELECT pg_notify('a', 'b')"])
def test_any_transaction_that_is_open_is_busy(desk, text):
    session = desk.connect()
    session.execute("BEGIN")
    session.execute(text)
    busy(desk, pid(session))
    desk.reset("FORCE")
    desk.is_clean()


def test_a_transaction_that_failed_is_busy_too(desk):
    session = desk.connect()
    session.execute("BEGIN")
    with pytest.raises(psycopg.Error):
        session.execute("SELECT 1 / 0")
    busy(desk, pid(session), "aborted")
    session.execute("ROLLBACK")
    desk.reset()


def test_a_query_that_runs_is_busy(desk):
    session = desk.connect()

    def run():
        with pytest.raises(psycopg.OperationalError):
            session.execute("INSERT INTO visits SELECT 'de' FROM pg_sleep(60)")

    thread = threading.Thread(target=run)
    thread.start()
    eventually(lambda: desk.admin(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid(session)} AND wait_event = 'PgSleep'"))
    busy(desk, pid(session), "active", "pg_sleep")
    desk.reset("FORCE")
    thread.join(10 * SLOW)
    assert not thread.is_alive()
    desk.is_clean()


def test_all_busy_sessions_are_ended_by_force_and_idle_ones_stay(desk):
    open_ones = [desk.connect() for _ in range(4)]
    idle = [desk.connect() for _ in range(3)]
    for n, session in enumerate(open_ones):
        session.execute(f"BEGIN; INSERT INTO users (name) VALUES ('n{n}')")
    desk.reset("FORCE")
    desk.is_clean()
    assert [s.execute("SELECT 1").fetchone() for s in idle] == [(1,)] * 3
    for session in open_ones:
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_a_prepared_transaction_is_busy_and_force_rolls_it_back(desk):
    """It has no session; its locks and rows wait for COMMIT PREPARED all the same."""
    desk.sql("BEGIN; INSERT INTO visits VALUES ('de'); DELETE FROM countries WHERE code = 'fr'; PREPARE TRANSACTION 'held-back'")
    busy(desk, "held-back")
    desk.reset("FORCE")
    desk.is_clean()
    assert desk.admin("SELECT gid FROM pg_prepared_xacts") == []


def test_a_cursor_that_outlives_its_transaction_keeps_its_rows(desk):
    session = desk.connect()
    session.execute("DECLARE c CURSOR WITH HOLD FOR SELECT code FROM countries ORDER BY code")
    desk.comes_back("DELETE FROM countries")
    assert session.execute("FETCH ALL FROM c").fetchall() == [("de",), ("fr",)]


# Idle sessions.


def test_idle_sessions_stay_with_all_that_they_have(desk):
    session = desk.connect()
    session.execute("SET application_name = 'mine'")
    session.execute("CREATE TEMP TABLE kept AS SELECT 1 AS a")
    session.execute("CREATE TEMP VIEW seen AS SELECT * FROM countries")
    session.execute("LISTEN something")
    session.execute("SELECT pg_advisory_lock(4711)")
    for text in ("INSERT INTO visits VALUES ('de')", REBUILD):
        desk.comes_back(text)
        assert session.execute("SELECT a, current_setting('application_name') FROM kept").fetchone() == (1, "mine")
        assert session.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711").fetchone() == (1,)
        assert session.execute("SELECT * FROM pg_listening_channels()").fetchall() == [("something",)]
        assert session.execute("SELECT count(*) FROM countries").fetchone() == (2,)


@pytest.mark.parametrize("deed", ["INSERT INTO visits VALUES ('de')", "TRUNCATE visits", REBUILD])
def test_prepared_statements_of_idle_sessions_keep_working(desk, deed):
    session = desk.connect()
    session.execute("PREPARE look AS SELECT name FROM countries WHERE code = $1")
    session.execute("PREPARE put AS INSERT INTO visits VALUES ($1) RETURNING country")
    session.execute("PREPARE call AS SELECT nextval('counter')")
    for _ in range(8):  # past the point where a plan is kept
        assert session.execute("EXECUTE look ('de')").fetchone() == ("Germany",)
        assert session.execute("EXECUTE put ('fr')").fetchone() == ("fr",)
    desk.sql(deed)
    desk.reset()
    desk.is_clean()
    assert session.execute("EXECUTE look ('de')").fetchone() == ("Germany",)
    assert session.execute("EXECUTE put ('fr')").fetchone() == ("fr",)
    assert session.execute("EXECUTE call").fetchone() == (9,)
    desk.reset()
    desk.is_clean()


def test_functions_that_a_session_has_compiled_keep_working(desk):
    session = desk.connect()
    for deed in ("INSERT INTO visits VALUES ('de')", REBUILD):
        session.execute("INSERT INTO posts (author) VALUES (1)")
        assert session.execute("SELECT what FROM journal ORDER BY n DESC LIMIT 1").fetchone() == ("INSERT posts",)
        desk.comes_back(deed)
    session.execute("INSERT INTO posts (author) VALUES (1)")
    assert session.execute("SELECT count(*) FROM journal WHERE what = 'INSERT posts'").fetchone() == (4,)


def test_numbers_that_a_session_has_cached_of_a_sequence_are_forgotten(desks):
    desk = desks("cached")
    session = desk.connect()
    first = session.execute("SELECT nextval('cached')").fetchone()
    assert first == (11,)
    desk.reset()
    desk.is_clean()
    with desk.connect() as other:
        assert other.execute("SELECT nextval('cached')").fetchone() == (11,)
    assert session.execute("SELECT nextval('cached')").fetchone() == (21,)


def test_a_transaction_begins_right_after_the_answer(desk):
    """A pool's connections are used at once; no lock of the reset may be in their way."""
    session = desk.connect()
    for _ in range(20):
        session.execute("BEGIN; LOCK users, visits, countries IN ACCESS EXCLUSIVE MODE NOWAIT; INSERT INTO visits VALUES ('de'); COMMIT")
        desk.reset()
    desk.is_clean()


def test_what_a_session_keeps_in_pg_temp_makes_no_rebuild(desk):
    session = desk.connect()
    for text in (
        "CREATE TEMP TABLE kept (a serial PRIMARY KEY, b text)",
        "CREATE TEMP SEQUENCE kept_too",
        "CREATE FUNCTION pg_temp.one() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "CREATE TYPE pg_temp.of_mine AS ENUM ('a')",
        "CREATE TEMP VIEW seen AS SELECT code FROM countries",
    ):
        session.execute(text)
        assert desk.comes_back("INSERT INTO visits VALUES ('de')").rebuilt == 0, text
    assert session.execute("SELECT pg_temp.one()").fetchone() == (1,)
    session.close()
    assert desk.comes_back("INSERT INTO visits VALUES ('de')").rebuilt == 0


# Others.


def test_rows_that_another_role_wrote_are_found(desk):
    desk.admin("INSERT INTO @schema@.visits VALUES ('de')")
    assert desk.is_dirty()
    desk.reset()
    desk.is_clean()


def test_rows_that_another_role_has_not_committed_yet_are_not_lost(desk):
    """Either it is BUSY, or the reset after the commit finds them."""
    with desk.house.pg.connect() as admin:
        admin.execute(f"BEGIN; INSERT INTO {desk.lease.schema}.visits VALUES ('de')")
        try:
            desk.reset()
        except ReplyError as e:
            assert e.code in ("BUSY", "TIMEOUT"), e
        admin.execute("COMMIT")
    desk.reset()
    desk.is_clean()


@pytest.mark.parametrize("deed", ["INSERT INTO visits VALUES ('de')", REBUILD])
def test_a_reader_from_outside_does_not_hang_it_for_ever(desk, deed):
    """pg_dump of an administrator, say. It is done nevertheless, or refused, and then it works."""
    desk.sql(deed)
    with desk.house.pg.connect() as admin:
        admin.execute(f"BEGIN; SELECT * FROM {desk.lease.schema}.visits")
        try:
            desk.reset()
        except ReplyError as e:
            assert e.code in ("BUSY", "TIMEOUT", "PGERR"), e
        admin.execute("ROLLBACK")
    desk.reset()
    desk.is_clean()


def test_two_resets_at_once_are_both_answered(desk):
    desk.sql("INSERT INTO visits VALUES ('de')", REBUILD)
    connections = [desk.house.daemon.client() for _ in range(3)]
    for connection in connections:
        connection.send("RESET", desk.lease.lease)
    for connection in connections:
        said = connection.read_any()
        assert not isinstance(said, ReplyError) or said.code == "BUSY", said
    desk.is_clean()


# What a role may do to itself.


def test_a_password_that_the_role_changed_is_the_lease_s_again(desk):
    desk.sql("ALTER ROLE CURRENT_USER PASSWORD 'mine now'")
    with pytest.raises(psycopg.OperationalError):
        desk.sql("SELECT 1")
    desk.reset("FORCE")
    assert desk.sql("SELECT 1") == [(1,)]
    desk.is_clean()


@pytest.mark.parametrize("setting", [
    "default_transaction_read_only = on", "search_path = pg_catalog", "statement_timeout = 1", "array_nulls = off",
    "standard_conforming_strings = off", "datestyle = 'SQL, DMY'", "default_transaction_isolation = 'serializable'",
    "check_function_bodies = on", "row_security = off", "lock_timeout = 1", "idle_in_transaction_session_timeout = 1",
    "default_tablespace = ''", "client_encoding = 'LATIN1'", "role = 'reader'",
])  # fmt: skip
def test_settings_of_the_role_do_not_come_between(desk, setting):
    try:
        desk.sql(f"ALTER ROLE CURRENT_USER SET {setting}")
    except psycopg.Error as e:
        pytest.skip(str(e))
    desk.admin("INSERT INTO @schema@.countries VALUES ('xx', 'ü')")
    desk.reset()
    desk.is_clean()
    desk.sql(REBUILD, f"ALTER ROLE CURRENT_USER SET {setting}")
    desk.reset()
    desk.is_clean()


# Requests.


def refused(client, *words) -> str:
    with pytest.raises(ReplyError) as e:
        client(*words)
    return e.value.code


def test_resets_that_cannot_be(desk):
    client = desk.client
    assert refused(client, "RESET", "no-such-lease") == "NOLEASE"
    assert refused(client, "RESET", "nobody/gw0") == "NOLEASE"
    assert refused(client, "RESET", desk.lease.lease, "GENTLY") == "USAGE"
    assert refused(client, "RESET", desk.lease.lease, "FORCE", "FORCE") in ("USAGE", "ERR")
    assert client("RESET") == "RESET"
    assert desk.lease.lease in [row.lease for row in client.leases()]
    desk.is_clean()


@pytest.mark.root
def test_others_may_not_reset_it(desk):
    other = desk.house.daemon.client_of()
    assert refused(other, "RESET", desk.lease.lease) == "DENIED"
    assert refused(other, "BASELINE", desk.lease.lease) == "DENIED"


def test_its_name_says_which_lease_it_is(desk):
    name = f"{desk.lease.run}/{desk.lease.worker}"
    desk.sql("INSERT INTO visits VALUES ('de')")
    assert as_map(desk.client("RESET", name)).tables == 1
    desk.is_clean()
