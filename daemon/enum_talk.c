/* SPDX-License-Identifier: MIT */
/* What is said to PostgreSQL about enums, and what is kept of its answers. */
#include "daemon/enum_talk.h"

#include <stdio.h>
#include <string.h>

#include "daemon/config.h"

enum { FLOW_TRIES = 6 /* flow.c's first and five more */ };

/* Every type has an array type, whose name PostgreSQL changes when somebody wants it: it counts as free. */
#define TYPES_OF_SCHEMA "FROM pg_type t%s WHERE t.typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = %L)" \
                        " AND t.typcategory <> 'A' AND t.typname"

/* Those that want what no other one before them wants. */
#define FOREACH_FIRST(ask, talk)                       \
	TAILQ_FOREACH(ask, &(talk)->asks, link)        \
		if (!(ask)->like)

/* ---- the lock ---- */

/* The runner of flows tries a lock timeout again; none of the tries may last as long as a transaction. */
static int
patience_ms(const struct config *config)
{
	int share = config->enum_wait_ms / FLOW_TRIES + 1, most = config->pg_deadline_ms / 3;

	return share < most ? share : most;
}

/* The columns of one row are made from left to right: the patience is set before it is needed. */
static void
take_lock(void *ctx, struct sql *sql)
{
	struct enum_talk *talk = ctx;

	talk->locked = false;
	sql_add(sql,
	        "SELECT set_config('lock_timeout', '%d', true), set_config('berth.made', '', true),"
	        " pg_advisory_xact_lock(%d)",
	        patience_ms(talk->config), talk->config->enum_lock);
}

static int
keep_lock(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct enum_talk *talk = ctx;

	talk->locked = true;
	return 0;
}

/* ---- looking ---- */

static void
add_names(const struct enum_talk *talk, struct sql *sql)
{
	const struct enum_ask *ask;

	FOREACH_FIRST(ask, talk)
		sql_add(sql, "%s%L", ask == TAILQ_FIRST(&talk->asks) ? "" : ", ", ask->want.name);
}

static void
look(void *ctx, struct sql *sql)
{
	const struct enum_talk *talk = ctx;

	sql_add(sql, "SELECT t.typname, t.typtype, l.enumlabel, current_setting('berth.made') " TYPES_OF_SCHEMA " IN (",
	        " LEFT JOIN pg_enum l ON l.enumtypid = t.oid", talk->config->enum_schema);
	add_names(talk, sql);
	sql_add(sql, ") ORDER BY t.typname, l.enumsortorder");
}

static bool
appends(const struct enum_talk *talk)
{
	const struct enum_ask *ask;

	TAILQ_FOREACH(ask, &talk->asks, link)
		if (ask->append)
			return true;
	return false;
}

/* What was there matters only to tell what was appended. */
static void
look_before(void *ctx, struct sql *sql)
{
	if (appends(ctx))
		look(ctx, sql);
}

/* The labels of a type, of which `there` takes as many as it can; returns how many there are, -1 if
 * there is no such type, -2 if it is no enum. */
static int
read_labels(const PGresult *result, const char *name, struct enum_def *there)
{
	int labels = -1;

	there->count = 0;
	for (int row = 0; row < PQntuples(result); row++) {
		if (strcmp(flow_cell(result, row, 0), name) != 0)
			continue;
		if (flow_cell(result, row, 1)[0] != 'e')
			return -2;
		labels += labels < 0;
		if (!*flow_cell(result, row, 2))
			continue;
		if (labels++ < ENUM_LABELS_MAX)
			snprintf(there->labels[there->count++], sizeof there->labels[0], "%s",
			         flow_cell(result, row, 2));
	}
	return labels;
}

static int
keep_before(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct enum_talk *talk = ctx;
	struct enum_def there;
	struct enum_ask *ask;

	TAILQ_FOREACH(ask, &talk->asks, link)
		ask->before = read_labels(result, ask->want.name, &there);
	return 0;
}

