/* SPDX-License-Identifier: MIT */
/* The two conversations that make a schema's slot and a database's. */
#include "daemon/slot_build.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/pg/guest.h"
#include "daemon/pg/pg.h"
#include "daemon/seal_copy.h"
#include "daemon/shelf.h"
#include "daemon/slot_fill.h"
#include "daemon/slot_guest.h"
#include "daemon/slot_role.h"
#include "daemon/slot_shrink.h"
#include "daemon/stamp.h"

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
	        "INSERT INTO berth.slot (name, runner, kind, fence, template, role)"
	        " VALUES (%L, %L, %L, nextval('berth.fence'), %L, %L) ON CONFLICT (name) DO NOTHING"
	        " RETURNING fence, floor(extract(epoch FROM created))::bigint",
	        build->slot->name, build->site->runner, slot_kind_word(build->slot->kind), build->slot->shelf->key,
	        slot_shared_role(build->slot));
}

static int
keep_fence(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_build *build = ctx;

	if (PQntuples(result) == 0)
		return berth_error_set(e, BERTH_INUSE, "the name %s belongs to another lease in the registry; ask "
		                       "for another NAME, or for none", build->slot->name);
	build->slot->fence = flow_cell_int(result, 0, 0);
	build->slot->made = flow_cell_int(result, 0, 1);
	return 0;
}

/* The claim was another transaction: since then the row may have gone to another runner, or be dropped. */
static void
mark_built(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;
	struct sql body = { 0 };

	sql_add(&body, "BEGIN UPDATE berth.slot SET built = true WHERE state = 'ready' AND ");
	slot_write_ours(build->site, build->slot, &body);
	sql_add(&body, "; IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'BE001'; END IF; END");
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

/* A database's name is free, or it is not marked: its own role is not there to say whose it is. */
static void
refuse_taken(void *ctx, struct sql *sql)
{
	const struct slot *slot = ((const struct slot_build *)ctx)->slot;
	struct sql body = { 0 };

	if (slot->kind != SLOT_DATABASE || !slot_is_shared(slot))
		return;
	sql_add(&body, "BEGIN IF EXISTS (SELECT FROM pg_database WHERE datname = %L) THEN RAISE duplicate_database; END IF; END",
	        slot->name);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static void
create_role(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	slot_role_create(build->site, build->slot, sql);
}

static void
join_role(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	slot_role_join(build->site, build->slot, sql);
}

static void
set_role(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	slot_role_settings(build->site, build->slot, sql);
}

static void
create_schema(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "CREATE SCHEMA %I AUTHORIZATION %I", build->slot->name, build->slot->role);
}

void
slot_write_stamp_text(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	const struct pg_facts *facts = pg_facts(site->pg);
	char text[STAMP_TEXT];

	stamp_write(site->runner, slot->fence, facts ? facts->database : "", slot->made, text);
	sql_add(sql, "%L", text);
}

/* Who made it, so that it can be told from what is foreign even without the registry. */
void
slot_write_stamp(const struct slot_site *site, const struct slot *slot, const char *what, struct sql *sql)
{
	sql_add(sql, "COMMENT ON %s %I IS ", what, slot->name);
	slot_write_stamp_text(site, slot, sql);
}

static void
stamp(const struct slot_build *build, const char *what, struct sql *sql)
{
	slot_write_stamp(build->site, build->slot, what, sql);
}

static void
stamp_schema(void *ctx, struct sql *sql)
{
	stamp(ctx, "SCHEMA", sql);
}

static void
stamp_role(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	slot_role_stamp(build->site, build->slot, sql);
}

static void
stamp_database(void *ctx, struct sql *sql)
{
	stamp(ctx, "DATABASE", sql);
}

void
slot_write_database(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	sql_add(sql, "CREATE DATABASE %I OWNER %I TEMPLATE %I%s", slot->name, slot->role,
	        slot->shelf->database ? slot->shelf->database : site->config->database_template, seal_copy_strategy(site));
}

static void
create_database(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	slot_write_database(build->site, build->slot, sql);
}

static void
close_database(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "REVOKE ALL ON DATABASE %I FROM PUBLIC", build->slot->name);
}

#define ROLE_STEPS                                                        \
	{ "is the name free", refuse_taken },                             \
	{ "mark the row", mark_built },                                   \
	{ "create role", create_role },                                   \
	{ "join role", join_role },                                       \
	{ "set the role", set_role }

/* Two round trips: claim; then role and schema, which stand or fall together. */
static const struct flow_step build_schema[] = {
	{ "claim a row", claim_row, keep_fence, .wait = true },
	ROLE_STEPS,
	{ "stamp role", stamp_role },
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
finish(struct slot_build *build, const struct berth_error *e)
{
	struct slot *slot = build->slot;

	slot->build = NULL;
	slot_close_guest(slot);
	build->done(build->arg, slot, e);
	free(build);
}

static void
on_filled(void *arg, struct slot *slot, const struct berth_error *e)
{
	finish(arg, e);
}

/* ---- a copied database: what was nobody's becomes the slot's; a shared role's is so already ---- */

static void
give_objects(void *ctx, struct sql *sql)
{
	const struct slot_build *build = ctx;

	sql_add(sql, "REASSIGN OWNED BY berth_template TO %I", build->slot->role);
}

static const struct flow_step give_steps[] = {
	{ "give it what it holds", give_objects, .wait = true },
	{ 0 },
};

static void
on_given(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	finish(ctx, e);
}

static void
give(struct slot_build *build)
{
	struct slot *slot = build->slot;

	slot->guest = guest_new(build->site->guests, NULL, NULL, slot->name, "berthd build");
	build->flow = (struct flow){ .steps = give_steps, .subject = slot->name, .ctx = build, .done = on_given };
	guest_run(slot->guest, &build->flow);
}

static void
on_made(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_build *build = ctx;
	struct slot *slot = build->slot;
	struct berth_error taken;

	if (e && is_taken(sqlstate)) {
		berth_error_set(&taken, BERTH_INUSE, "the name %s is taken: PostgreSQL has a schema, role or database "
		                "of that name that berth did not make (berth never drops it); ask for another NAME",
		                slot->name);
		e = &taken;
	}
	if (!e && slot->shelf->image)
		slot_fill_start(build->site, slot, slot->shelf->image, on_filled, build);
	else if (!e && slot->shelf->database && !slot_is_shared(slot))
		give(build);
	else
		finish(build, e);
}

static struct slot_build *
build_new(const struct slot_site *site, struct slot *slot, slot_build_done *done, void *arg)
{
	struct slot_build *build = calloc(1, sizeof *build);

	if (!build)
		abort();
	assert(slot->state == SLOT_BUILDING && !slot->build);
	*build = (struct slot_build){ .site = site, .slot = slot, .done = done, .arg = arg };
	slot->build = build;
	return build;
}

void
slot_build_resume(const struct slot_site *site, struct slot *slot, slot_build_done *done, void *arg)
{
	slot_fill_baseline(site, slot, slot->shelf->image, on_filled, build_new(site, slot, done, arg));
}

void
slot_build_start(const struct slot_site *site, struct slot *slot, slot_build_done *done, void *arg)
{
	struct slot_build *build = build_new(site, slot, done, arg);

	build->flow = (struct flow){
		.steps = slot->kind == SLOT_SCHEMA ? build_schema : build_database,
		.subject = slot->name, .ctx = build, .done = on_made,
	};
	pg_run(site->pg, &build->flow);
}
