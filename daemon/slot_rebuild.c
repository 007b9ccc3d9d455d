/* SPDX-License-Identifier: MIT */
/* shrink until few tables are left → clear → fill. */
#include "daemon/slot_rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/baseline.h"
#include "daemon/pg/pg.h"
#include "daemon/slot.h"
#include "daemon/slot_fill.h"
#include "daemon/slot_guest.h"
#include "daemon/slot_role.h"
#include "daemon/slot_shrink.h"

enum { LOCK_WAIT_MS = 1000, OUR_CONNECTIONS = 2 /* one that ends, and the next */ };

struct slot_rebuild {
	struct flow flow;
	const struct slot_site *site;
	struct slot *slot;
	int64_t role;
	int tables;
	struct berth_error error;
	slot_rebuild_done *done;
	void *arg;
};

/* Whoever holds a lock on it for long is not waited for: the flow's tries together make the bound. */
static void
bound_the_wait(void *ctx, struct sql *sql)
{
	sql_add(sql, "SELECT set_config('lock_timeout', '%d', true)", LOCK_WAIT_MS);
}

static void
find_role(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	sql_add(sql, "SELECT oid FROM pg_roles WHERE rolname = %L", rebuild->slot->role);
}

static int
keep_role(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_rebuild *rebuild = ctx;

	rebuild->role = flow_cell_int(result, 0, 0);
	return 0;
}

static void
shrink(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_write_shrink(rebuild->site, rebuild->slot, rebuild->role, sql);
}

static void
count_tables(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_write_table_count(rebuild->slot, rebuild->role, sql);
}

static int
keep_tables(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_rebuild *rebuild = ctx;

	rebuild->tables = (int)flow_cell_int(result, 0, 0);
	return 0;
}

static const struct flow_step shrink_steps[] = {
	{ "find its role", find_role, keep_role, .wait = true },
	{ "bound the wait", bound_the_wait },
	{ "drop some tables", shrink },
	{ "count the others", count_tables, keep_tables, .wait = true },
	{ 0 },
};

static void
check_fence(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_write_check(rebuild->site, rebuild->slot, sql);
}

static void
drop_schema(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_write_drop_schema(rebuild->slot, rebuild->role, sql);
}

/*
 * Whatever its own role has made elsewhere. DROP OWNED alone would take along what its sessions keep in
 * pg_temp, and those may stay.
 */
static void
drop_owned(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;
	struct sql body = { 0 };

	if (slot_is_shared(rebuild->slot))
		return;
	sql_add(&body,
	        "BEGIN IF EXISTS (SELECT FROM pg_shdepend WHERE refclassid = 1260 AND refobjid = %l"
	        "  AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
	        "  AND coalesce(CASE classid WHEN 1259 THEN (SELECT relnamespace FROM pg_class t WHERE t.oid = objid)"
	        "   WHEN 1247 THEN (SELECT typnamespace FROM pg_type t WHERE t.oid = objid)"
	        "   WHEN 1255 THEN (SELECT pronamespace FROM pg_proc t WHERE t.oid = objid) END, 0)"
	        "   NOT IN (SELECT oid FROM pg_namespace WHERE nspname LIKE 'pg_temp%%'))"
	        " THEN DROP OWNED BY %I CASCADE; END IF; END",
	        rebuild->role, rebuild->slot->role);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static void
set_role(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_role_settings(rebuild->site, rebuild->slot, sql);
}

/* Its holder may have changed the password, or have all the connections that the role may have. */
static void
set_password(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_role_password(rebuild->site, rebuild->slot, sql);
}

static void
make_room(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_role_limit(rebuild->site, rebuild->slot, OUR_CONNECTIONS, sql);
}

static void
create_schema(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	sql_add(sql, "CREATE SCHEMA %I AUTHORIZATION %I", rebuild->slot->name, rebuild->slot->role);
}

static void
stamp(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_write_stamp(rebuild->site, rebuild->slot, "SCHEMA", sql);
}

static const struct flow_step clear_steps[] = {
	{ "bound the wait", bound_the_wait },
	{ "check the fence", check_fence },
	{ "drop schema", drop_schema },
	{ "drop what it owns", drop_owned },
	{ "set the role", set_role },
	{ "set the password", set_password },
	{ "make room", make_room },
	{ "create schema", create_schema },
	{ "stamp schema", stamp, .wait = true },
	{ 0 },
};

static void run(struct slot_rebuild *rebuild, const struct flow_step *steps,
                void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate));

static void
close_the_door(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_role_limit(rebuild->site, rebuild->slot, 0, sql);
}

static const struct flow_step door_steps[] = {
	{ "make no more room", close_the_door, .wait = true },
	{ 0 },
};

static void
on_closed(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_rebuild *rebuild = ctx;
	struct slot *slot = rebuild->slot;
	const struct berth_error *first = rebuild->error.code != BERTH_OK ? &rebuild->error : e;

	if (first)
		slot->doubt = true;
	rebuild->done(rebuild->arg, slot, first);
	free(rebuild);
}

static void
finish(struct slot_rebuild *rebuild, const struct berth_error *e)
{
	if (e)
		rebuild->error = *e;
	if (e && e->code == BERTH_UNAVAILABLE)
		on_closed(rebuild, e, "");
	else
		run(rebuild, door_steps, on_closed);
}

static void
on_filled(void *arg, struct slot *slot, const struct berth_error *e)
{
	finish(arg, e);
}

static void
on_cleared(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_rebuild *rebuild = ctx;
	struct slot *slot = rebuild->slot;

	if (e || !slot->baseline)
		finish(rebuild, e);
	else
		slot_fill_start(rebuild->site, slot, slot->baseline->image, on_filled, rebuild);
}

static void
run(struct slot_rebuild *rebuild, const struct flow_step *steps,
    void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate))
{
	rebuild->flow = (struct flow){ .steps = steps, .subject = rebuild->slot->name, .ctx = rebuild, .done = done };
	pg_run(rebuild->site->pg, &rebuild->flow);
}

static void
on_shrunk(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_rebuild *rebuild = ctx;

	if (e)
		finish(rebuild, e);
	else if (rebuild->tables >= SHRINK_TABLES)
		run(rebuild, shrink_steps, on_shrunk);
	else
		run(rebuild, clear_steps, on_cleared);
}

void
slot_rebuild_start(const struct slot_site *site, struct slot *slot, slot_rebuild_done *done, void *arg)
{
	struct slot_rebuild *rebuild = calloc(1, sizeof *rebuild);

	if (!rebuild)
		abort();
	*rebuild = (struct slot_rebuild){ .site = site, .slot = slot, .done = done, .arg = arg };
	slot_close_guest(slot); /* the next one begins with what is there then */
	run(rebuild, shrink_steps, on_shrunk);
}