static void
judge(const struct enum_talk *talk, struct enum_ask *ask, const PGresult *result)
{
	struct enum_def there;

	ask->no.code = BERTH_OK;
	if (ask->like) {
		ask->is_there = ask->like->is_there;
		ask->no = ask->like->no;
		return;
	}
	ask->after = read_labels(result, ask->want.name, &there);
	ask->is_there = ask->after != -1;
	if (ask->after == -2)
		berth_error_set(&ask->no, BERTH_DRIFT, "a type named %s is in schema %s and is no enum",
		                ask->want.name, talk->config->enum_schema);
	else if (ask->is_there && !ask->append)
		enum_def_compare(&ask->want, &there, &ask->no);
}

/* As our block has noted it. */
static bool
was_made(const PGresult *result, int number)
{
	char mark[16];

	snprintf(mark, sizeof mark, ",%d,", number);
	return strstr(flow_cell(result, 0, 3), mark) != NULL;
}

static int
keep_after(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct enum_talk *talk = ctx;
	struct enum_ask *ask;
	int number = 0;

	talk->furnished = true;
	TAILQ_FOREACH(ask, &talk->asks, link) {
		judge(talk, ask, result);
		ask->made = !ask->like && was_made(result, number++);
	}
	return 0;
}

/* ---- making ---- */

/*
 * Nothing to do is the usual case, and costs next to nothing: a look into the caches for each name. They
 * take the name of an array for a type: whoever was told by the look afterwards that there is none takes the
 * long way.
 */
static bool
may_be_there(const struct enum_talk *talk)
{
	const struct enum_ask *ask;

	TAILQ_FOREACH(ask, &talk->asks, link)
		if (ask->append || ask->again)
			return false;
	return talk->furnished;
}

static void
add_short_cut(const struct enum_talk *talk, struct sql *body)
{
	const struct enum_ask *ask;
	struct sql type = { 0 };
	int names = 0;

	sql_add(body, " IF num_nonnulls(");
	FOREACH_FIRST(ask, talk) {
		sql_clear(&type);
		sql_add(&type, "%I.%I", talk->config->enum_schema, ask->want.name);
		sql_add(body, "%sto_regtype(%L)", names++ ? ", " : "", type.text);
	}
	sql_add(body, ") = %d THEN RETURN; END IF;", names);
	sql_fini(&type);
}

/* Every lease is a member of it. */
static const char *
users(const struct enum_talk *talk)
{
	return *talk->config->lease_role ? talk->config->lease_role : "berth_lease";
}

/* Leases find the types by their names and may use them, whatever the defaults of the database are. */
static void
add_schema(const struct enum_talk *talk, struct sql *body)
{
	const char *schema = talk->config->enum_schema;
	struct sql create = { 0 }, grant = { 0 };

	sql_add(&create, "CREATE SCHEMA %I", schema);
	sql_add(&grant, "GRANT USAGE ON SCHEMA %I TO %I", schema, users(talk));
	sql_add(body,
	        " IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = %L) THEN BEGIN EXECUTE %L;"
	        " EXCEPTION WHEN duplicate_schema OR unique_violation THEN NULL; END; END IF;"
	        " IF NOT has_schema_privilege(%L, %L, 'USAGE') THEN EXECUTE %L; END IF;",
	        schema, create.text, users(talk), schema, grant.text);
	sql_fini(&create);
	sql_fini(&grant);
}

static void
add_grant(const struct enum_talk *talk, const char *type, struct sql *body)
{
	struct sql grant = { 0 };

	sql_add(&grant, "GRANT USAGE ON TYPE %s TO %I", type, users(talk));
	sql_add(body, " IF NOT has_type_privilege(%L, %L, 'USAGE') THEN EXECUTE %L; END IF;", users(talk), type,
	        grant.text);
	sql_fini(&grant);
}

/* What the exception undoes includes the note that we have made it. */
static void
add_creation(const struct enum_talk *talk, const struct enum_ask *ask, int number, struct sql *body)
{
	const char *schema = talk->config->enum_schema;
	struct sql type = { 0 }, create = { 0 };

	sql_add(&type, "%I.%I", schema, ask->want.name);
	sql_add(&create, "CREATE TYPE %s AS ENUM (", type.text);
	for (int i = 0; i < ask->want.count; i++)
		sql_add(&create, "%s%L", i ? ", " : "", ask->want.labels[i]);
	sql_add(&create, ")");
	sql_add(body, " IF NOT EXISTS (SELECT " TYPES_OF_SCHEMA " = %L) THEN BEGIN EXECUTE %L;", "", schema,
	        ask->want.name, create.text);
	add_grant(talk, type.text, body);
	sql_add(body,
	        " PERFORM set_config('berth.made', current_setting('berth.made') || ',%d,', true);"
	        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END; END IF;",
	        number);
	sql_fini(&type);
	sql_fini(&create);
}

