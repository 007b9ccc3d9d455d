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

struct slot_rebuild {
	struct flow flow;
	const struct slot_site *site;
	struct slot *slot;
	int64_t role;
	int tables;
	slot_rebuild_done *done;
	void *arg;
};

static void
find_role(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	sql_add(sql, "SELECT oid FROM pg_roles WHERE rolname = %L", rebuild->slot->name);
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
drop_owned(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	sql_add(sql, "DROP OWNED BY %I CASCADE", rebuild->slot->name);
}

static void
set_role(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_role_settings(rebuild->site, rebuild->slot, sql);
}

static void
create_schema(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	sql_add(sql, "CREATE SCHEMA %I AUTHORIZATION %I", rebuild->slot->name, rebuild->slot->name);
}

static void
stamp(void *ctx, struct sql *sql)
{
	const struct slot_rebuild *rebuild = ctx;

	slot_write_stamp(rebuild->site, rebuild->slot, "SCHEMA", sql);
}

/* What the role owns is what its schema holds and whatever it made elsewhere. */
static const struct flow_step clear_steps[] = {
	{ "check the fence", check_fence },
	{ "drop what it owns", drop_owned },
	{ "set the role", set_role },
	{ "create schema", create_schema },
	{ "stamp schema", stamp, .wait = true },
	{ 0 },
};

static void
finish(struct slot_rebuild *rebuild, const struct berth_error *e)
{
	struct slot *slot = rebuild->slot;

	if (e)
		slot->doubt = true;
	rebuild->done(rebuild->arg, slot, e);
	free(rebuild);
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
