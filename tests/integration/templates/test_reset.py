# SPDX-License-Identifier: MIT
"""RESET brings a slot back to exactly what it was, whatever its role has done to it."""

import pytest

from templates.desk import Desk
from templates.house import same

# What is done, by name, to which template. Rows alone are no reason to rebuild, unless tables are guarded.
ROWS = {
    "one row in a table that was empty": ("shop", ["INSERT INTO visits VALUES ('de')"]),
    "many rows in a table that was empty": (
        "shop",
        ["INSERT INTO visits SELECT 'de', now() FROM generate_series(1, 30000)"],
    ),
    "a row beside seed rows": ("shop", ["INSERT INTO countries VALUES ('it')"]),
    "a seed row that was deleted": ("shop", ["DELETE FROM countries WHERE code = 'de'"]),
    "a seed row that was updated": ("shop", ["UPDATE countries SET tags = '{z}' WHERE code = 'de'"]),
    "a seed row that another one replaced": (
        "shop",
        ["DELETE FROM countries WHERE code = 'de'; INSERT INTO countries VALUES ('it')"],
    ),
    "seed rows that changed places": (
        "shop",
        ["UPDATE countries SET code = CASE code WHEN 'de' THEN 'xx' ELSE 'de' END WHERE code <> 'xx'"],
    ),
    "all seed rows updated, in a savepoint": (
        "shop",
        ["BEGIN; SAVEPOINT a; UPDATE countries SET name = code; RELEASE a; SAVEPOINT b; DELETE FROM countries; ROLLBACK TO b; COMMIT"],
    ),
    "seed rows that were truncated": ("shop", ["TRUNCATE countries CASCADE"]),
    "seed rows that were truncated and are there again": (
        "shop",
        ["CREATE TEMP TABLE kept AS SELECT * FROM countries; TRUNCATE countries CASCADE; INSERT INTO countries SELECT code, 'x', tags, extra FROM kept"],
    ),
    "rows in a ring of references": (
        "shop",
        ["BEGIN; INSERT INTO users (name, favourite) VALUES ('new', 99); INSERT INTO posts (id, author) VALUES (99, 3); COMMIT"],
    ),
    "a delete that cascades": ("shop", ["SET CONSTRAINTS ALL DEFERRED", "UPDATE users SET favourite = NULL", "DELETE FROM users WHERE id = 2"]),
    "rows that refer to their own table": ("shop", ["INSERT INTO posts (id, author, reply_to) VALUES (50, 1, 50), (51, 1, 50)"]),
    "everything deleted": ("shop", ["UPDATE users SET favourite = NULL; DELETE FROM posts; DELETE FROM users; DELETE FROM countries; DELETE FROM journal"]),
    "a key that cascades on update": ("shop", ["INSERT INTO visits VALUES ('de'); UPDATE countries SET code = 'xx' WHERE code = 'de'"]),
    "what a trigger wrote": ("shop", ["UPDATE posts SET body = 'x' WHERE id = 2"]),
    "generated columns": ("shop", ["UPDATE users SET name = name || '!'"]),
    "a sequence that was called": ("shop", ["SELECT nextval('untouched')"]),
    "a sequence that was set": ("shop", ["SELECT setval('counter', 1000)"]),
    "a sequence that was set and not called": ("shop", ["SELECT setval('counter', 8, false)"]),
    "a sequence that was set back": ("shop", ["SELECT setval('counter', 7, false)"]),
    "a sequence that only an insert that failed has called": (
        "shop",
        ["DO $$BEGIN INSERT INTO users (name) VALUES ('root'); EXCEPTION WHEN unique_violation THEN END$$"],
    ),
    "rows in partitions": ("parts", ["INSERT INTO events VALUES ('2019-02-01', 'q', 9), ('2022-01-01', 'a', 9), ('2022-01-01', 'new', 9)"]),
    "rows that moved to another partition": ("parts", ["UPDATE events SET kind = 'other' WHERE kind = 'a'"]),
    "seed rows of a partition deleted": ("parts", ["DELETE FROM events_new_a"]),
    "partitions by hash": ("parts", ["INSERT INTO hashed SELECT generate_series(10, 40); DELETE FROM hashed WHERE k < 4"]),
    "rows of a child table": ("parts", ["INSERT INTO puppies (name, age) VALUES ('p', 1)"]),
    "rows of a parent and its children": ("parts", ["UPDATE animals SET name = 'all the same'"]),
    "rows of an unlogged table": ("parts", ["UPDATE cache SET v = 'x'; INSERT INTO cache VALUES ('b')"]),
    "rows of a table without columns": ("parts", ["INSERT INTO no_columns SELECT FROM generate_series(1, 5)"]),
    "no rows in a table without columns": ("parts", ["DELETE FROM no_columns"]),
    "rows under a name that must be quoted": ("parts", ['UPDATE "Odd ""name""; it\'s" SET " " = \'x\'']),
    "a table where DELETE raises": ("guarded", ["INSERT INTO no_delete VALUES (3)"]),
    "a table where DELETE is skipped": ("guarded", ["INSERT INTO no_delete_ever VALUES (3)"]),
    "a table where TRUNCATE raises": ("guarded", ["INSERT INTO no_truncate SELECT generate_series(1, 20000)"]),
    "a table whose triggers write, always": ("guarded", ["INSERT INTO noted VALUES (2)"]),
    "a table where a rule swallows DELETE": ("guarded", ["INSERT INTO ruled VALUES (3)"]),
    "a table where a rule swallows DELETE, always": ("guarded", ["ALTER TABLE ruled_always DISABLE RULE s", "INSERT INTO ruled_always VALUES (3)", "ALTER TABLE ruled_always ENABLE ALWAYS RULE s"]),
    "a table that hides its rows from its owner": ("guarded", ["INSERT INTO hidden VALUES (3)"]),
    "a table that hides some of its rows": ("guarded", ["UPDATE half_hidden SET b = 'changed'"]),
    "a table from which its owner may not delete": ("guarded", ["INSERT INTO append_only VALUES (2)"]),
    "a table whose check looks elsewhere": ("guarded", ["DELETE FROM checked"]),
    "a sequence beside one that is cached": ("cached", ["INSERT INTO t (a) VALUES ('x'); SELECT nextval('plain')"]),
    "every table of many": ("plain", [f"INSERT INTO t{n} (b) SELECT max(id) FROM t{max(n - 1, 0)}" for n in range(8)]),
}  # fmt: skip

