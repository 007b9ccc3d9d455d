/* SPDX-License-Identifier: MIT */
/* The two conversations that make a schema's slot and a database's. */
#include "daemon/slot_build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/pg/pg.h"
#include "daemon/pg/scram.h"

struct slot_build {
	struct flow flow;
	const struct slot_site *site;
	struct slot *slot;
	slot_build_done *done;
	void *arg;
};

/* ---- steps ---- */

static void
claim_row(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql,
	        "INSERT INTO berth.slot (name, runner, kind, fence)"
	        " VALUES (%L, %L, %L, nextval('berth.fence')) ON CONFLICT (name) DO NOTHING RETURNING fence",
	        build->slot->name, build->site->runner, slot_kind_word(build->slot->kind));
}

static int
keep_fence(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_build *build = ctx;

	if (PQntuples(result) == 0)
		return berth_error_set(e, BERTH_INUSE, "the name %s belongs to another lease in the registry; ask "
		                       "for another NAME, or for none", build->slot->name);
	build->slot->fence = flow_cell_int(result, 0, 0);
	return 0;
}

static void
mark_built(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "UPDATE berth.slot SET built = true WHERE name = %L AND fence = %l", build->slot->name,
	        build->slot->fence);
}

static void
create_role(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;
	const struct config *config = build->site->config;
	char verifier[SCRAM_TEXT];

	scram_verifier(build->slot->password, config->scram_iterations, verifier);
	sql_add(sql, "CREATE ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT %d PASSWORD %L"
	             " IN ROLE berth_lease",
	        build->slot->name, config->role_connections, verifier);
}

/* A daemon that is no superuser must be a member of the role to make things for it and to end its
 * sessions; from 16 on membership alone does not carry the right to act as the role. */
static void
join_role(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;
	const struct pg_facts *facts = pg_facts(build->site->pg);

	if (!facts || facts->superuser)
		return;
	sql_add(sql, "GRANT %I TO CURRENT_USER%s", build->slot->name,
	        facts->version >= 160000 ? " WITH INHERIT TRUE, SET TRUE" : "");
}

static void
set_search_path(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "ALTER ROLE %I SET search_path = \"$user\", public", build->slot->name);
}

static void
set_jit(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "ALTER ROLE %I SET jit = off", build->slot->name);
}

static void
set_statement_timeout(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "ALTER ROLE %I SET statement_timeout = %d", build->slot->name,
	        build->site->config->statement_timeout_ms);
}

static void
set_idle_timeout(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "ALTER ROLE %I SET idle_in_transaction_session_timeout = %d", build->slot->name,
	        build->site->config->idle_in_transaction_ms);
}

static void
create_schema(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "CREATE SCHEMA %I AUTHORIZATION %I", build->slot->name, build->slot->name);
}

/* The stamp: who made it, so that it can be told from what is foreign even without the registry. */
static void
stamp(const struct slot_build *build, const char *what, struct sql *sql)
{
	struct sql text = { 0 };

	sql_add(&text, "berth runner=%s fence=%l", build->site->runner, build->slot->fence);
	sql_add(sql, "COMMENT ON %s %I IS %L", what, build->slot->name, text.text);
	sql_fini(&text);
}

static void
stamp_schema(void *ctx, struct sql *sql)
{
	stamp(ctx, "SCHEMA", sql);
}

static void
stamp_role(void *ctx, struct sql *sql)
{
	stamp(ctx, "ROLE", sql);
}

static void
stamp_database(void *ctx, struct sql *sql)
{
	stamp(ctx, "DATABASE", sql);
}

/* Copying files is cheap where no checkpoint has to reach the disk, and dear where it has to. */
static void
create_database(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;
	const struct pg_facts *facts = pg_facts(build->site->pg);
	const char *strategy = "";

	if (facts && facts->version >= 150000)
		strategy = facts->fsync ? " STRATEGY wal_log" : " STRATEGY file_copy";
	sql_add(sql, "CREATE DATABASE %I OWNER %I TEMPLATE %I%s", build->slot->name, build->slot->name,
	        build->site->config->database_template, strategy);
}

static void
close_database(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "REVOKE ALL ON DATABASE %I FROM PUBLIC", build->slot->name);
}

#define ROLE_STEPS                                                        \
	{ "mark the row", mark_built },                                   \
	{ "create role", create_role },                                   \
	{ "join role", join_role },                                       \
	{ "set search_path", set_search_path },                           \
	{ "set jit", set_jit },                                           \
	{ "set statement_timeout", set_statement_timeout },               \
	{ "set idle timeout", set_idle_timeout }

/* Two round trips: claim; then role and schema, which stand or fall together. */
static const struct flow_step build_schema[] = {
	{ "claim a row", claim_row, keep_fence, .wait = true },
	ROLE_STEPS,
	{ "create schema", create_schema },
	{ "stamp schema", stamp_schema, .wait = true },
	{ 0 },
};

/* CREATE DATABASE is a transaction of its own; the role that owns it says whose it is. */
static const struct flow_step build_database[] = {
	{ "claim a row", claim_row, keep_fence, .wait = true },
	ROLE_STEPS,
	{ "stamp role", stamp_role, .wait = true },
	{ "create database", create_database, .wait = true },
	{ "close database", close_database },
	{ "stamp database", stamp_database, .wait = true },
	{ 0 },
};

/* ---- */

/* 42710, 42P04 and 42P06: the role, database or schema exists, and is not ours. */
static bool
is_taken(const char *sqlstate)
{
	return strcmp(sqlstate, "42710") == 0 || strcmp(sqlstate, "42P04") == 0 || strcmp(sqlstate, "42P06") == 0;
}

static void
on_done(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_build *build = ctx;
	struct slot *slot = build->slot;
	struct berth_error taken;

	slot->build = NULL;
	if (e && is_taken(sqlstate)) {
		berth_error_set(&taken, BERTH_INUSE, "the name %s is taken: PostgreSQL has a schema, role or database "
		                "of that name that berth did not make (berth never drops it); ask for another NAME",
		                slot->name);
		e = &taken;
	}
	build->done(build->arg, slot, e);
	free(build);
}

void
slot_build_start(const struct slot_site *site, struct slot *slot, slot_build_done *done, void *arg)
{
	struct slot_build *build = calloc(1, sizeof *build);

	if (!build)
		abort();
	assert(slot->state == SLOT_BUILDING && !slot->build);
	*build = (struct slot_build){ .site = site, .slot = slot, .done = done, .arg = arg };
	build->flow = (struct flow){
		.steps = slot->kind == SLOT_SCHEMA ? build_schema : build_database,
		.subject = slot->name, .ctx = build, .done = on_done,
	};
	slot->build = build;
	pg_run(site->pg, &build->flow);
}
