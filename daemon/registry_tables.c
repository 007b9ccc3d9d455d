/* SPDX-License-Identifier: MIT */
/* One statement, one transaction, under a lock that every berthd takes. */
#include "daemon/registry_tables.h"

#include "daemon/config.h"
#include "daemon/pg/sql.h"

static const char tables[] =
	"here text; missing text; BEGIN PERFORM pg_advisory_xact_lock(25189, 0);"
	" SELECT oid INTO here FROM pg_database WHERE datname = current_database();"
	" BEGIN SELECT system_identifier || '/' || here INTO here FROM pg_control_system();"
	"  EXCEPTION WHEN insufficient_privilege THEN NULL; END;"
	" IF to_regclass('berth.meta') IS NULL THEN"
	"  IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'berth') THEN"
	"   RAISE EXCEPTION 'schema berth exists and is not a registry of berth; rename it'; END IF;"
	"  CREATE SCHEMA berth;"
	"  COMMENT ON SCHEMA berth IS 'berth registry';"
	/* what bears a stamp has a fence of a registry that was lost: those of this one are higher */
	"  EXECUTE 'CREATE SEQUENCE berth.fence START WITH ' || CASE WHEN EXISTS (SELECT FROM pg_shdescription"
	"   WHERE description LIKE 'berth runner=%') THEN floor(extract(epoch FROM clock_timestamp()) * 1000) ELSE 1 END;"
	"  CREATE TABLE berth.meta (version int NOT NULL);"
	"  INSERT INTO berth.meta VALUES (1);"
	"  CREATE TABLE berth.runner (id text PRIMARY KEY, host text NOT NULL, pid int NOT NULL, uid int NOT NULL,"
	"   version text NOT NULL, grace interval NOT NULL,"
	"   started timestamptz NOT NULL DEFAULT clock_timestamp(),"
	"   heartbeat timestamptz NOT NULL DEFAULT clock_timestamp());"
	"  CREATE TABLE berth.slot (name text PRIMARY KEY, runner text NOT NULL REFERENCES berth.runner,"
	"   kind text NOT NULL, fence bigint NOT NULL, built boolean NOT NULL DEFAULT false,"
	"   state text NOT NULL DEFAULT 'ready', created timestamptz NOT NULL DEFAULT clock_timestamp());"
	"  CREATE INDEX ON berth.slot (runner);"
	"  CREATE TABLE berth.lease (id text PRIMARY KEY,"
	"   slot text NOT NULL REFERENCES berth.slot ON DELETE CASCADE, run text NOT NULL, worker text NOT NULL,"
	"   uid bigint NOT NULL, pid int NOT NULL, label text, redis_db int,"
	"   granted timestamptz NOT NULL DEFAULT clock_timestamp());"
	"  CREATE INDEX ON berth.lease (slot);"
	"  CREATE TABLE berth.gate (key text PRIMARY KEY, state text NOT NULL, fence bigint NOT NULL,"
	"   runner text NOT NULL, host text NOT NULL, pid int NOT NULL, uid bigint NOT NULL, message text,"
	"   status int, entered timestamptz NOT NULL DEFAULT clock_timestamp(), ended timestamptz);"
	" END IF;"
	" IF (SELECT version FROM berth.meta) = 1 THEN"
	"  ALTER TABLE berth.slot ADD COLUMN template text;"
	"  CREATE TABLE berth.template (key text NOT NULL, kind text NOT NULL, state text NOT NULL, fence bigint NOT NULL,"
	"   runner text NOT NULL, builder text NOT NULL, message text, schema text, tables int NOT NULL DEFAULT 0,"
	"   rows bigint NOT NULL DEFAULT 0, bytes bigint NOT NULL DEFAULT 0,"
	"   since timestamptz NOT NULL DEFAULT clock_timestamp(), used timestamptz NOT NULL DEFAULT clock_timestamp(),"
	"   PRIMARY KEY (key, kind));"
	"  CREATE TABLE berth.template_part (key text NOT NULL, kind text NOT NULL, n int NOT NULL, what text NOT NULL,"
	"   name text NOT NULL, detail text, body text, number bigint NOT NULL DEFAULT 0, flag boolean NOT NULL DEFAULT false,"
	"   PRIMARY KEY (key, kind, n), FOREIGN KEY (key, kind) REFERENCES berth.template ON DELETE CASCADE);"
	"  UPDATE berth.meta SET version = 2;"
	" END IF;"
	" IF (SELECT version FROM berth.meta) = 2 THEN"
	"  ALTER TABLE berth.meta ADD COLUMN home text;"
	"  UPDATE berth.meta SET version = 3, home = here;"
	" END IF;"
	" IF (SELECT version FROM berth.meta) = 3 THEN"
	"  ALTER TABLE berth.slot ADD COLUMN role text;" /* NULL: its own, of the same name */
	"  ALTER TABLE berth.template ADD COLUMN role text;" /* who owns what is in a database's copy; NULL: berth_template */
	"  UPDATE berth.meta SET version = 4;"
	" END IF;"
	" IF (SELECT version FROM berth.meta) IS DISTINCT FROM 4 THEN"
	"  RAISE EXCEPTION 'the registry is of version %, this berthd knows version 4 alone: upgrade the older',"
	"   (SELECT version FROM berth.meta); END IF;"
	" IF (SELECT home FROM berth.meta) IS DISTINCT FROM here THEN"
	"  RAISE EXCEPTION 'schema berth in database % is a copy of the registry of another one, restored or made with"
	" TEMPLATE: what it names lives there; DROP SCHEMA berth CASCADE here, and this database has its own',"
	"   current_database(); END IF;"
	" SELECT string_agg(t, ', ') INTO missing FROM unnest(ARRAY['fence', 'runner', 'slot', 'lease', 'gate', 'template',"
	"  'template_part']) t WHERE to_regclass('berth.' || t) IS NULL;"
	" IF missing IS NOT NULL THEN"
	"  RAISE EXCEPTION 'the registry is damaged, it has no %: DROP SCHEMA berth CASCADE, and every berthd that runs"
	" writes down again what is its own', missing; END IF;";