FILES = {
    "a table that its user truncated": ("shop", ["TRUNCATE countries, visits"]),
    "a table that its user truncated and filled": ("shop", ["TRUNCATE visits; INSERT INTO visits VALUES ('fr')"]),
    "a truncated table whose sequences start again": ("shop", ["TRUNCATE posts, users, journal RESTART IDENTITY"]),
    "partitions that were truncated": ("parts", ["TRUNCATE events"]),
    "a materialized view that was refreshed": ("parts", ["DELETE FROM ONLY animals; REFRESH MATERIALIZED VIEW names"]),
    "a materialized view that was refreshed row by row": (
        "parts",
        ["INSERT INTO animals (name) VALUES ('emu')", "REFRESH MATERIALIZED VIEW CONCURRENTLY names", "DELETE FROM animals WHERE name = 'emu'"],
    ),
    "a materialized view of a materialized view": ("parts", ["DELETE FROM animals; REFRESH MATERIALIZED VIEW names; REFRESH MATERIALIZED VIEW how_many"]),
    "a materialized view that had no data": ("parts", ["REFRESH MATERIALIZED VIEW empty"]),
    "a materialized view that has none now": ("parts", ["REFRESH MATERIALIZED VIEW how_many WITH NO DATA"]),
    "tables that were rewritten": ("shop", ["INSERT INTO visits VALUES ('de')", "VACUUM FULL countries", "CLUSTER users USING users_pkey", "REINDEX TABLE posts", "ANALYZE"]),
}  # fmt: skip

