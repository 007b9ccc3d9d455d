/* SPDX-License-Identifier: MIT */
/*
 * quell → kick until nobody is left → shrink until few tables are left → drop → kick once more.
 */
#include "daemon/slot_drop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/pg/pg.h"

enum {
	KICK_LEAST_MS = 2, KICK_MOST_MS = 100, /* between two looks for survivors */
	KICK_ROUNDS = 200,                     /* then the drop is given up for now */
	TABLES_AT_ONCE = 40,                   /* each takes ≈ 24 lock slots */
};

struct slot_work {
	struct flow flow;
	const struct slot_site *site;
	struct slot *slot;
	slot_drop_done *done;
	void *arg;
	struct event *again; /* the next kick */
	int64_t role;        /* OID; 0: there is none, so nothing of ours */
	int survivors;
	int rounds;
	int tables;          /* dropped by the last shrink */
	bool last;           /* the sweep after the drop */
	char prepared[256];  /* a prepared transaction of the role, "" for none */
};

static void kick(struct slot_work *work);

static void
finish(struct slot_work *work, const struct berth_error *e)
{
	work->slot->work = NULL;
	work->done(work->arg, work->slot, e);
	event_free(work->again);
	free(work);
}

static void
run(struct slot_work *work, const struct flow_step *steps,
    void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate))
{
	work->flow = (struct flow){ .steps = steps, .subject = work->slot->name, .ctx = work, .done = done };
	pg_run(work->site->pg, &work->flow);
}

/* Whose row it must be. Without a fence (the answer to the claim was lost) it is ours by name and runner. */
static void
add_ours(struct sql *sql, const struct slot_work *work)
{
	sql_add(sql, "name = %L AND runner = %L", work->slot->name, work->site->runner);
	if (work->slot->fence)
		sql_add(sql, " AND fence = %l", work->slot->fence);
}

/* ---- quell: is it still ours, and may its role still log in? ---- */

static void
find_role(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;

	/* A row that was never built owns nothing, whatever else bears its name. */
	sql_add(sql, "UPDATE berth.slot s SET state = 'dropping' WHERE ");
	add_ours(sql, work);
	sql_add(sql, " RETURNING CASE WHEN built THEN (SELECT oid FROM pg_roles WHERE rolname = s.name) END");
}

static int
keep_role(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_work *work = ctx;

	if (PQntuples(result) == 0)
		return berth_error_set(e, BERTH_STALE, "slot %s with fence %lld is not this runner's any more",
		                       work->slot->name, (long long)work->slot->fence);
	work->role = flow_cell_int(result, 0, 0);
	return 0;
}

static void
forbid_logins(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;

	if (work->role)
		sql_add(sql, "ALTER ROLE %I NOLOGIN", work->slot->name);
}

static const struct flow_step quell[] = {
	{ "mark it dropping", find_role, keep_role, .wait = true },
	{ "forbid logins", forbid_logins, .wait = true },
	{ 0 },
};

/* ---- kick: end the role's sessions ---- */

/* The pids are chosen before any is ended: beside the call, the planner may call it for every backend. */
static void
end_sessions(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;

	if (work->role)
		sql_add(sql,
		        "WITH theirs AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE usesysid = %l)"
		        " SELECT count(*), count(pg_terminate_backend(pid)) FROM theirs",
		        work->role);
}

static int
count_survivors(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_work *work = ctx;

	work->survivors = (int)flow_cell_int(result, 0, 0);
	return 0;
}

static void
find_prepared(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;

	if (work->role && !work->last)
		sql_add(sql, "SELECT gid FROM pg_prepared_xacts WHERE owner = %L AND database = current_database()"
		             " LIMIT 1",
		        work->slot->name);
}

static int
keep_prepared(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_work *work = ctx;

	snprintf(work->prepared, sizeof work->prepared, "%s", flow_cell(result, 0, 0));
	return 0;
}

static void
roll_back(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;

	if (*work->prepared)
		sql_add(sql, "ROLLBACK PREPARED %L", work->prepared);
}

static const struct flow_step kick_steps[] = {
	{ "end its sessions", end_sessions, count_survivors },
	{ "find prepared transactions", find_prepared, keep_prepared, .wait = true },
	{ "roll back", roll_back, .wait = true },
	{ 0 },
};

/* ---- shrink: tables in batches, so that no transaction takes the whole lock table ---- */

