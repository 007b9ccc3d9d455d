# SPDX-License-Identifier: MIT
"""Small templates, each with some of what makes a reset hard; texts of one transaction each."""

from __future__ import annotations

from templates import everything

# Rows that refer in rings and to themselves, values that are computed, a trigger that writes a journal.
SHOP = (
    """
    CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE TABLE users (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL UNIQUE,
        mood mood DEFAULT 'ok',
        upper_name text GENERATED ALWAYS AS (upper(name)) STORED
    );
    CREATE TABLE posts (
        id serial PRIMARY KEY,
        author integer REFERENCES users ON DELETE CASCADE,
        reply_to integer REFERENCES posts,
        body text DEFAULT '',
        stars positive
    );
    ALTER TABLE users ADD favourite integer REFERENCES posts DEFERRABLE INITIALLY DEFERRED;
    CREATE TABLE countries (code text PRIMARY KEY, name text, tags text[], extra jsonb);
    CREATE TABLE visits (country text REFERENCES countries ON UPDATE CASCADE, at timestamptz DEFAULT now());
    CREATE TABLE journal (n bigserial, what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        INSERT INTO journal (what) VALUES (TG_OP || ' ' || TG_TABLE_NAME);
        RETURN coalesce(NEW, OLD);
    END$$;
    CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON posts FOR EACH ROW EXECUTE FUNCTION note();
    CREATE SEQUENCE counter START 7;
    CREATE SEQUENCE untouched;
    CREATE VIEW sad AS SELECT name FROM users WHERE mood = 'sad';
    CREATE INDEX posts_body ON posts (lower(body)) WHERE body <> '';
    """,
    """
    INSERT INTO users (name, mood) VALUES ('root', 'sad'), ('guest', NULL);
    INSERT INTO posts (author, body) VALUES (1, 'welcome'), (2, 'it''s \\ fine');
    INSERT INTO posts (author, reply_to) VALUES (2, 1);
    UPDATE users SET favourite = 1;
    INSERT INTO countries VALUES ('de', 'Germany', '{a,"b c",NULL}', '{"k": "\\u00fc"}'), ('fr', NULL, '{}', NULL);
    SELECT nextval('counter'), nextval('counter');
    """,
)

# Partitions, inheritance, what computes itself, and tables that hide or refuse.
PARTS = (
    """
    CREATE TABLE events (at date NOT NULL, kind text, n integer) PARTITION BY RANGE (at);
    CREATE TABLE events_old PARTITION OF events FOR VALUES FROM (MINVALUE) TO ('2020-01-01');
    CREATE TABLE events_new PARTITION OF events FOR VALUES FROM ('2020-01-01') TO (MAXVALUE) PARTITION BY LIST (kind);
    CREATE TABLE events_new_a PARTITION OF events_new FOR VALUES IN ('a');
    CREATE TABLE events_new_rest PARTITION OF events_new DEFAULT;
    CREATE INDEX ON events (n);
    CREATE TABLE hashed (k integer PRIMARY KEY) PARTITION BY HASH (k);
    CREATE TABLE hashed_0 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 0);
    CREATE TABLE hashed_1 PARTITION OF hashed FOR VALUES WITH (MODULUS 2, REMAINDER 1);
    CREATE TABLE animals (id serial PRIMARY KEY, name text);
    CREATE TABLE dogs (bark text) INHERITS (animals);
    CREATE TABLE puppies (age integer) INHERITS (dogs);
    CREATE UNLOGGED TABLE cache (k text PRIMARY KEY, v text);
    CREATE TABLE no_columns ();
    CREATE TABLE "Odd ""name""; it's" ("Select" integer, " " text);
    """,
    """
    INSERT INTO events VALUES ('2019-01-01', 'a', 1), ('2021-01-01', 'a', 2), ('2021-01-01', 'z', 3);
    INSERT INTO hashed SELECT generate_series(1, 6);
    INSERT INTO animals (name) VALUES ('cat');
    INSERT INTO dogs (name, bark) VALUES ('rex', 'wuff');
    INSERT INTO cache VALUES ('a', '1');
    INSERT INTO no_columns DEFAULT VALUES;
    INSERT INTO "Odd ""name""; it's" VALUES (1, NULL);
    CREATE MATERIALIZED VIEW names AS SELECT id, name FROM animals;
    CREATE UNIQUE INDEX ON names (id);
    CREATE MATERIALIZED VIEW how_many AS SELECT count(*) FROM names;
    CREATE MATERIALIZED VIEW empty AS SELECT 1 AS a WITH NO DATA;
    """,
)

