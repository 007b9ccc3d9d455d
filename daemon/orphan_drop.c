/* SPDX-License-Identifier: MIT */
/* kick (when asked) → check and drop, a batch at a time → gone. */
#include "daemon/orphan_drop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/pg/pg.h"
#include "daemon/prepared.h"
#include "daemon/registry.h"

enum {
	LOCKS_A_TABLE = 24,                  /* lock slots, with its indexes, sequence and TOAST table */
	LOCKS_A_THING = 4,                   /* a view, a type, a function */
	LOCKS_AT_ONCE = 40 * LOCKS_A_TABLE,  /* of tables, and half as many of all else, for one transaction */
	LOCK_WAIT_MS = 1000,                 /* whoever holds a lock for longer is at work in it */
	KICK_ROUNDS = 100, KICK_MS = 20,
};

/* What we raise: KEPT, the message says why; GONE, somebody else was quicker. */
#define KEPT "BE002"
#define GONE "BE003"

#define WHY(drop, ...) snprintf((drop)->orphan->why, sizeof (drop)->orphan->why, __VA_ARGS__)

struct orphan_drop {
	struct flow flow;
	const struct slot_site *site;
	struct orphan *orphan;
	bool end_sessions, empty;
	int64_t until;
	orphan_drop_done *done;
	void *arg;
	int budget;         /* lock slots for the next transaction */
	bool is_there;      /* after a batch: some of it still is */
	bool renamed;       /* the database bears its last name */
	char prepared[256]; /* a prepared transaction of its namesake, "" for none */
};

/* ---- what every transaction begins and ends with ---- */

/* The comment that a thing must still bear: its stamp, or none of ours. */
static void
add_stamp_test(struct sql *sql, const struct orphan_drop *drop, const char *comment)
{
	if (*drop->orphan->stamp_text)
		sql_add(sql, "coalesce(%s, '') = %L", comment, drop->orphan->stamp_text);
	else
		sql_add(sql, "coalesce(%s, '') NOT LIKE 'berth runner=%%'", comment);
}

static void
add_claim(struct sql *sql, const struct orphan_drop *drop)
{
	const struct orphan *orphan = drop->orphan;

	/* All look-ups have an index. After a leak the planner may not know yet how large the catalogs are. */
	sql_add(sql,
	        "PERFORM set_config('lock_timeout', '%d', true), set_config('enable_hashjoin', 'off', true),"
	        " set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true);"
	        " INSERT INTO berth.slot (name, runner, kind, fence) VALUES (%L, %L, 'schema', nextval('berth.fence'))"
	        " ON CONFLICT (name) DO NOTHING;"
	        " IF NOT FOUND THEN RAISE EXCEPTION 'the registry knows of it by now'"
	        " USING ERRCODE = '" KEPT "'; END IF;",
	        LOCK_WAIT_MS, orphan->name, drop->site->runner);
	if (*orphan->stamp_text)
		sql_add(sql,
		        " IF NOT pg_try_advisory_xact_lock_shared(%d, %d) THEN RAISE EXCEPTION"
		        " 'its runner is back' USING ERRCODE = '" KEPT "'; END IF;",
		        REGISTRY_LOCK_CLASS, (int)strtol(orphan->stamp.runner, NULL, 16));
}

static void
add_unclaim(struct sql *sql, const struct orphan_drop *drop)
{
	sql_add(sql, " DELETE FROM berth.slot WHERE name = %L AND runner = %L;", drop->orphan->name, drop->site->runner);
}

/* Is it still there, and the same? */
static void
add_identity(struct sql *sql, const struct orphan_drop *drop, const char *catalog, const char *name, const char *owner,
             const char *comment)
{
	const struct orphan *orphan = drop->orphan;

	sql_add(sql, " IF NOT EXISTS (SELECT FROM %s x WHERE oid = %l AND %s = %L AND %s = %l AND ", catalog, orphan->oid,
	        name, orphan->name, owner, orphan->owner);
	add_stamp_test(sql, drop, comment);
	sql_add(sql,
	        ") THEN IF NOT EXISTS (SELECT FROM %s WHERE oid = %l) THEN RAISE EXCEPTION 'gone'"
	        " USING ERRCODE = '" GONE "'; END IF;"
	        " RAISE EXCEPTION 'it is not what it was any more: its name, owner or stamp has changed'"
	        " USING ERRCODE = '" KEPT "'; END IF;",
	        catalog, orphan->oid);
}

