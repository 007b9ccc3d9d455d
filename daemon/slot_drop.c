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

struct slot_drop {
	struct flow flow;
	const struct slot_site *site;
	struct slot *slot;
	slot_drop_done *done;
	void *arg;
	struct event *again; /* the next kick */
	int64_t role;        /* OID; 0: there is none, so nothing of ours */
	bool missing;        /* there is no row of ours */
	bool anothers;       /* but one of another runner's, or with another fence */
	int survivors;
	int rounds;
	int tables;          /* dropped by the last shrink */
	bool last;           /* the sweep after the drop */
	char prepared[256];  /* a prepared transaction of the role, "" for none */
};

static void kick(struct slot_drop *drop);

static void
finish(struct slot_drop *drop, const struct berth_error *e)
{
	drop->slot->drop = NULL;
	drop->done(drop->arg, drop->slot, e);
	event_free(drop->again);
	free(drop);
}

static void
run(struct slot_drop *drop, const struct flow_step *steps,
    void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate))
{
	drop->flow = (struct flow){ .steps = steps, .subject = drop->slot->name, .ctx = drop, .done = done };
	pg_run(drop->site->pg, &drop->flow);
}

/* Whose row it must be. Without a fence (the answer to the claim was lost) it is ours by name and runner. */
static void
add_ours(struct sql *sql, const struct slot_drop *drop)
{
	sql_add(sql, "name = %L AND runner = %L", drop->slot->name, drop->site->runner);
	if (drop->slot->fence)
		sql_add(sql, " AND fence = %l", drop->slot->fence);
}

/* ---- quell: is it still ours, and may its role still log in? ---- */

static void
find_role(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	/* A row that was never built owns nothing, whatever else bears its name. */
	sql_add(sql, "UPDATE berth.slot s SET state = 'dropping' WHERE ");
	add_ours(sql, drop);
	sql_add(sql, " RETURNING CASE WHEN built THEN (SELECT oid FROM pg_roles WHERE rolname = s.name) END");
}