static void
drop_some_tables(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;
	struct sql body = { 0 };

	sql_add(&body, "DECLARE doomed text; n int; BEGIN PERFORM FROM berth.slot WHERE ");
	add_ours(&body, work);
	sql_add(&body,
	        " FOR UPDATE; IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'BE001'; END IF;"
	        " SELECT string_agg(t.oid::regclass::text, ', '), count(*) INTO doomed, n FROM ("
	        " SELECT c.oid FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace"
	        " WHERE s.nspname = %L AND s.nspowner = %l AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
	        " LIMIT %d) t;"
	        " IF n >= %d THEN EXECUTE 'DROP TABLE ' || doomed || ' CASCADE'; END IF; END",
	        work->slot->name, work->role, TABLES_AT_ONCE, TABLES_AT_ONCE);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static void
count_tables(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;

	sql_add(sql,
	        "SELECT count(*) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace"
	        " WHERE s.nspname = %L AND s.nspowner = %l AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
	        work->slot->name, work->role);
}

static int
keep_tables(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_work *work = ctx;

	work->tables = (int)flow_cell_int(result, 0, 0);
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
	const struct slot_work *work = ctx;
	struct sql body = { 0 };

	sql_add(&body, "BEGIN DELETE FROM berth.slot WHERE ");
	add_ours(&body, work);
	sql_add(&body, "; IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'BE001'; END IF; END");
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

/* Only a schema that the slot's own role owns is the slot's. */
static void
drop_schema(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;
	struct sql body = { 0 }, drop = { 0 };

	if (!work->role || work->slot->kind != SLOT_SCHEMA)
		return;
	sql_add(&drop, "DROP SCHEMA %I CASCADE", work->slot->name);
	sql_add(&body,
	        "BEGIN IF EXISTS (SELECT FROM pg_namespace WHERE nspname = %L AND nspowner = %l)"
	        " THEN EXECUTE %L; END IF; END",
	        work->slot->name, work->role, drop.text);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&drop);
	sql_fini(&body);
}

static void
find_database(void *ctx, struct sql *sql)
{
	struct slot_work *work = ctx;

	work->tables = 0;
	if (work->role && work->slot->kind == SLOT_DATABASE)
		sql_add(sql, "SELECT count(*) FROM pg_database WHERE datname = %L AND datdba = %l", work->slot->name,
		        work->role);
}

static void
drop_database(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;

	if (work->tables > 0)
		sql_add(sql, "DROP DATABASE IF EXISTS %I WITH (FORCE)", work->slot->name);
}

static void
drop_owned(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;

	if (work->role)
		sql_add(sql, "DROP OWNED BY %I CASCADE", work->slot->name);
}

static void
drop_role(void *ctx, struct sql *sql)
{
	const struct slot_work *work = ctx;

	if (work->role)
		sql_add(sql, "DROP ROLE %I", work->slot->name);
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
fail(struct slot_work *work, const struct berth_error *e, const char *sqlstate)
{
	struct berth_error stale;

	if (strcmp(sqlstate, "BE001") == 0) {
		berth_error_set(&stale, BERTH_STALE, "slot %s with fence %lld is not this runner's any more",
		                work->slot->name, (long long)work->slot->fence);
		e = &stale;
	}
	finish(work, e);
}

static void
on_dropped(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_work *work = ctx;

	if (e) {
		fail(work, e, sqlstate);
		return;
	}
	work->last = true;
	work->rounds = 0;
	kick(work);
}

static void
on_shrunk(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_work *work = ctx;

	if (e)
		fail(work, e, sqlstate);
	else if (work->tables >= TABLES_AT_ONCE)
		run(work, shrink_steps, on_shrunk);
	else
		run(work, drop_steps, on_dropped);
}

static void
nobody_left(struct slot_work *work)
{
	if (work->last)
		finish(work, NULL);
	else if (work->role && work->slot->kind == SLOT_SCHEMA)
		run(work, shrink_steps, on_shrunk);
	else
		run(work, drop_steps, on_dropped);
}

static void
on_kicked(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_work *work = ctx;
	struct berth_error alive;
	int ms = KICK_LEAST_MS << (work->rounds < 6 ? work->rounds : 6);
	struct timeval delay = { .tv_usec = (ms > KICK_MOST_MS ? KICK_MOST_MS : ms) * 1000 };

	if (e) {
		fail(work, e, sqlstate);
	} else if (work->survivors == 0 && !*work->prepared) {
		nobody_left(work);
	} else if (++work->rounds > KICK_ROUNDS) {
		berth_error_set(&alive, BERTH_BUSY, "slot %s: %d sessions of its role do not end", work->slot->name,
		                work->survivors);
		finish(work, &alive);
	} else {
		event_add(work->again, &delay);
	}
}

static void
kick(struct slot_work *work)
{
	work->survivors = 0;
	work->prepared[0] = '\0';
	run(work, kick_steps, on_kicked);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	kick(arg);
}

static void
on_quelled(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_work *work = ctx;

	if (e && e->code == BERTH_STALE && work->slot->fence == 0)
		finish(work, NULL); /* the claim whose answer was lost never happened */
	else if (e)
		fail(work, e, sqlstate);
	else
		kick(work);
}

void
slot_drop_start(const struct slot_site *site, struct event_base *base, struct slot *slot, slot_drop_done *done,
                void *arg)
{
	struct slot_work *work = calloc(1, sizeof *work);

	if (!work)
		abort();
	assert(slot->state == SLOT_DROPPING && !slot->work);
	*work = (struct slot_work){ .site = site, .slot = slot, .done = done, .arg = arg };
	work->again = event_new(base, -1, 0, on_again, work);
	if (!work->again)
		abort();
	slot->work = work;
	run(work, quell, on_quelled);
}
