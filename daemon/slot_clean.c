/* SPDX-License-Identifier: MIT */
/* renew → quiet → reset. */
#include "daemon/slot_clean.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/baseline.h"
#include "daemon/pg/pg.h"
#include "daemon/reset.h"
#include "daemon/slot.h"
#include "daemon/slot_guest.h"
#include "daemon/slot_quiet.h"
#include "daemon/slot_role.h"
#include "daemon/slot_shrink.h"

struct slot_clean {
	struct flow flow;
	const struct slot_site *site;
	struct event_base *base;
	struct slot *slot;
	struct slot_quiet *quiet; /* under way; frees itself */
	int64_t fence;            /* the next one */
	slot_clean_done *done;
	void *arg;
};

static void
finish(struct slot_clean *clean, const struct berth_error *e)
{
	struct slot *slot = clean->slot;

	slot->clean = NULL;
	slot_close_guest(slot);
	clean->done(clean->arg, slot, e);
	free(clean);
}

/* ---- renew ---- */

static void
raise_fence(void *ctx, struct sql *sql)
{
	const struct slot_clean *clean = ctx;

	sql_add(sql, "UPDATE berth.slot SET fence = nextval('berth.fence') WHERE state = 'ready' AND ");
	slot_write_ours(clean->site, clean->slot, sql);
	sql_add(sql, " RETURNING fence");
}

static int
keep_fence(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_clean *clean = ctx;

	if (PQntuples(result) == 0)
		return berth_error_set(e, BERTH_STALE, "slot %s with fence %lld is not this runner's any more",
		                       clean->slot->name, (long long)clean->slot->fence);
	clean->fence = flow_cell_int(result, 0, 0);
	return 0;
}

static void
end_lease(void *ctx, struct sql *sql)
{
	const struct slot_clean *clean = ctx;

	sql_add(sql, "DELETE FROM berth.lease WHERE slot = %L", clean->slot->name);
}

/* Nothing here reaches what it has left in other databases. */
static void
find_elsewhere(void *ctx, struct sql *sql)
{
	const struct slot_clean *clean = ctx;

	sql_add(sql, "SELECT count(*) FROM pg_shdepend WHERE refclassid = 1260 AND refobjid = %s AND dbid <> 0 AND dbid <> %s",
	        clean->slot->baseline->role, clean->slot->baseline->database);
}

static int
refuse_elsewhere(void *ctx, const PGresult *result, struct berth_error *e)
{
	const struct slot_clean *clean = ctx;

	if (flow_cell_int(result, 0, 0) == 0)
		return 0;
	return berth_error_set(e, BERTH_INUSE, "the role of slot %s owns things in other databases", clean->slot->name);
}

/* The next run is another transaction. */
static void
check_fence(void *ctx, struct sql *sql)
{
	struct slot_clean *clean = ctx;

	clean->slot->fence = clean->fence;
	slot_write_check(clean->site, clean->slot, sql);
}

static void
renew_password(void *ctx, struct sql *sql)
{
	struct slot_clean *clean = ctx;

	slot_role_renew(clean->site, clean->slot, sql);
}

static void
stamp(void *ctx, struct sql *sql)
{
	const struct slot_clean *clean = ctx;

	slot_write_stamp(clean->site, clean->slot, "SCHEMA", sql);
}

static const struct flow_step renew_steps[] = {
	{ "raise the fence", raise_fence, keep_fence },
	{ "end its lease", end_lease },
	{ "look elsewhere", find_elsewhere, refuse_elsewhere, .wait = true },
	{ "check the fence", check_fence },
	{ "renew the password", renew_password },
	{ "stamp schema", stamp, .wait = true },
	{ 0 },
};

/* ---- the way through ---- */

static void
on_reset(void *arg, const struct reset_result *result, const struct berth_error *e)
{
	finish(arg, e);
}

static void
on_quiet(void *arg, const struct berth_error *e)
{
	struct slot_clean *clean = arg;

	clean->quiet = NULL;
	if (e)
		finish(clean, e);
	else
		reset_start(clean->site, clean->base, clean->slot, true, on_reset, clean);
}

/* A renewal that may or may not have been committed leaves a fence that nobody knows: ours by name. */
static void
on_renewed(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_clean *clean = ctx;
	struct slot_quiet_config config = { .slot = clean->slot, .starting = true };

	if (e) {
		if (e->code != BERTH_STALE)
			clean->slot->fence = 0;
		finish(clean, e);
		return;
	}
	config.role = strtoll(clean->slot->baseline->role, NULL, 10);
	clean->quiet = slot_quiet_start(clean->site, clean->base, &config, on_quiet, clean);
}

void
slot_clean_start(const struct slot_site *site, struct event_base *base, struct slot *slot, slot_clean_done *done,
                 void *arg)
{
	struct slot_clean *clean = calloc(1, sizeof *clean);

	if (!clean)
		abort();
	assert(slot->state == SLOT_CLEANING && slot->baseline && !slot->clean);
	*clean = (struct slot_clean){ .site = site, .base = base, .slot = slot, .done = done, .arg = arg };
	slot_close_guest(slot); /* it knows the old password */
	slot->clean = clean;
	clean->flow = (struct flow){ .steps = renew_steps, .subject = slot->name, .ctx = clean, .done = on_renewed };
	pg_run(site->pg, &clean->flow);
}

void
slot_clean_abandon(struct slot *slot)
{
	if (slot->clean && slot->clean->quiet)
		slot_quiet_abandon(slot->clean->quiet);
	else if (slot->clean)
		reset_abandon(slot);
}