# Files change and the definition does, in the same catalog row: the one must not hide the other.
BOTH = {
    "truncated, and other storage": ("shop", ["TRUNCATE visits", "ALTER TABLE visits SET (fillfactor = 50)"]),
    "truncated, and security on": ("shop", ["TRUNCATE visits", "ALTER TABLE visits ENABLE ROW LEVEL SECURITY"]),
    "truncated, and security forced": ("shop", ["TRUNCATE visits", "ALTER TABLE visits FORCE ROW LEVEL SECURITY"]),
    "truncated, and given away": ("shop", ["TRUNCATE visits", "GRANT SELECT ON visits TO PUBLIC"]),
    "truncated, and another replica identity": ("shop", ["TRUNCATE visits", "ALTER TABLE visits REPLICA IDENTITY FULL"]),
    "truncated in the transaction that changes it": ("shop", ["TRUNCATE visits; ALTER TABLE visits SET (fillfactor = 50)"]),
    "changed, then truncated": ("shop", ["ALTER TABLE visits SET (fillfactor = 50)", "TRUNCATE visits"]),
    "truncated, and unlogged": ("shop", ["TRUNCATE visits, journal", "ALTER TABLE journal SET UNLOGGED"]),
    "refreshed, and other storage": ("parts", ["REFRESH MATERIALIZED VIEW how_many", "ALTER MATERIALIZED VIEW how_many SET (fillfactor = 50)"]),
    "an index rewritten, and other storage": ("shop", ["REINDEX INDEX posts_body", "ALTER INDEX posts_body SET (fillfactor = 50)"]),
    "clustered": ("shop", ["CLUSTER users USING users_pkey"]),
    "a sequence restarted, and changed": ("shop", ["ALTER SEQUENCE counter RESTART", "ALTER SEQUENCE counter INCREMENT 5"]),
    "a sequence restarted for ever": ("shop", ["ALTER SEQUENCE counter START 9 RESTART"]),
    "rows and a column": ("shop", ["INSERT INTO visits VALUES ('de')", "ALTER TABLE visits ADD x integer"]),
}  # fmt: skip