/*
 * Which sessions may be at work in it; the same as in orphans_look.c, but for locks: those are waited
 * for. pg_stat_activity would join two catalogs with the function behind it.
 */
static void
add_sessions(struct sql *sql, const struct orphan_drop *drop)
{
	const struct orphan *orphan = drop->orphan;
	struct sql quoted = { 0 };

	sql_add(sql, "pg_stat_get_activity(NULL) WHERE ");
	if (orphan->kind == ORPHAN_DATABASE) {
		sql_add(sql, "datid = %l", orphan->oid);
		return;
	}
	if (orphan->kind == ORPHAN_ROLE) {
		sql_add(sql, "usesysid = %l", orphan->oid);
		return;
	}
	sql_add(&quoted, "%I", orphan->name);
	sql_add(sql,
	        "datid = (SELECT oid FROM pg_database WHERE datname = current_database())"
	        " AND application_name !~ '^berthd [0-9a-f]{6} ' AND (usesysid = to_regrole(%L) OR application_name = %L",
	        quoted.text, orphan->name);
	if (!*orphan->stamp_text && !drop->end_sessions)
		sql_add(sql, " OR usesysid = %l", orphan->owner);
	sql_add(sql, ")");
	sql_fini(&quoted);
}

static void
add_nobody(struct sql *sql, const struct orphan_drop *drop)
{
	sql_add(sql, " IF EXISTS (SELECT FROM ");
	add_sessions(sql, drop);
	sql_add(sql, ") THEN RAISE EXCEPTION 'a session has come to it' USING ERRCODE = '" KEPT "'; END IF;");
}

static void
add_do(struct sql *sql, const char *declare, struct sql *body)
{
	struct sql text = { 0 };

	sql_add(&text,
	        "%sBEGIN %s EXCEPTION WHEN lock_not_available THEN RAISE EXCEPTION"
	        " 'somebody holds a lock in it: a session, or a prepared transaction'"
	        " USING ERRCODE = '" KEPT "'; END",
	        declare, body->text);
	sql_add(sql, "DO %L", text.text);
	sql_fini(&text);
	sql_fini(body);
}

/* ---- kick: end the sessions that are in the way ---- */

/* Those that hold a lock in a schema too. The pids are chosen before any is ended. */
static void
end_sessions(void *ctx, struct sql *sql)
{
	const struct orphan_drop *drop = ctx;
	struct sql body = { 0 };

	if (!drop->end_sessions)
		return;
	sql_add(&body, "FOR i IN 1..%d LOOP PERFORM pg_stat_clear_snapshot();"
	               " SELECT array_agg(pid) INTO pids FROM (SELECT pid FROM ", KICK_ROUNDS);
	add_sessions(&body, drop);
	if (drop->orphan->kind == ORPHAN_SCHEMA)
		sql_add(&body,
		        " UNION SELECT l.pid FROM pg_locks l JOIN pg_class c ON c.oid = l.relation"
		        " WHERE c.relnamespace = %l AND l.granted AND l.pid IS NOT NULL"
		        " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())",
		        drop->orphan->oid);
	sql_add(&body,
	        ") s WHERE pid <> pg_backend_pid(); EXIT WHEN pids IS NULL;"
	        " PERFORM pg_terminate_backend(p) FROM unnest(pids) p; PERFORM pg_sleep(%d / 1000.0); END LOOP;"
	        " IF pids IS NOT NULL THEN RAISE EXCEPTION '%% of its sessions do not end', cardinality(pids)"
	        " USING ERRCODE = '" KEPT "'; END IF;",
	        KICK_MS);
	add_do(sql, "DECLARE pids int[]; ", &body);
}

/* Of an orphaned role of berth's there is nobody left who could decide about them. */
static void
find_prepared(void *ctx, struct sql *sql)
{
	const struct orphan_drop *drop = ctx;

	if (drop->orphan->prepared && *drop->orphan->stamp_text)
		sql_add(sql, "SELECT gid FROM pg_prepared_xacts WHERE owner = %L AND database = current_database() LIMIT 1",
		        drop->orphan->name);
}

static int
keep_prepared(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct orphan_drop *drop = ctx;

	snprintf(drop->prepared, sizeof drop->prepared, "%s", flow_cell(result, 0, 0));
	return 0;
}