static int
keep_role(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_drop *drop = ctx;

	drop->missing = PQntuples(result) == 0;
	drop->role = flow_cell_int(result, 0, 0);
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

static void
forbid_logins(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (drop->role)
		sql_add(sql, "ALTER ROLE %I NOLOGIN", drop->slot->name);
}

static const struct flow_step quell[] = {
	{ "mark it dropping", find_role, keep_role },
	{ "whose is it", find_anothers, keep_anothers, .wait = true },
	{ "forbid logins", forbid_logins, .wait = true },
	{ 0 },
};

/* ---- kick: end the role's sessions ---- */

/* The pids are chosen before any is ended: beside the call, the planner may call it for every backend. */
static void
end_sessions(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (drop->role)
		sql_add(sql,
		        "WITH theirs AS MATERIALIZED (SELECT pid FROM pg_stat_activity WHERE usesysid = %l)"
		        " SELECT count(*), count(pg_terminate_backend(pid)) FROM theirs",
		        drop->role);
}

static int
count_survivors(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_drop *drop = ctx;

	drop->survivors = (int)flow_cell_int(result, 0, 0);
	return 0;
}

static void
find_prepared(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (drop->role && !drop->last)
		sql_add(sql, "SELECT gid FROM pg_prepared_xacts WHERE owner = %L AND database = current_database()"
		             " LIMIT 1",
		        drop->slot->name);
}

static int
keep_prepared(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_drop *drop = ctx;

	snprintf(drop->prepared, sizeof drop->prepared, "%s", flow_cell(result, 0, 0));
	return 0;
}

static void
roll_back(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (*drop->prepared)
		sql_add(sql, "ROLLBACK PREPARED %L", drop->prepared);
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
	const struct slot_drop *drop = ctx;
	struct sql body = { 0 };

	sql_add(&body, "DECLARE doomed text; n int; BEGIN PERFORM FROM berth.slot WHERE ");
	add_ours(&body, drop);
	sql_add(&body,
	        " FOR UPDATE; IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'BE001'; END IF;"
	        " SELECT string_agg(t.oid::regclass::text, ', '), count(*) INTO doomed, n FROM ("
	        " SELECT c.oid FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace"
	        " WHERE s.nspname = %L AND s.nspowner = %l AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
	        " LIMIT %d) t;"
	        " IF n >= %d THEN EXECUTE 'DROP TABLE ' || doomed || ' CASCADE'; END IF; END",
	        drop->slot->name, drop->role, TABLES_AT_ONCE, TABLES_AT_ONCE);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static void
count_tables(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	sql_add(sql,
	        "SELECT count(*) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace"
	        " WHERE s.nspname = %L AND s.nspowner = %l AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
	        drop->slot->name, drop->role);
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
	add_ours(&body, drop);
	sql_add(&body, "; IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'BE001'; END IF; END");
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

/* Only a schema that the slot's own role owns is the slot's. */
static void
drop_schema(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;
	struct sql body = { 0 }, text = { 0 };

	if (!drop->role || drop->slot->kind != SLOT_SCHEMA)
		return;
	sql_add(&text, "DROP SCHEMA %I CASCADE", drop->slot->name);
	sql_add(&body,
	        "BEGIN IF EXISTS (SELECT FROM pg_namespace WHERE nspname = %L AND nspowner = %l)"
	        " THEN EXECUTE %L; END IF; END",
	        drop->slot->name, drop->role, text.text);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&text);
	sql_fini(&body);
}

static void
find_database(void *ctx, struct sql *sql)
{
	struct slot_drop *drop = ctx;

	drop->tables = 0;
	if (drop->role && drop->slot->kind == SLOT_DATABASE)
		sql_add(sql, "SELECT count(*) FROM pg_database WHERE datname = %L AND datdba = %l", drop->slot->name,
		        drop->role);
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

	if (drop->role)
		sql_add(sql, "DROP OWNED BY %I CASCADE", drop->slot->name);
}

static void
drop_role(void *ctx, struct sql *sql)
{
	const struct slot_drop *drop = ctx;

	if (drop->role)
		sql_add(sql, "DROP ROLE %I", drop->slot->name);
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
		return;
	}
	drop->last = true;
	drop->rounds = 0;
	kick(drop);
}

static void
on_shrunk(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_drop *drop = ctx;

	if (e)
		fail(drop, e, sqlstate);
	else if (drop->tables >= TABLES_AT_ONCE)
		run(drop, shrink_steps, on_shrunk);
	else
		run(drop, drop_steps, on_dropped);
}

static void
nobody_left(struct slot_drop *drop)
{
	if (drop->last)
		finish(drop, NULL);
	else if (drop->role && drop->slot->kind == SLOT_SCHEMA)
		run(drop, shrink_steps, on_shrunk);
	else
		run(drop, drop_steps, on_dropped);
}

static void
on_kicked(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_drop *drop = ctx;
	struct berth_error alive;
	int ms = KICK_LEAST_MS << (drop->rounds < 6 ? drop->rounds : 6);
	struct timeval delay = { .tv_usec = (ms > KICK_MOST_MS ? KICK_MOST_MS : ms) * 1000 };

	if (e) {
		fail(drop, e, sqlstate);
	} else if (drop->survivors == 0 && !*drop->prepared) {
		nobody_left(drop);
	} else if (++drop->rounds > KICK_ROUNDS) {
		berth_error_set(&alive, BERTH_BUSY, "slot %s: %d sessions of its role do not end", drop->slot->name,
		                drop->survivors);
		finish(drop, &alive);
	} else {
		event_add(drop->again, &delay);
	}
}

static void
kick(struct slot_drop *drop)
{
	drop->survivors = 0;
	drop->prepared[0] = '\0';
	run(drop, kick_steps, on_kicked);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	kick(arg);
}

/* No row at all: an earlier try was committed and its answer lost, or the claim never happened. */
static void
on_quelled(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_drop *drop = ctx;

	if (e)
		fail(drop, e, sqlstate);
	else if (!drop->missing)
		kick(drop);
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
	*drop = (struct slot_drop){ .site = site, .slot = slot, .done = done, .arg = arg };
	drop->again = event_new(base, -1, 0, on_again, drop);
	if (!drop->again)
		abort();
	slot->drop = drop;
	run(drop, quell, on_quelled);
}

void
slot_drop_abandon(struct slot *slot)
{
	struct berth_error e;

	if (!slot->drop || !event_pending(slot->drop->again, EV_TIMEOUT, NULL))
		return;
	berth_error_set(&e, BERTH_UNAVAILABLE, "berthd is leaving");
	finish(slot->drop, &e);
}