DDL = {
    "a new table": ("shop", ["CREATE TABLE extra (a integer)"]),
    "a new table with rows in it": ("plain", ["CREATE TABLE extra AS SELECT 1 AS a; INSERT INTO t0 DEFAULT VALUES"]),
    "a dropped table": ("shop", ["DROP TABLE visits"]),
    "a dropped table that is made again": ("plain", ["DROP TABLE t7", "CREATE TABLE t7 (id serial PRIMARY KEY, a text, b bigint)"]),
    "a dropped table with what depends on it": ("shop", ["DROP TABLE users CASCADE"]),
    "a renamed table": ("shop", ["ALTER TABLE visits RENAME TO visited"]),
    "tables that changed names": ("plain", ["ALTER TABLE t0 RENAME TO x; ALTER TABLE t1 RENAME TO t0; ALTER TABLE x RENAME TO t1"]),
    "a renamed column": ("shop", ["ALTER TABLE visits RENAME at TO moment"]),
    "a new column": ("shop", ["ALTER TABLE visits ADD note text DEFAULT 'x'"]),
    "a dropped column": ("shop", ["ALTER TABLE visits DROP at"]),
    "another type of a column": ("shop", ["ALTER TABLE posts ALTER id TYPE bigint"]),
    "another default": ("shop", ["ALTER TABLE visits ALTER at SET DEFAULT '2020-01-01'"]),
    "no default": ("shop", ["ALTER TABLE visits ALTER at DROP DEFAULT"]),
    "not null": ("shop", ["ALTER TABLE visits ALTER at SET NOT NULL"]),
    "an identity that may be given": ("shop", ["ALTER TABLE users ALTER id SET GENERATED BY DEFAULT"]),
    "statistics of a column": ("shop", ["ALTER TABLE visits ALTER at SET STATISTICS 9"]),
    "options of a column": ("shop", ["ALTER TABLE visits ALTER at SET (n_distinct = 9)"]),
    "a new constraint": ("shop", ["ALTER TABLE visits ADD CONSTRAINT c CHECK (at > '1900-01-01')"]),
    "a dropped constraint": ("shop", ["ALTER TABLE visits DROP CONSTRAINT visits_country_fkey"]),
    "a constraint that is deferrable now": ("shop", ["ALTER TABLE visits ALTER CONSTRAINT visits_country_fkey DEFERRABLE"]),
    "a constraint that is checked now": ("shop", ["ALTER TABLE visits ADD CONSTRAINT c CHECK (at > '1900-01-01') NOT VALID", "ALTER TABLE visits VALIDATE CONSTRAINT c"]),
    "a renamed index": ("shop", ["ALTER INDEX posts_body RENAME TO i"]),
    "a renamed trigger": ("shop", ["ALTER TRIGGER note ON posts RENAME TO other"]),
    "a renamed type": ("shop", ["ALTER TYPE mood RENAME TO feeling"]),
    "a renamed function": ("shop", ["ALTER FUNCTION note RENAME TO noted"]),
    "a renamed sequence": ("shop", ["ALTER SEQUENCE counter RENAME TO c"]),
    "a renamed view": ("shop", ["ALTER VIEW sad RENAME TO blue"]),
    "a renamed constraint": ("shop", ["ALTER TABLE visits RENAME CONSTRAINT visits_country_fkey TO c"]),
    "a new index": ("shop", ["CREATE INDEX extra ON visits (at)"]),
    "a new index, concurrently": ("shop", ["CREATE INDEX CONCURRENTLY extra ON visits (at)"]),
    "a dropped index": ("shop", ["DROP INDEX posts_body"]),
    "a new view": ("shop", ["CREATE VIEW extra AS SELECT * FROM users"]),
    "another view": ("shop", ["CREATE OR REPLACE VIEW sad AS SELECT name FROM users WHERE mood = 'happy'"]),
    "options of a view": ("shop", ["ALTER VIEW sad SET (security_barrier)"]),
    "a default of a view": ("shop", ["ALTER VIEW sad ALTER name SET DEFAULT 'x'"]),
    "a new materialized view": ("shop", ["CREATE MATERIALIZED VIEW extra AS SELECT * FROM users"]),
    "a new function": ("shop", ["CREATE FUNCTION extra() RETURNS int LANGUAGE sql AS 'SELECT 1'"]),
    "another function body": ("shop", ["CREATE OR REPLACE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"]),
    "a dropped function": ("guarded", ["DROP FUNCTION check_it CASCADE"]),
    "a new procedure": ("shop", ["CREATE PROCEDURE extra() LANGUAGE sql AS 'SELECT 1'"]),
    "a new aggregate": ("shop", ["CREATE AGGREGATE extra(integer) (SFUNC = int4pl, STYPE = integer)"]),
    "a new operator": ("shop", ["CREATE OPERATOR #+# (LEFTARG = integer, RIGHTARG = integer, FUNCTION = int4pl)"]),
    "a new type": ("shop", ["CREATE TYPE extra AS (a integer)"]),
    "a new enum": ("shop", ["CREATE TYPE extra AS ENUM ('a')"]),
    "a new value of an enum": ("shop", ["ALTER TYPE mood ADD VALUE 'new'"]),
    "a new value in the midst of an enum": ("shop", ["ALTER TYPE mood ADD VALUE IF NOT EXISTS 'new' BEFORE 'ok'"]),
    "a value of an enum and rows that have it": ("shop", ["ALTER TYPE mood ADD VALUE 'new'", "UPDATE users SET mood = 'new'"]),
    "another name of a value": ("shop", ["ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'"]),
    "a new range": ("shop", ["CREATE TYPE extra AS RANGE (subtype = integer)"]),
    "a new domain": ("shop", ["CREATE DOMAIN extra AS text"]),
    "another check of a domain": ("shop", ["ALTER DOMAIN positive ADD CONSTRAINT small CHECK (VALUE < 100)"]),
    "another default of a domain": ("shop", ["ALTER DOMAIN positive SET DEFAULT 3"]),
    "a new sequence": ("shop", ["CREATE SEQUENCE extra"]),
    "a dropped sequence": ("shop", ["DROP SEQUENCE untouched"]),
    "a sequence with another step": ("shop", ["ALTER SEQUENCE untouched INCREMENT 3"]),
    "a sequence that no column owns any more": ("shop", ["ALTER SEQUENCE posts_id_seq OWNED BY NONE"]),
    "a function that depends on an extension": ("shop", ["ALTER FUNCTION note DEPENDS ON EXTENSION citext"]),
    "a trigger that depends on an extension": ("shop", ["ALTER TRIGGER note ON posts DEPENDS ON EXTENSION citext"]),
    "an index that depends on an extension": ("shop", ["ALTER INDEX posts_body DEPENDS ON EXTENSION citext"]),
    "a sequence that a column owns now": ("shop", ["ALTER SEQUENCE untouched OWNED BY visits.at"]),
    "a new trigger": ("shop", ["CREATE TRIGGER extra BEFORE INSERT ON visits FOR EACH ROW EXECUTE FUNCTION note()"]),
    "a dropped trigger": ("shop", ["DROP TRIGGER note ON posts"]),
    "a trigger that is disabled": ("shop", ["ALTER TABLE posts DISABLE TRIGGER note"]),
    "a trigger that is disabled, and rows": ("shop", ["ALTER TABLE posts DISABLE TRIGGER USER; DELETE FROM posts WHERE id = 3"]),
    "a new rule": ("shop", ["CREATE RULE extra AS ON DELETE TO visits DO INSTEAD NOTHING"]),
    "a rule that swallows DELETE, and rows": ("shop", ["INSERT INTO visits VALUES ('de'); CREATE RULE extra AS ON DELETE TO visits DO INSTEAD NOTHING"]),
    "a rule that is disabled": ("guarded", ["ALTER TABLE ruled DISABLE RULE r"]),
    "a new policy": ("shop", ["CREATE POLICY extra ON visits USING (true)"]),
    "security that is on": ("shop", ["ALTER TABLE visits ENABLE ROW LEVEL SECURITY"]),
    "security that hides rows from their owner": (
        "shop",
        ["INSERT INTO visits VALUES ('de'); ALTER TABLE visits ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY"],
    ),
    "security that is off": ("guarded", ["ALTER TABLE hidden DISABLE ROW LEVEL SECURITY"]),
    "new statistics": ("shop", ["CREATE STATISTICS extra ON country, at FROM visits"]),
    "a new collation": ("shop", ['CREATE COLLATION extra FROM "C"']),
    "a new text search configuration": ("shop", ["CREATE TEXT SEARCH CONFIGURATION extra (COPY = english)"]),
    "a new cast": ("shop", ["CREATE CAST (mood AS integer) WITH FUNCTION f(mood)"]),
    "a detached partition": ("parts", ["ALTER TABLE events DETACH PARTITION events_old"]),
    "a new partition": ("parts", ["CREATE TABLE hashed_x (k integer NOT NULL)", "ALTER TABLE events_new DETACH PARTITION events_new_rest", "CREATE TABLE events_new_z PARTITION OF events_new FOR VALUES IN ('z')"]),
    "a child that is one no more": ("parts", ["ALTER TABLE puppies NO INHERIT dogs"]),
    "a table that is unlogged now": ("shop", ["ALTER TABLE journal SET UNLOGGED"]),
    "a table that is logged now": ("parts", ["ALTER TABLE cache SET LOGGED"]),
    "a comment on a table": ("shop", ["COMMENT ON TABLE visits IS 'mine'"]),
    "a comment on a column": ("shop", ["COMMENT ON COLUMN visits.at IS 'mine'"]),
    "a comment on a constraint": ("shop", ["COMMENT ON CONSTRAINT visits_country_fkey ON visits IS 'mine'"]),
    "a comment on a constraint of a domain": ("shop", ["COMMENT ON CONSTRAINT positive_check ON DOMAIN positive IS 'mine'"]),
    "a comment on a trigger": ("shop", ["COMMENT ON TRIGGER note ON posts IS 'mine'"]),
    "a comment on a rule": ("guarded", ["COMMENT ON RULE r ON ruled IS 'mine'"]),
    "a comment on a policy": ("guarded", ["COMMENT ON POLICY p ON hidden IS 'mine'"]),
    "a comment on an index": ("shop", ["COMMENT ON INDEX posts_body IS 'mine'"]),
    "a comment on a function": ("shop", ["COMMENT ON FUNCTION note IS 'mine'"]),
    "a comment on the schema": ("shop", ["COMMENT ON SCHEMA @schema@ IS 'mine'"]),
    "no comment on the schema": ("shop", ["COMMENT ON SCHEMA @schema@ IS NULL"]),
    "rights on a table": ("shop", ["GRANT SELECT ON users TO reader"]),
    "rights on a column": ("shop", ["GRANT UPDATE (name) ON users TO PUBLIC"]),
    "rights on a column of the system's": ("shop", ["GRANT SELECT (ctid) ON users TO PUBLIC"]),
    "rights on a sequence": ("shop", ["GRANT USAGE ON SEQUENCE counter TO reader"]),
    "rights on a column of a sequence": ("shop", ["GRANT SELECT (last_value) ON counter TO PUBLIC"]),
    "rights on a type": ("shop", ["REVOKE USAGE ON TYPE mood FROM PUBLIC"]),
    "rights on the type of a table's rows": ("shop", ["REVOKE USAGE ON TYPE users FROM PUBLIC"]),
    "rights on the schema": ("shop", ["GRANT ALL ON SCHEMA @schema@ TO PUBLIC"]),
    "rights on a function": ("shop", ["REVOKE ALL ON FUNCTION note FROM PUBLIC"]),
    "rights that the role took from itself": ("shop", ["REVOKE ALL ON users FROM CURRENT_USER"]),
    "rights on the schema that the role took from itself": ("shop", ["REVOKE ALL ON SCHEMA @schema@ FROM CURRENT_USER"]),
    "rights on what will be made": ("shop", ["ALTER DEFAULT PRIVILEGES IN SCHEMA @schema@ GRANT SELECT ON TABLES TO PUBLIC"]),
    "rights on what will be made anywhere": ("shop", ["ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader"]),
    "a setting of the role": ("shop", ["ALTER ROLE CURRENT_USER SET search_path = public"]),
    "a setting of the role in the database": ("shop", ["ALTER ROLE CURRENT_USER IN DATABASE app SET jit = on"]),
    "no settings of the role": ("shop", ["ALTER ROLE CURRENT_USER RESET ALL"]),
    "a large object": ("shop", ["SELECT lo_create(0)"]),
    "a large object and rows": ("shop", ["SELECT lo_from_bytea(0, 'x'); INSERT INTO visits VALUES ('de')"]),
    "the whole schema dropped": ("shop", ["DROP SCHEMA @schema@ CASCADE"]),
    "everything dropped that the role owns": ("shop", ["DROP OWNED BY CURRENT_USER"]),
    "everything in the empty schema": ("empty", ["CREATE TABLE t (a serial PRIMARY KEY); INSERT INTO t DEFAULT VALUES; CREATE VIEW v AS TABLE t; CREATE TYPE e AS ENUM ('a')"]),
}  # fmt: skip
DDL["a new cast"][1].insert(0, "CREATE FUNCTION f(mood) RETURNS integer LANGUAGE sql AS 'SELECT 1'")


