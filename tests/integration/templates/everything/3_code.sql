-- SPDX-License-Identifier: MIT
-- Views, functions, triggers, rules, policies, privileges.

SET check_function_bodies = off;

CREATE FUNCTION add_up(a integer, VARIADIC b integer[] DEFAULT '{1,2}') RETURNS integer LANGUAGE sql IMMUTABLE
	PARALLEL SAFE COST 7 AS 'SELECT $1 + coalesce(sum(x), 0)::integer FROM unnest($2) x';
CREATE FUNCTION how_many() RETURNS bigint LANGUAGE sql STABLE AS $f$SELECT count(*) FROM @schema@.people$f$;
CREATE FUNCTION how_many(which mood) RETURNS bigint LANGUAGE sql STABLE
	BEGIN ATOMIC
		SELECT count(*) FROM people WHERE mood = which;
	END;
CREATE FUNCTION dynamic(wanted text, OUT first text, INOUT more integer DEFAULT 3) LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = @schema@, public, pg_temp SET work_mem = '8MB' AS $body$
DECLARE
	-- '@schema@' in a comment, "@schema@" as an identifier, $inner$@schema@$inner$ as a string
	path text := '@schema@.people';
BEGIN
	EXECUTE format($inner$SELECT min(name) FROM %s WHERE name <> '\' || %L$inner$, path, wanted) INTO first;
	IF to_regclass('"@schema@".people') IS NULL THEN RAISE EXCEPTION 'no % here', '@schema@'; END IF;
	more := more + 1;
END
$body$;
CREATE FUNCTION of_tomorrow() RETURNS SETOF nested LANGUAGE sql ROWS 17 AS 'SELECT * FROM is_not_there_yet';
CREATE FUNCTION a_table(n integer) RETURNS TABLE (i integer, "the word" text) LANGUAGE sql STRICT AS
	$$SELECT g, 'w' || g FROM generate_series(1, $1) g$$;
CREATE FUNCTION any_of(anyelement, anyarray) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = ANY ($2)';
CREATE FUNCTION "Odd ""name"" of it"("An arg" "Odd Mood") RETURNS "Odd Mood" LANGUAGE sql AS 'SELECT $1';
CREATE PROCEDURE tidy(INOUT n integer, keep boolean DEFAULT NULL) LANGUAGE plpgsql AS
	$$BEGIN DELETE FROM @schema@.no_columns; n := n + 1; END$$;
REVOKE ALL ON FUNCTION how_many() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION how_many() TO reader WITH GRANT OPTION;

CREATE FUNCTION put_pair(state text, p pair) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT $1 || ($2).b';
CREATE AGGREGATE joined(pair) (SFUNC = put_pair, STYPE = text, INITCOND = '>');
CREATE FUNCTION put_number(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 + $2';
CREATE FUNCTION take_number(integer, integer) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS 'SELECT $1 - $2';
CREATE AGGREGATE total(integer) (SFUNC = put_number, STYPE = integer, COMBINEFUNC = put_number, PARALLEL = safe,
	MSFUNC = put_number, MINVFUNC = take_number, MSTYPE = integer, MINITCOND = '0', INITCOND = '0');

-- Views; one that needs a function that needs the view.
CREATE VIEW happy WITH (security_barrier) AS
	SELECT id, name, mood FROM people WHERE mood = 'happy, or so' WITH CASCADED CHECK OPTION;
CREATE VIEW happier (n, "as") AS SELECT name, (mood)::text || ' @schema@' FROM happy;
ALTER VIEW happy ALTER COLUMN mood SET DEFAULT 'happy, or so';
CREATE VIEW by_caller WITH (security_invoker = true) AS SELECT h.n, o.* FROM happier h LEFT JOIN orders o ON o.note = h.n;
CREATE RECURSIVE VIEW chain (id, depth) AS
	SELECT id, 0 FROM people WHERE boss IS NULL UNION ALL SELECT p.id, depth + 1 FROM people p JOIN chain c ON p.boss = c.id;
CREATE FUNCTION shout(h happier) RETURNS text LANGUAGE sql STABLE AS 'SELECT upper($1.n)';
CREATE VIEW shouted AS SELECT shout(h.*) AS loud, add_up(1, 2, 3) FROM happier h;
CREATE VIEW grouped AS SELECT id, name, count(*) OVER w FROM people GROUP BY id WINDOW w AS (PARTITION BY mood ORDER BY name);
CREATE VIEW of_a_function AS SELECT * FROM a_table(3) WITH ORDINALITY AS t(i, w, n);
CREATE VIEW nothing_at_all AS SELECT;

CREATE MATERIALIZED VIEW counted AS SELECT mood, count(*) AS n, '@schema@'::text AS "where" FROM people GROUP BY mood;
CREATE UNIQUE INDEX counted_mood ON counted (mood) NULLS NOT DISTINCT;
CREATE MATERIALIZED VIEW recounted WITH (fillfactor = 80) AS SELECT sum(n) AS all_of_them, max(n) FROM counted;
CREATE MATERIALIZED VIEW of_views AS SELECT n, "as" FROM happier ORDER BY n;
CREATE MATERIALIZED VIEW not_yet AS SELECT * FROM recounted WITH NO DATA;
CREATE VIEW over_materialized AS SELECT all_of_them FROM recounted;

-- Triggers.
CREATE TABLE journal (n bigserial, what text, who text DEFAULT CURRENT_USER);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
	INSERT INTO @schema@.journal (what) VALUES (TG_NAME || ' ' || TG_OP || ' ' || coalesce(TG_ARGV[0], ''));
	RETURN coalesce(NEW, OLD);
END$$;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'never on %', TG_RELID::regclass; END$$;
CREATE FUNCTION change_name() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN NEW.name := NEW.name || '!'; RETURN NEW; END$$;
CREATE TRIGGER a_row BEFORE INSERT OR UPDATE OF name, mood ON people FOR EACH ROW WHEN (NEW.name LIKE 'change %') EXECUTE FUNCTION change_name();
CREATE TRIGGER b_statement AFTER INSERT OR DELETE ON people EXECUTE FUNCTION note('it''s \ "an" argument', 'second');
CREATE TRIGGER c_off AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER d_always AFTER DELETE ON people FOR EACH ROW EXECUTE FUNCTION note('always');
CREATE TRIGGER e_replica BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION refuse();
CREATE TRIGGER f_tables AFTER UPDATE ON orders REFERENCING OLD TABLE AS was NEW TABLE AS "is" FOR EACH STATEMENT EXECUTE FUNCTION note();
CREATE TRIGGER g_truncate BEFORE TRUNCATE ON types FOR EACH STATEMENT EXECUTE FUNCTION refuse();
CREATE CONSTRAINT TRIGGER "late, and often" AFTER INSERT OR UPDATE ON rooms DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note();
CREATE CONSTRAINT TRIGGER from_other AFTER UPDATE ON rooms FROM people NOT DEFERRABLE FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER of_partitions BEFORE INSERT ON logs FOR EACH ROW EXECUTE FUNCTION note('partition');
CREATE TRIGGER instead INSTEAD OF INSERT OR DELETE ON shouted FOR EACH ROW EXECUTE FUNCTION note('view');
CREATE TRIGGER never_delete BEFORE DELETE ON mother FOR EACH STATEMENT EXECUTE FUNCTION refuse();
ALTER TABLE people DISABLE TRIGGER c_off, ENABLE ALWAYS TRIGGER d_always, ENABLE REPLICA TRIGGER e_replica;
ALTER TABLE logs_old DISABLE TRIGGER of_partitions;

-- Rules.
CREATE TABLE quiet (a integer, b text);
CREATE RULE never AS ON DELETE TO quiet DO INSTEAD NOTHING;
CREATE RULE also AS ON INSERT TO quiet WHERE new.a > 5 DO ALSO INSERT INTO journal (what) VALUES ('rule ' || new.b);
CREATE RULE off AS ON UPDATE TO quiet DO INSTEAD (UPDATE people SET name = new.b WHERE id = old.a; NOTIFY changed, '@schema@');
CREATE RULE in_replica AS ON UPDATE TO quiet DO ALSO SELECT 1;
CREATE RULE into_orders AS ON INSERT TO by_caller DO INSTEAD INSERT INTO orders VALUES (new.id, new.person, new.line, new.note) RETURNING note, orders.*;
ALTER TABLE quiet DISABLE RULE off, ENABLE REPLICA RULE in_replica, ENABLE ALWAYS RULE never;

-- Row-level security; in the last table it binds its owner, too.
CREATE TABLE secrets (owner text DEFAULT CURRENT_USER, words text);
CREATE POLICY own ON secrets USING (owner = CURRENT_USER) WITH CHECK (owner = CURRENT_USER AND words <> '@schema@');
CREATE POLICY "to some" ON secrets AS RESTRICTIVE FOR SELECT TO reader, CURRENT_USER USING (EXISTS (SELECT FROM people WHERE name = words) OR true);
CREATE POLICY adding ON secrets FOR INSERT WITH CHECK (true);
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
CREATE TABLE asleep (a integer);
CREATE POLICY nobody ON asleep FOR ALL TO PUBLIC USING (false);
CREATE TABLE forced (a integer PRIMARY KEY, b text);

-- What its owner may not write to, once its rows are there.
CREATE TABLE only_read (a integer PRIMARY KEY, b text, c integer);

ALTER DEFAULT PRIVILEGES IN SCHEMA @schema@ GRANT SELECT ON TABLES TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA @schema@ GRANT USAGE ON TYPES TO reader WITH GRANT OPTION;
GRANT USAGE ON SCHEMA @schema@ TO reader;
GRANT SELECT ON people, happy, counted TO reader;
GRANT SELECT (name, mood), UPDATE (name) ON people TO PUBLIC;
GRANT INSERT (a) ON quiet TO reader WITH GRANT OPTION;
GRANT ALL ON orders TO PUBLIC;
GRANT USAGE ON SEQUENCE plain_seq TO reader;
GRANT ALL ON PROCEDURE tidy TO reader;
REVOKE USAGE ON TYPE mood FROM PUBLIC;
GRANT USAGE ON TYPE mood TO reader;
REVOKE USAGE ON DOMAIN positive FROM PUBLIC;

COMMENT ON VIEW happy IS 'a view';
COMMENT ON COLUMN happier.n IS 'of a view';
COMMENT ON MATERIALIZED VIEW counted IS 'materialized in @schema@';
COMMENT ON FUNCTION add_up IS 'a function';
COMMENT ON PROCEDURE tidy IS 'a procedure';
COMMENT ON AGGREGATE joined(pair) IS 'an aggregate';
COMMENT ON TRIGGER a_row ON people IS 'a trigger';
COMMENT ON TRIGGER of_partitions ON logs IS 'a trigger of partitions';
COMMENT ON RULE also ON quiet IS 'a rule';
COMMENT ON POLICY own ON secrets IS 'a policy';