static const struct flow_step kick_steps[] = {
	{ "end its sessions", end_sessions, .wait = true },
	{ "find prepared transactions", find_prepared, keep_prepared, .wait = true },
	{ 0 },
};

/* ---- a schema ---- */

/*
 * What is in it, what each costs in lock slots, and in which turn it may go by itself: nothing that
 * others inherit from or are partitions of, no sequence that belongs to a table.
 */
#define CONTENTS                                                                                          \
	"SELECT d.classid, d.objid, c.relkind, CASE WHEN c.relkind IN ('r', 'p', 'm', 'f') THEN %d"       \
	" WHEN owned THEN 0 ELSE %d END AS cost,"                                                         \
	" CASE WHEN c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid) THEN 'TABLE'" \
	" WHEN c.relkind = 'f' THEN 'FOREIGN TABLE' WHEN c.relkind = 'm' THEN 'MATERIALIZED VIEW'"        \
	" WHEN c.relkind = 'v' THEN 'VIEW' WHEN c.relkind = 'S' AND NOT owned THEN 'SEQUENCE'"            \
	" WHEN d.classid = 'pg_proc'::regclass THEN 'ROUTINE'"                                            \
	" WHEN d.classid = 'pg_type'::regclass THEN 'TYPE' END AS word"                                   \
	" FROM pg_depend d LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid"  \
	" CROSS JOIN LATERAL (SELECT c.relkind = 'S' AND EXISTS (SELECT FROM pg_depend s"                 \
	"  WHERE s.classid = 'pg_class'::regclass AND s.objid = c.oid AND s.deptype IN ('a', 'i')"        \
	"  AND s.refclassid = 'pg_class'::regclass) AS owned) o"                                          \
	" WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = %l"

/*
 * What else would go with the doomed: whatever depends on them (n: it can stand by itself) and is in
 * another schema. CASCADE would drop columns there without a word.
 */
static const char victims[] =
	" WITH RECURSIVE inside(classid, objid) AS (SELECT * FROM unnest(classes, objects) UNION"
	"  SELECT d.classid, d.objid FROM inside i JOIN pg_depend d ON d.refclassid = i.classid AND d.refobjid = i.objid"
	"  WHERE d.deptype IN ('a', 'i', 'P', 'S'))"
	" SELECT pg_describe_object(d.classid, d.objid, 0) INTO victim FROM ("
	"  SELECT d.classid, d.objid FROM inside i JOIN pg_depend d ON d.refclassid = i.classid AND d.refobjid = i.objid"
	"  WHERE d.deptype = 'n' EXCEPT SELECT * FROM inside) d"
	"  CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) o"
	"  CROSS JOIN LATERAL pg_identify_object_as_address(d.classid, d.objid, 0) a"
	"  WHERE coalesce(o.schema, a.object_names[1], '') NOT IN (nsp, quote_ident(nsp)) LIMIT 1;"
	" IF victim IS NOT NULL THEN RAISE EXCEPTION '% is not in it and depends on it', victim"
	" USING ERRCODE = '" KEPT "'; END IF;";

/* A kind at a time; what an earlier CASCADE took is not named any more. */
static const char drop_doomed[] =
	" FOREACH kind IN ARRAY kinds LOOP"
	"  SELECT string_agg(CASE kind WHEN 'ROUTINE' THEN (SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.oid = o)"
	"   WHEN 'TYPE' THEN (SELECT t.oid::regtype::text FROM pg_type t WHERE t.oid = o)"
	"   ELSE (SELECT c.oid::regclass::text FROM pg_class c WHERE c.oid = o) END, ', ') INTO victim"
	"   FROM unnest(objects, words) u(o, w) WHERE w = kind;"
	"  IF victim IS NOT NULL THEN EXECUTE format('DROP %s %s CASCADE', kind, victim); END IF;"
	" END LOOP;";

/* What can only be named by its kind (a collation, an operator, a text search configuration), one by one. */
static const char drop_rest[] =
	" LOOP SELECT o.type, o.identity INTO kind, victim FROM pg_depend d"
	"  CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) o"
	"  WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = nsp::regnamespace AND d.deptype = 'n' LIMIT 1;"
	" EXIT WHEN NOT FOUND;"
	" EXECUTE format('DROP %s %s CASCADE', CASE kind WHEN 'statistics object' THEN 'STATISTICS'"
	"  WHEN 'aggregate' THEN 'ROUTINE' WHEN 'function' THEN 'ROUTINE' WHEN 'procedure' THEN 'ROUTINE' ELSE kind END, victim);"
	" END LOOP;";