def cases(*tables):
    return pytest.mark.parametrize("name", [name for table in tables for name in table])


@cases(ROWS)
def test_rows_come_back_without_a_rebuild(house, desks, name):
    shape, texts = ROWS[name]
    said = desks(shape).comes_back(*texts, rebuilt=None if shape == "guarded" else False)
    assert said.us > 0


@cases(FILES)
def test_new_files_of_tables_are_no_other_tables(house, desks, name):
    shape, texts = FILES[name]
    desks(shape).comes_back(*texts)


@cases(BOTH)
def test_new_files_hide_no_other_change(house, desks, name):
    shape, texts = BOTH[name]
    desks(shape).comes_back(*texts)


@cases(DDL)
def test_what_was_made_or_changed_is_gone(house, desks, name):
    shape, texts = DDL[name]
    desks(shape).comes_back(*texts)


def test_nothing_was_done(house, desks):
    said = desks("shop").reset()
    assert list(said)[:5] == ["tables", "rows", "sequences", "rebuilt", "us"]
    assert (said.tables, said.rows, said.sequences, said.rebuilt) == (0, 0, 0, 0)


def test_the_answer_says_what_was_done(house, desks):
    desk = desks("shop")
    said = desk.comes_back(
        "INSERT INTO visits SELECT 'de' FROM generate_series(1, 5)",
        "UPDATE countries SET name = 'x' WHERE code = 'de'",
        "SELECT nextval('counter'), nextval('untouched')",
    )
    assert (said.tables, said.sequences, said.rebuilt) == (2, 2, 0)
    assert said.rows >= 6


