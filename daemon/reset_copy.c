/* SPDX-License-Identifier: MIT */
/* look for who is busy → drop and create → give it what it holds. */
#include "daemon/reset_copy.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/base/clock.h"
#include "daemon/config.h"
#include "daemon/pg/guest.h"
#include "daemon/pg/pg.h"
#include "daemon/shelf.h"
#include "daemon/slot_guest.h"
#include "daemon/slot_role.h"
#include "daemon/slot_shrink.h"

struct reset_copy {
	struct flow flow;
	const struct slot_site *site;
	struct slot *slot;
	bool force;
	int64_t started;
	reset_done *done;
	void *arg;
};

static void
finish(struct reset_copy *copy, const struct berth_error *e)
{
	struct reset_result result = { .rebuilt = true, .us = clock_now() - copy->started };

	slot_close_guest(copy->slot);
	copy->slot->doubt = e && e->code != BERTH_BUSY;
	copy->done(copy->arg, e ? NULL : &result, e);
	free(copy);
}

static void
check_fence(void *ctx, struct sql *sql)
{
	const struct reset_copy *copy = ctx;

	slot_write_check(copy->site, copy->slot, sql);
}

/* Its template was dropped meanwhile: there is nothing to copy. */
static int
check_template(const struct slot *slot, struct berth_error *e)
{
	if (!slot->shelf->key || (slot->shelf->trusted && !slot->shelf->closed))
		return 0;
	return berth_error_set(e, BERTH_NOTEMPLATE, "%s cannot be reset: its template %.80s was dropped; release it and ask anew",
	                       slot->name, slot->shelf->key);
}

static void
check_source(void *ctx, struct sql *sql)
{
	sql_add(sql, "SELECT"); /* for its answer alone */
}

static int
refuse_source(void *ctx, const PGresult *result, struct berth_error *e)
{
	const struct reset_copy *copy = ctx;

	return check_template(copy->slot, e);
}

static void
ask_busy(void *ctx, struct sql *sql)
{
	const struct reset_copy *copy = ctx;

	if (!copy->force)
		sql_add(sql, "SELECT pid, state, left(query, 120) FROM pg_stat_activity WHERE datname = %L AND state <> 'idle'"
		             " AND backend_type = 'client backend' LIMIT 1",
		        copy->slot->name);
}

static int
refuse_busy(void *ctx, const PGresult *result, struct berth_error *e)
{
	const struct reset_copy *copy = ctx;

	if (PQntuples(result) == 0)
		return 0;
	return berth_error_set(e, BERTH_BUSY, "%s cannot be reset: pid %s is %s: %s; end that transaction, or say FORCE",
	                       copy->slot->name, flow_cell(result, 0, 0), flow_cell(result, 0, 1), flow_cell(result, 0, 2));
}

static void
drop(void *ctx, struct sql *sql)
{
	const struct reset_copy *copy = ctx;

	sql_add(sql, "DROP DATABASE IF EXISTS %I WITH (FORCE)", copy->slot->name);
}

static void
create(void *ctx, struct sql *sql)
{
	const struct reset_copy *copy = ctx;

	slot_write_database(copy->site, copy->slot, sql);
}

static void
keep_out(void *ctx, struct sql *sql)
{
	const struct reset_copy *copy = ctx;

	sql_add(sql, "REVOKE ALL ON DATABASE %I FROM PUBLIC", copy->slot->name);
}

static void
set_role(void *ctx, struct sql *sql)
{
	const struct reset_copy *copy = ctx;

	slot_role_settings(copy->site, copy->slot, sql);
}

static void
stamp(void *ctx, struct sql *sql)
{
	const struct reset_copy *copy = ctx;

	slot_write_stamp(copy->site, copy->slot, "DATABASE", sql);
}

static const struct flow_step copy_steps[] = {
	{ "is there a template", check_source, refuse_source },
	{ "check the fence", check_fence },
	{ "who is busy", ask_busy, refuse_busy, .wait = true },
	{ "drop database", drop, .wait = true },
	{ "create database", create, .wait = true },
	{ "close database", keep_out },
	{ "set the role", set_role },
	{ "stamp database", stamp, .wait = true },
	{ 0 },
};

static void
give(void *ctx, struct sql *sql)
{
	const struct reset_copy *copy = ctx;

	sql_add(sql, "REASSIGN OWNED BY berth_template TO %I", copy->slot->role);
}

static const struct flow_step give_steps[] = {
	{ "give it what it holds", give, .wait = true },
	{ 0 },
};

static void
on_given(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	finish(ctx, e);
}

static void
on_copied(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct reset_copy *copy = ctx;
	struct slot *slot = copy->slot;

	if (e || !slot->shelf->database || slot_is_shared(slot)) {
		finish(copy, e);
		return;
	}
	slot->guest = guest_new(copy->site->guests, NULL, NULL, slot->name, "berthd reset");
	copy->flow = (struct flow){ .steps = give_steps, .subject = slot->name, .ctx = copy, .done = on_given };
	guest_run(slot->guest, &copy->flow);
}

void
reset_copy_start(const struct slot_site *site, struct slot *slot, bool force, reset_done *done, void *arg)
{
	struct reset_copy *copy = calloc(1, sizeof *copy);

	if (!copy)
		abort();
	assert(slot->kind == SLOT_DATABASE && !slot->guest);
	*copy = (struct reset_copy){ .site = site, .slot = slot, .force = force, .done = done, .arg = arg,
		                     .started = clock_now() };
	copy->flow = (struct flow){ .steps = copy_steps, .subject = slot->name, .ctx = copy, .done = on_copied };
	pg_run(site->pg, &copy->flow);
}
