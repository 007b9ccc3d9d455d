/* SPDX-License-Identifier: MIT */
/* One transaction that replays, three questions about what came of it. */
#include "daemon/slot_fill.h"

#include <assert.h>
#include <stdlib.h>

#include "daemon/baseline.h"
#include "daemon/pg/guest.h"
#include "daemon/slot.h"
#include "daemon/slot_guest.h"
#include "daemon/slot_role.h"

struct slot_fill {
	struct flow flow;
	const struct slot_site *site;
	struct slot *slot;
	struct image *image;
	struct baseline *baseline;
	slot_fill_done *done;
	void *arg;
};

/* ---- replaying ---- */

static void
set_session(void *ctx, struct sql *sql)
{
	sql_add(sql, "SELECT set_config('check_function_bodies', 'off', false), set_config('row_security', 'off', false)");
}

static void
set_path(void *ctx, struct sql *sql)
{
	const struct slot_fill *fill = ctx;

	slot_role_path(fill->site, fill->slot, sql);
}

static void
before(void *ctx, struct sql *sql)
{
	const struct slot_fill *fill = ctx;

	image_write_before(fill->image, fill->slot->name, sql);
}

static void
rows(void *ctx, struct sql *sql)
{
	const struct slot_fill *fill = ctx;

	image_write_rows(fill->image, fill->slot->name, sql);
}

static void
after(void *ctx, struct sql *sql)
{
	const struct slot_fill *fill = ctx;

	image_write_after(fill->image, fill->slot->name, sql);
}

static void
end(void *ctx, struct sql *sql)
{
	const struct slot_fill *fill = ctx;

	image_write_end(fill->image, fill->slot->name, sql);
}

/* ---- the baseline ---- */

static void
ask_objects(void *ctx, struct sql *sql)
{
	struct slot_fill *fill = ctx;

	baseline_ask_objects(fill->baseline, fill->slot, sql);
}

static int
keep_objects(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_fill *fill = ctx;

	baseline_keep_objects(fill->baseline, result);
	return 0;
}

static void
ask_relations(void *ctx, struct sql *sql)
{
	struct slot_fill *fill = ctx;

	baseline_ask_relations(fill->baseline, fill->slot, sql);
}

static int
keep_relations(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_fill *fill = ctx;

	baseline_keep_relations(fill->baseline, result);
	return 0;
}

static void
ask_catalog(void *ctx, struct sql *sql)
{
	struct slot_fill *fill = ctx;

	baseline_ask_catalog(fill->baseline, sql);
}

static int
keep_catalog(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_fill *fill = ctx;

	baseline_keep_catalog(fill->baseline, result);
	return 0;
}

/* Policies that bind the owner would hide them; such an image is never looked at, only rebuilt from. */
static void
ask_rows(void *ctx, struct sql *sql)
{
	struct slot_fill *fill = ctx;

	if (!fill->image->forced)
		baseline_ask_rows(fill->baseline, fill->slot, sql);
}

static int
keep_rows(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_fill *fill = ctx;

	baseline_keep_rows(fill->baseline, result);
	return 0;
}

#define BASELINE_STEPS                                                           \
	{ "list what is there", ask_objects, keep_objects, .wait = true },       \
	{ "look at relations", ask_relations, keep_relations },                  \
	{ "look at the catalog", ask_catalog, keep_catalog },                    \
	{ "look at the rows", ask_rows, keep_rows, .wait = true }

static const struct flow_step fill_steps[] = {
	{ "set the session", set_session },
	{ "set search_path", set_path },
	{ "define", before },
	{ "load rows", rows },
	{ "define the rest", after },
	{ "set sequences, refresh views", end, .wait = true },
	BASELINE_STEPS,
	{ 0 },
};

static const struct flow_step baseline_steps[] = {
	{ "set the session", set_session },
	BASELINE_STEPS,
	{ 0 },
};

/* ---- */

static void
on_done(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_fill *fill = ctx;
	struct slot *slot = fill->slot;

	if (e) {
		baseline_free(fill->baseline);
	} else {
		baseline_free(slot->baseline);
		slot->baseline = fill->baseline;
		slot->prepared = false;
	}
	image_unref(fill->image);
	fill->done(fill->arg, slot, e);
	free(fill);
}

static void
start(const struct slot_site *site, struct slot *slot, struct image *image, const struct flow_step *steps,
      slot_fill_done *done, void *arg)
{
	struct slot_fill *fill = calloc(1, sizeof *fill);

	if (!fill)
		abort();
	*fill = (struct slot_fill){ .site = site, .slot = slot, .image = image_ref(image),
		                    .baseline = baseline_new(image), .done = done, .arg = arg };
	fill->flow = (struct flow){ .steps = steps, .subject = slot->name, .ctx = fill, .done = on_done };
	slot_open_guest(site, slot);
	guest_run(slot->guest, &fill->flow);
}

void
slot_fill_start(const struct slot_site *site, struct slot *slot, struct image *image, slot_fill_done *done, void *arg)
{
	start(site, slot, image, fill_steps, done, arg);
}

void
slot_fill_baseline(const struct slot_site *site, struct slot *slot, struct image *image, slot_fill_done *done,
                   void *arg)
{
	start(site, slot, image, baseline_steps, done, arg);
}