def test_a_reset_may_be_asked_for_twice(house, desks):
    desk = desks("shop")
    desk.sql("INSERT INTO visits VALUES ('de')")
    assert desk.reset().tables == 1
    assert desk.reset().tables == 0
    desk.is_clean()


def test_many_resets_one_after_another(house, desks):
    desk = desks("parts")
    with desk.connect() as session:
        for n in range(50):
            session.execute("INSERT INTO cache VALUES (%s)", (str(n),))
            session.execute("UPDATE events SET n = n + 1")
            assert desk.reset().rebuilt == 0
    desk.is_clean()


def test_another_lease_of_the_template_is_not_touched(house, desks):
    one = desks("shop")
    other = Desk(house, "shop")
    other.sql("INSERT INTO visits VALUES ('fr')", "CREATE TABLE extra (a integer)")
    kept = house.state(other.lease)
    one.comes_back("INSERT INTO visits VALUES ('de')")
    one.comes_back("DROP TABLE visits")
    assert house.state(other.lease) == kept
    other.reset()
    other.is_clean()
    other.close()


def test_the_lease_is_the_same_after_a_reset_and_a_rebuild(house, desks):
    desk = desks("shop")
    for texts in (["INSERT INTO visits VALUES ('de')"], ["DROP TABLE visits; CREATE TABLE extra ()"]):
        desk.comes_back(*texts)
        now = desk.client.lease(desk.lease.lease)
        for field in ("schema", "role", "dsn", "password", "fence", "redis_url", "template", "state"):
            assert now[field] == desk.lease[field], field


def test_what_has_everything_comes_back(house, client):
    lease = house.everything(client)
    before = house.full_state(lease)
    session = house.daemon.sql(lease)
    for text in (
        "UPDATE types SET f8 = 1, taa = NULL WHERE id > 2",
        "DELETE FROM no_columns; DELETE FROM wide WHERE g > 2",
        "INSERT INTO logs VALUES ('2020-01-05', 'a', 8); INSERT INTO buckets VALUES ('new', 1)",
        "INSERT INTO people (name, nick) SELECT 'p' || g, 'p' || g FROM generate_series(1, 100) g",
        "UPDATE rooms SET kind = 'ghost' WHERE weight <> 17; SELECT setval('set_seq', 1)",
        "DELETE FROM adopted; DELETE FROM secrets; TRUNCATE buckets, unlogged",
        "REFRESH MATERIALIZED VIEW counted",
    ):
        session.execute(text)
    assert house.full_state(lease) != before
    client("RESET", lease.lease)
    same(before, house.full_state(lease))
    session.execute("DROP TABLE people CASCADE")
    client("RESET", lease.lease)
    same(before, house.full_state(lease))
