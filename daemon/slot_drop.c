/* SPDX-License-Identifier: MIT */
/*
 * quell → quiet → shrink until few tables are left → drop → quiet once more, for a session survives its role.
 */
#include "daemon/slot_drop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/pg/pg.h"
#include "daemon/slot_quiet.h"
#include "daemon/slot_shrink.h"

struct slot_drop {
	struct flow flow;
	const struct slot_site *site;
	struct slot *slot;
	slot_drop_done *done;
	void *arg;
	struct event_base *base;
	struct slot_quiet *quiet; /* under way; frees itself */
	int64_t role;        /* OID; 0: there is none, so nothing of ours */
	bool missing;        /* there is no row of ours */
	bool anothers;       /* but one of another runner's, or with another fence */
	int tables;          /* dropped by the last shrink */
	bool last;           /* the sweep after the drop */
};

static void quiet(struct slot_drop *drop);

static void
finish(struct slot_drop *drop, const struct berth_error *e)
{
	drop->slot->drop = NULL;
	drop->done(drop->arg, drop->slot, e);
	free(drop);
}

static void
run(struct slot_drop *drop, const struct flow_step *steps,
    void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate))
{
	drop->flow = (struct flow){ .steps = steps, .subject = drop->slot->name, .ctx = drop, .done = done };
	pg_run(drop->site->pg, &drop->flow);
}

/* ---- quell: is it still ours, and may its role still log in? ---- */

static void
find_role(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	/* A row that was never built owns nothing, whatever else bears its name. */
	sql_add(sql, "UPDATE berth.slot SET state = 'dropping' WHERE ");
	slot_write_ours(drop->site, drop->slot, sql);
	sql_add(sql, " RETURNING CASE WHEN built THEN (SELECT oid FROM pg_roles WHERE rolname = coalesce(role, name)) END,"
	             " fence, coalesce(role, name)");
}

/* From here on the fence is known: what is sent again, or comes late, meets no later slot of that name. */
static int
keep_role(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_drop *drop = ctx;

	drop->missing = PQntuples(result) == 0;
	drop->role = flow_cell_int(result, 0, 0);
	if (drop->missing)
		return 0;
	drop->slot->fence = flow_cell_int(result, 0, 1);
	if (strcmp(flow_cell(result, 0, 2), drop->slot->role) != 0) /* it became ours while we failed to claim its name */
		slot_share(drop->slot, flow_cell(result, 0, 2), "");
	return 0;
}

static void
find_anothers(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	sql_add(sql, "SELECT FROM berth.slot WHERE name = %L", drop->slot->name);
}

static int
keep_anothers(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_drop *drop = ctx;

	drop->anothers = PQntuples(result) > 0;
	return 0;
}

/* One of its own, that is to go with it. */
static bool
has_role(const struct slot_drop *drop)
{
	return drop->role && !slot_is_shared(drop->slot);
}

static void
forbid_logins(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (has_role(drop))
		sql_add(sql, "ALTER ROLE %I NOLOGIN", drop->slot->role);
}

static const struct flow_step quell[] = {
	{ "mark it dropping", find_role, keep_role },
	{ "whose is it", find_anothers, keep_anothers, .wait = true },
	{ "forbid logins", forbid_logins, .wait = true },
	{ 0 },
};

/* ---- shrink: tables in batches, so that no transaction takes the whole lock table ---- */

static void
drop_some_tables(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	slot_write_shrink(drop->site, drop->slot, drop->role, sql);
}

static void
count_tables(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	slot_write_table_count(drop->slot, drop->role, sql);
}

static int
keep_tables(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_drop *drop = ctx;

	drop->tables = (int)flow_cell_int(result, 0, 0);
	return 0;
}

static const struct flow_step shrink_steps[] = {
	{ "drop some tables", drop_some_tables },
	{ "count the others", count_tables, keep_tables, .wait = true },
	{ 0 },
};

/* ---- drop ---- */