# Tables on which DELETE or TRUNCATE does nothing, fails, or sees nothing.
GUARDED = (
    """
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'never'; END$$;
    CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NULL; END$$;
    CREATE TABLE journal (n serial, what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
        INSERT INTO journal (what) VALUES (TG_OP || ' ' || TG_TABLE_NAME); RETURN NULL;
    END$$;
    CREATE TABLE no_delete (a integer);
    CREATE TRIGGER t BEFORE DELETE ON no_delete FOR EACH STATEMENT EXECUTE FUNCTION refuse();
    CREATE TABLE no_delete_ever (a integer);
    CREATE TRIGGER t BEFORE DELETE ON no_delete_ever FOR EACH ROW EXECUTE FUNCTION skip();
    ALTER TABLE no_delete_ever ENABLE ALWAYS TRIGGER t;
    CREATE TABLE no_truncate (a integer);
    CREATE TRIGGER t BEFORE TRUNCATE ON no_truncate FOR EACH STATEMENT EXECUTE FUNCTION refuse();
    ALTER TABLE no_truncate ENABLE ALWAYS TRIGGER t;
    CREATE TABLE noted (a integer);
    CREATE TRIGGER t AFTER INSERT OR DELETE OR TRUNCATE ON noted FOR EACH STATEMENT EXECUTE FUNCTION note();
    ALTER TABLE noted ENABLE ALWAYS TRIGGER t;
    CREATE TABLE ruled (a integer);
    CREATE TABLE ruled_always (a integer);
    CREATE TABLE hidden (a integer, b text);
    CREATE TABLE half_hidden (a integer, b text);
    CREATE TABLE read_only (a integer);
    CREATE TABLE append_only (a integer);
    CREATE TABLE checked (a integer);
    CREATE FUNCTION check_it(integer) RETURNS boolean LANGUAGE sql AS 'SELECT count(*) < 100 FROM journal';
    ALTER TABLE checked ADD CHECK (check_it(a));
    """,
    """
    INSERT INTO no_delete VALUES (1), (2);
    INSERT INTO no_delete_ever VALUES (1), (2);
    INSERT INTO no_truncate VALUES (1);
    INSERT INTO noted VALUES (1);
    INSERT INTO ruled VALUES (1), (2);
    INSERT INTO ruled_always VALUES (1), (2);
    INSERT INTO hidden VALUES (1, 'x'), (2, 'y');
    INSERT INTO half_hidden VALUES (1, 'x'), (2, 'y');
    INSERT INTO checked VALUES (1);
    CREATE RULE r AS ON DELETE TO ruled DO INSTEAD NOTHING;
    CREATE RULE r AS ON DELETE TO ruled_always DO INSTEAD NOTHING;
    CREATE RULE s AS ON INSERT TO ruled_always DO INSTEAD INSERT INTO journal (what) VALUES ('never');
    ALTER TABLE ruled_always ENABLE ALWAYS RULE r, ENABLE ALWAYS RULE s;
    CREATE POLICY p ON hidden USING (false) WITH CHECK (true);
    CREATE POLICY p ON half_hidden USING (a > 1);
    ALTER TABLE hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    ALTER TABLE half_hidden ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON read_only FROM CURRENT_USER;
    INSERT INTO append_only VALUES (1);
    REVOKE UPDATE, DELETE, TRUNCATE ON append_only FROM CURRENT_USER;
    """,
)

# No rows at all, more tables than columns.
PLAIN = tuple(
    f"CREATE TABLE t{n} (id serial PRIMARY KEY, a text, b integer{f' REFERENCES t{n - 1}' if n else ''})"
    for n in range(8)
)

# A sequence of which sessions keep numbers back.
CACHED = (
    "CREATE SEQUENCE cached CACHE 10; CREATE SEQUENCE plain; CREATE TABLE t (id serial, a text)",
    "SELECT nextval('cached'); INSERT INTO t (a) VALUES ('seed')",
)

EMPTY: tuple[str, ...] = ()

# All of it, as the builder says it; @schema@ is its name.
EVERYTHING = tuple(everything.statements("@schema@"))

SHAPES = {"shop": SHOP, "parts": PARTS, "guarded": GUARDED, "plain": PLAIN, "cached": CACHED, "empty": EMPTY, "everything": EVERYTHING}