/*
 * Each lease has a role. Those two belong to the whole cluster, where the lock does not reach: hence the
 * exceptions around them (both occur, measured). CONNECT is granted once, to berth_lease: a GRANT for each lease
 * on the one row of the database failed in a third of the cases with `tuple concurrently updated`.
 */
static const char own_roles[] =
	" IF NOT (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user) THEN"
	"  RAISE EXCEPTION 'role % may make no roles, and each lease has one: ALTER ROLE % CREATEROLE (berth grants has all"
	" that it needs); or let all leases share a login role, lease_role in berth.conf', current_user, quote_ident(current_user);"
	" END IF;"
	" IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'berth_lease') THEN BEGIN"
	"  CREATE ROLE berth_lease NOLOGIN;"
	"  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END; END IF;"
	" IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'berth_template') THEN BEGIN"
	"  CREATE ROLE berth_template NOLOGIN;"
	"  EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END; END IF;"
	" IF NOT pg_has_role('berth_template', 'USAGE') THEN BEGIN EXECUTE 'GRANT berth_template TO CURRENT_USER'"
	"  || CASE WHEN current_setting('server_version_num')::int >= 160000 THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;"
	"  EXCEPTION WHEN OTHERS THEN NULL; END; END IF;"
	" IF NOT has_database_privilege('berth_lease', current_database(), 'CONNECT') THEN"
	"  EXECUTE format('GRANT CONNECT ON DATABASE %I TO berth_lease', current_database()); END IF;";

/* All leases share one: may we act for it? */
static const char shared_role[] =
	" IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = shared AND rolcanlogin) THEN"
	"  RAISE EXCEPTION 'there is no role % that may log in, which lease_role says that all leases share', shared; END IF;"
	" IF NOT (pg_has_role(shared, 'USAGE') AND pg_has_role(shared, CASE WHEN v16 THEN 'SET' ELSE 'MEMBER' END)) THEN"
	"  RAISE EXCEPTION '% may not act for %, which lease_role says that all leases share: GRANT % TO %', current_user,"
	"   shared, quote_ident(shared), quote_ident(current_user) || CASE WHEN v16 THEN ' WITH INHERIT TRUE, SET TRUE'"
	"   ELSE '' END; END IF;";

void
registry_tables_write(const struct config *config, struct sql *sql)
{
	struct sql body = { 0 };
	bool shares = *config->lease_role != '\0';

	sql_add(&body, "DECLARE shared constant name := %L; v16 constant boolean :="
	               " current_setting('server_version_num')::int >= 160000; ", config->lease_role);
	sql_add(&body, "%s%s END", tables, shares ? shared_role : own_roles);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}