static void
add_appending(const char *schema, const struct enum_ask *ask, struct sql *body)
{
	struct sql alter = { 0 };

	sql_add(body, " IF EXISTS (SELECT " TYPES_OF_SCHEMA " = %L AND t.typtype = 'e') THEN", "", schema,
	        ask->want.name);
	for (int i = 0; i < ask->want.count; i++) {
		sql_clear(&alter);
		sql_add(&alter, "ALTER TYPE %I.%I ADD VALUE IF NOT EXISTS %L", schema, ask->want.name,
		        ask->want.labels[i]);
		sql_add(body, " EXECUTE %L;", alter.text);
	}
	sql_add(body, " END IF;");
	sql_fini(&alter);
}

static void
add_making(const struct enum_talk *talk, struct sql *body)
{
	const char *schema = talk->config->enum_schema;
	const struct enum_ask *ask;
	int number = 0;

	sql_add(body, "BEGIN");
	add_schema(talk, body);
	FOREACH_FIRST(ask, talk) {
		add_creation(talk, ask, number++, body);
		if (ask->append)
			add_appending(schema, ask, body);
	}
	sql_add(body, " END");
}

/* The long way is a text in the short one, so that nobody reads it in vain. */
static void
make(void *ctx, struct sql *sql)
{
	const struct enum_talk *talk = ctx;
	struct sql body = { 0 }, block = { 0 }, outer = { 0 };

	add_making(talk, &body);
	sql_add(&block, "DO %L", body.text);
	if (may_be_there(talk)) {
		sql_add(&outer, "BEGIN");
		add_short_cut(talk, &outer);
		sql_add(&outer, " EXECUTE %L; END", block.text);
		sql_add(sql, "DO %L", outer.text);
	} else {
		sql_add(sql, "%s", block.text);
	}
	sql_fini(&body);
	sql_fini(&block);
	sql_fini(&outer);
}

const struct flow_step enum_talk_steps[] = {
	{ "take the lock", take_lock, keep_lock },
	{ "look what is there", look_before, keep_before },
	{ "make what is missing", make },
	{ "look at it", look, keep_after, .wait = true },
	{ 0 },
};

enum enum_outcome
enum_ask_outcome(const struct enum_ask *ask)
{
	if (ask->made)
		return ENUM_CREATED;
	return ask->append && ask->before >= 0 && ask->after > ask->before ? ENUM_APPENDED : ENUM_EXISTS;
}

/* ---- who stands in the way ---- */

#define WHO "SELECT format('pid %%s (%%s) as %%s', a.pid, coalesce(nullif(a.application_name, ''), 'unnamed')," \
            " a.usename) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.granted AND"

static void
ask_holder(void *ctx, struct sql *sql)
{
	const struct enum_talk *talk = ctx;

	if (talk->locked)
		/* pg_locks shows to everybody who has written something and not said how it ends. */
		sql_add(sql,
		        WHO " l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND a.pid <> pg_backend_pid()"
		        " AND a.datname = current_database() ORDER BY age(l.transactionid) DESC LIMIT 1");
	else
		sql_add(sql,
		        WHO " l.locktype = 'advisory' AND l.objsubid = 1 AND l.database ="
		        " (SELECT oid FROM pg_database WHERE datname = current_database())"
		        " AND (l.classid::bigint << 32 | l.objid::bigint) = %d LIMIT 1",
		        talk->config->enum_lock);
}

static int
keep_holder(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct enum_talk *talk = ctx;

	snprintf(talk->holder, sizeof talk->holder, "%s",
	         PQntuples(result) ? flow_cell(result, 0, 0) : "a session that has let it go since");
	return 0;
}

const struct flow_step enum_holder_steps[] = {
	{ "find who stands in the way", ask_holder, keep_holder, .wait = true },
	{ 0 },
};