/* All that is left, or as much as the budget allows (one thing at least). */
static void
add_schema_batch(struct sql *body, const struct orphan_drop *drop)
{
	const struct orphan *orphan = drop->orphan;

	sql_add(body,
	        " SELECT %d * count(*) FILTER (WHERE c.relkind IN ('r', 'p', 'm', 'f')), %d * count(*), array_agg(d.classid),"
	        " array_agg(d.objid), max(d.objid) FILTER (WHERE d.classid = 'pg_extension'::regclass)"
	        " INTO tables, things, classes, objects, extension FROM pg_depend d"
	        " LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid"
	        " WHERE d.refclassid = 'pg_namespace'::regclass AND d.refobjid = %l;",
	        LOCKS_A_TABLE, LOCKS_A_THING, orphan->oid);
	sql_add(body,
	        " IF extension IS NOT NULL THEN RAISE EXCEPTION 'an extension (%%) is installed in it: drop that first,"
	        " or move it elsewhere', (SELECT extname FROM pg_extension WHERE oid = extension)"
	        " USING ERRCODE = '" KEPT "'; END IF;"
	        " IF tables > %d OR tables + things > %d THEN SELECT array_agg(classid), array_agg(objid), array_agg(word)"
	        " INTO some_classes, some_objects, words FROM (SELECT c.*, sum(cost) OVER w AS used,"
	        " row_number() OVER w AS turn FROM (" CONTENTS ") c WHERE word IS NOT NULL"
	        " WINDOW w AS (ORDER BY array_position(kinds, word), objid)) c WHERE turn = 1 OR used <= %d;",
	        drop->budget, drop->budget * 3 / 2, LOCKS_A_TABLE, LOCKS_A_THING, orphan->oid, drop->budget);
	sql_add(body,
	        " IF words IS NOT NULL THEN classes := some_classes; objects := some_objects; END IF; END IF;");
	sql_add(body, "%s IF words IS NOT NULL THEN%s ELSE", victims, drop_doomed);
	if (drop->empty) {
		sql_add(body, "%s END IF;", drop_rest);
		return;
	}
	sql_add(body,
	        " EXECUTE format('DROP SCHEMA %%I CASCADE', nsp);"
	        " IF EXISTS (SELECT FROM pg_namespace WHERE oid = %l) THEN RAISE EXCEPTION"
	        " 'another one of its name has come' USING ERRCODE = '" KEPT "'; END IF; END IF;",
	        orphan->oid);
}

static void
drop_schema(void *ctx, struct sql *sql)
{
	const struct orphan_drop *drop = ctx;
	struct sql body = { 0 }, declare = { 0 };

	if (drop->orphan->kind != ORPHAN_SCHEMA)
		return;
	add_claim(&body, drop);
	add_identity(&body, drop, "pg_namespace", "nspname", "nspowner", "obj_description(x.oid, 'pg_namespace')");
	add_nobody(&body, drop);
	add_schema_batch(&body, drop);
	add_unclaim(&body, drop);
	sql_add(&declare,
	        "DECLARE nsp constant text := %L; kinds constant text[] := '{TABLE,FOREIGN TABLE,MATERIALIZED VIEW,VIEW,"
	        "SEQUENCE,ROUTINE,TYPE}'; kind text; tables bigint; things bigint; classes oid[]; objects oid[]; some_classes oid[];"
	        " some_objects oid[]; words text[]; extension oid; victim text; ", drop->orphan->name);
	add_do(sql, declare.text, &body);
	sql_fini(&declare);
}

static void
look_again(void *ctx, struct sql *sql)
{
	const struct orphan_drop *drop = ctx;

	if (drop->orphan->kind == ORPHAN_SCHEMA && drop->empty)
		sql_add(sql, "SELECT FROM pg_depend WHERE refclassid = 'pg_namespace'::regclass AND refobjid = %l AND deptype = 'n'"
		             " LIMIT 1", drop->orphan->oid);
	else if (drop->orphan->kind == ORPHAN_SCHEMA)
		sql_add(sql, "SELECT FROM pg_namespace WHERE oid = %l", drop->orphan->oid);
}

static int
keep_is_there(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct orphan_drop *drop = ctx;

	drop->is_there = PQntuples(result) > 0;
	return 0;
}

/* ---- a role ---- */