/* The row goes first: no row, no drop. */
static void
delete_row(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;
	struct sql body = { 0 };

	sql_add(&body, "BEGIN DELETE FROM berth.slot WHERE ");
	slot_write_ours(drop->site, drop->slot, &body);
	sql_add(&body, "; IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'BE001'; END IF; END");
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static void
drop_schema(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (drop->role && drop->slot->kind == SLOT_SCHEMA)
		slot_write_drop_schema(drop->slot, drop->role, sql);
}

/*
 * A role that others have too may own more databases. Between CREATE DATABASE and its stamp, which are two
 * transactions, only a name that berthd has made up tells that it is ours.
 */
static void
find_database(void *ctx, struct sql *sql)
{
	struct slot_drop *drop = ctx;

	drop->tables = 0;
	if (!drop->role || drop->slot->kind != SLOT_DATABASE)
		return;
	sql_add(sql, "SELECT count(*) FROM pg_database d WHERE datname = %L AND datdba = %l", drop->slot->name, drop->role);
	if (slot_is_shared(drop->slot))
		sql_add(sql, " AND (shobj_description(d.oid, 'pg_database') LIKE 'berth runner=%%'"
		             " OR datname ~ '_[0-9a-f]{6}_[0-9]+$')");
}

static void
drop_database(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (drop->tables > 0)
		sql_add(sql, "DROP DATABASE IF EXISTS %I WITH (FORCE)", drop->slot->name);
}

static void
drop_owned(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (has_role(drop))
		sql_add(sql, "DROP OWNED BY %I CASCADE", drop->slot->role);
}

static void
drop_role(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (has_role(drop))
		sql_add(sql, "DROP ROLE %I", drop->slot->role);
}

static const struct flow_step drop_steps[] = {
	{ "find the database", find_database, keep_tables, .wait = true },
	{ "drop database", drop_database, .wait = true },
	{ "delete its row", delete_row },
	{ "drop schema", drop_schema },
	{ "drop what it owns", drop_owned },
	{ "drop role", drop_role, .wait = true },
	{ 0 },
};

/* ---- the way through them ---- */

static void
finish_stale(struct slot_drop *drop)
{
	struct berth_error stale;

	berth_error_set(&stale, BERTH_STALE, "slot %s with fence %lld is not this runner's any more", drop->slot->name,
	                (long long)drop->slot->fence);
	finish(drop, &stale);
}

static void
fail(struct slot_drop *drop, const struct berth_error *e, const char *sqlstate)
{
	if (strcmp(sqlstate, "BE001") == 0)
		finish_stale(drop);
	else
		finish(drop, e);
}

static void
on_dropped(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_drop *drop = ctx;

	if (e) {
		fail(drop, e, sqlstate);
	} else if (slot_is_shared(drop->slot)) {
		finish(drop, NULL); /* whoever still has that role finds nothing */
	} else {
		drop->last = true;
		quiet(drop);
	}
}

static void
on_shrunk(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_drop *drop = ctx;

	if (e)
		fail(drop, e, sqlstate);
	else if (drop->tables >= SHRINK_TABLES)
		run(drop, shrink_steps, on_shrunk);
	else
		run(drop, drop_steps, on_dropped);
}

static void
on_quiet(void *arg, const struct berth_error *e)
{
	struct slot_drop *drop = arg;

	drop->quiet = NULL;
	if (e)
		fail(drop, e, "");
	else if (drop->last)
		finish(drop, NULL);
	else if (drop->role && drop->slot->kind == SLOT_SCHEMA)
		run(drop, shrink_steps, on_shrunk);
	else
		run(drop, drop_steps, on_dropped);
}

static void
quiet(struct slot_drop *drop)
{
	struct slot_quiet_config config = { .slot = drop->slot, .role = drop->role, .prepared = !drop->last };

	drop->quiet = slot_quiet_start(drop->site, drop->base, &config, on_quiet, drop);
}

/* No row at all: an earlier try was committed and its answer lost, or the claim never happened. */
static void
on_quelled(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_drop *drop = ctx;

	if (e)
		fail(drop, e, sqlstate);
	else if (!drop->missing)
		quiet(drop);
	else if (drop->anothers && drop->slot->fence)
		finish_stale(drop);
	else
		finish(drop, NULL);
}

void
slot_drop_start(const struct slot_site *site, struct event_base *base, struct slot *slot, slot_drop_done *done,
                void *arg)
{
	struct slot_drop *drop = calloc(1, sizeof *drop);

	if (!drop)
		abort();
	assert(slot->state == SLOT_DROPPING && !slot->drop);
	*drop = (struct slot_drop){ .site = site, .base = base, .slot = slot, .done = done, .arg = arg };
	slot->drop = drop;
	run(drop, quell, on_quelled);
}

void
slot_drop_abandon(struct slot *slot)
{
	if (slot->drop)
		slot_quiet_abandon(slot->drop->quiet);
}