/* A foreign one must own nothing. One of berth's owns what its lease made, which goes with it; but
 * schemas and databases are orphans, or not, by themselves. */
static void
drop_role(void *ctx, struct sql *sql)
{
	const struct orphan_drop *drop = ctx;
	const struct orphan *orphan = drop->orphan;
	struct sql body = { 0 };

	if (orphan->kind != ORPHAN_ROLE)
		return;
	add_claim(&body, drop);
	add_identity(&body, drop, "pg_roles", "rolname", "oid", "shobj_description(x.oid, 'pg_authid')");
	add_nobody(&body, drop);
	sql_add(&body,
	        " SELECT CASE WHEN d.dbid = 0 OR b.datname = current_database()"
	        "  THEN pg_describe_object(d.classid, d.objid, d.objsubid) ELSE 'something in database ' || b.datname END"
	        " INTO owned FROM pg_shdepend d LEFT JOIN pg_database b ON b.oid = d.dbid"
	        " WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = %l AND d.deptype = 'o'", orphan->oid);
	if (*orphan->stamp_text)
		sql_add(&body, " AND (d.classid = 'pg_namespace'::regclass OR b.datname IS DISTINCT FROM current_database())");
	sql_add(&body,
	        " LIMIT 1; IF owned IS NOT NULL THEN RAISE EXCEPTION 'it owns %%', owned USING ERRCODE = '" KEPT "'; END IF;"
	        " EXECUTE format('DROP OWNED BY %%I CASCADE', %L::text); EXECUTE format('DROP ROLE %%I', %L::text);"
	        " IF EXISTS (SELECT FROM pg_roles WHERE oid = %l) THEN RAISE EXCEPTION"
	        " 'another one of its name has come' USING ERRCODE = '" KEPT "'; END IF;",
	        orphan->name, orphan->name, orphan->oid);
	add_unclaim(&body, drop);
	add_do(sql, "DECLARE owned text; ", &body);
}

/* ---- a database ---- */

static void
doomed_name(const struct orphan *orphan, char out[64])
{
	snprintf(out, 64, "berth_orphan_%" PRId64, orphan->oid);
}

/* The stamp stays with it, so that it is found again should we die in between; a foreign one gets one. */
static void
rename_database(void *ctx, struct sql *sql)
{
	const struct orphan_drop *drop = ctx;
	const struct orphan *orphan = drop->orphan;
	struct sql body = { 0 };
	char doomed[64], stamp[STAMP_TEXT];

	if (orphan->kind != ORPHAN_DATABASE)
		return;
	doomed_name(orphan, doomed);
	stamp_write("000000", 0, "", 0, stamp);
	add_claim(&body, drop);
	sql_add(&body, " IF EXISTS (SELECT FROM berth.template WHERE schema = %L) THEN RAISE EXCEPTION"
	               " 'it is a template' USING ERRCODE = '" KEPT "'; END IF;", orphan->name);
	add_identity(&body, drop, "pg_database", "datname", "datdba",
	             "coalesce(shobj_description(x.oid, 'pg_database'), (SELECT shobj_description(r.oid, 'pg_authid')"
	             " FROM pg_roles r WHERE r.oid = x.datdba AND r.rolname = x.datname))");
	add_nobody(&body, drop);
	if (strcmp(orphan->name, doomed) != 0)
		sql_add(&body, " EXECUTE format('ALTER DATABASE %%I RENAME TO %%I', %L::text, %L::text);"
		               " EXECUTE format('COMMENT ON DATABASE %%I IS %%L', %L::text, %L::text);",
		        orphan->name, doomed, doomed, *orphan->stamp_text ? orphan->stamp_text : stamp);
	add_unclaim(&body, drop);
	add_do(sql, "", &body);
}

static int
keep_renamed(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct orphan_drop *drop = ctx;

	drop->renamed = true;
	return 0;
}

static void
drop_database(void *ctx, struct sql *sql)
{
	const struct orphan_drop *drop = ctx;
	char doomed[64];

	if (drop->orphan->kind != ORPHAN_DATABASE)
		return;
	doomed_name(drop->orphan, doomed);
	sql_add(sql, "DROP DATABASE IF EXISTS %I", doomed);
}

/* ---- the way through them ---- */

static const struct flow_step drop_steps[] = {
	{ "drop a part of the schema", drop_schema },
	{ "look for the rest", look_again, keep_is_there },
	{ "drop the role", drop_role },
	{ "rename the database", rename_database, keep_renamed, .wait = true },
	{ "drop the database", drop_database, .wait = true },
	{ 0 },
};

static void
run(struct orphan_drop *drop, const struct flow_step *steps,
    void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate))
{
	drop->flow = (struct flow){ .steps = steps, .subject = "it", .ctx = drop, .done = done };
	pg_run(drop->site->pg, &drop->flow);
}

static void
finish(struct orphan_drop *drop, enum orphan_action action, const struct berth_error *e)
{
	drop->orphan->action = action;
	drop->done(drop->arg, drop->orphan, e);
	free(drop);
}

/* Behind "it: 'step' failed: SQLSTATE " stands what the server, or we, have said. */
static void
keep(struct orphan_drop *drop, const struct berth_error *e, const char *sqlstate)
{
	const char *said = strstr(e->message, sqlstate);
	char doomed[64];
	int len;

	if (strcmp(sqlstate, KEPT) == 0)
		len = WHY(drop, "%s", said + strlen(sqlstate) + 1);
	else
		len = WHY(drop, "PostgreSQL refuses: %s", *sqlstate ? said : e->message);
	doomed_name(drop->orphan, doomed);
	if (drop->renamed && len < ORPHAN_WHY)
		snprintf(drop->orphan->why + len, (size_t)(ORPHAN_WHY - len), " (its name is %s by now)", doomed);
	finish(drop, ORPHAN_KEPT, NULL);
}

static void on_dropped(void *ctx, const struct berth_error *e, const char *sqlstate);

/* 53200: the lock table is full, of ours and of others'. A smaller bite may fit. */
static bool
bite_less(struct orphan_drop *drop, const char *sqlstate)
{
	if (strcmp(sqlstate, "53200") != 0 || drop->budget < 2)
		return false;
	drop->budget /= 2;
	run(drop, drop_steps, on_dropped);
	return true;
}

static void
failed(struct orphan_drop *drop, const struct berth_error *e, const char *sqlstate)
{
	if (strcmp(sqlstate, GONE) == 0)
		finish(drop, ORPHAN_DROPPED, NULL);
	else if (e->code != BERTH_PGERR || strcmp(sqlstate, "23503") == 0) /* no runner of that name: we are fenced */
		finish(drop, ORPHAN_KEPT, e);
	else if (!bite_less(drop, sqlstate))
		keep(drop, e, sqlstate);
}

static void
on_dropped(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct orphan_drop *drop = ctx;

	if (e) {
		failed(drop, e, sqlstate);
	} else if (!drop->is_there) {
		finish(drop, drop->empty ? ORPHAN_EMPTIED : ORPHAN_DROPPED, NULL);
	} else if (clock_now() < drop->until) {
		run(drop, drop_steps, on_dropped);
	} else {
		WHY(drop, "a part of its %" PRId64 " tables is gone", drop->orphan->tables);
		finish(drop, ORPHAN_DROPPING, NULL);
	}
}

static void on_rolled_back(void *arg, const struct berth_error *e, const char *sqlstate);

static void
on_kicked(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct orphan_drop *drop = ctx;
	const struct pg_facts *facts = pg_facts(drop->site->pg);

	if (e)
		failed(drop, e, sqlstate);
	else if (*drop->prepared)
		prepared_end(drop->site, drop->orphan->name, facts->database, drop->prepared, on_rolled_back, drop);
	else
		run(drop, drop_steps, on_dropped);
}

static void
on_rolled_back(void *arg, const struct berth_error *e, const char *sqlstate)
{
	struct orphan_drop *drop = arg;

	if (e)
		failed(drop, e, sqlstate);
	else
		run(drop, kick_steps, on_kicked);
}

void
orphan_drop_start(const struct slot_site *site, struct orphan *orphan, const struct orphans_ask *ask, int64_t until,
                  orphan_drop_done *done, void *arg)
{
	struct orphan_drop *drop = calloc(1, sizeof *drop);

	if (!drop)
		abort();
	*drop = (struct orphan_drop){
		.site = site, .orphan = orphan, .end_sessions = ask->sessions, .empty = ask->empty, .until = until, .done = done, .arg = arg,
		.budget = LOCKS_AT_ONCE,
	};
	if (ask->sessions || orphan->prepared)
		run(drop, kick_steps, on_kicked);
	else
		run(drop, drop_steps, on_dropped);
}
