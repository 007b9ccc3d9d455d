/* SPDX-License-Identifier: MIT */
/* Two runs: which tables there are; how many rows they have, and how many of these are new. */
#include "daemon/diff.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/memory.h"
#include "daemon/baseline.h"
#include "daemon/pg/guest.h"
#include "daemon/slot.h"
#include "daemon/slot_guest.h"

struct diff_talk {
	struct flow flow;
	struct slot *slot;
	struct sql count; /* the second run's question */
	bool *seen;       /* of each of the image's tables: it is still there */
	struct diff *diff;
	diff_done *done;
	void *arg;
};

static const struct image no_image;

static const struct image *
image_of(const struct slot *slot)
{
	return slot->baseline ? slot->baseline->image : &no_image;
}

/* The image's table of that name, or -1. */
static int
table_of(const struct image *image, const char *name)
{
	for (int i = 0; i < image->table_count; i++)
		if (strcmp(image->tables[i].name, name) == 0)
			return i;
	return -1;
}

static void
add_row(struct diff *diff, const char *table, int64_t then, int64_t now, int64_t written)
{
	diff->rows = memory_more(diff->rows, diff->count, sizeof *diff->rows);
	diff->rows[diff->count++] = (struct diff_row){ memory_copy(table), then, now, written };
}

void
diff_free(struct diff *diff)
{
	if (!diff)
		return;
	for (int i = 0; i < diff->count; i++)
		free(diff->rows[i].table);
	free(diff->rows);
	free(diff);
}

/* ---- the steps ---- */

/* Whoever asks may be the one who has the lock. */
static void
be_impatient(void *ctx, struct sql *sql)
{
	sql_add(sql, "SELECT set_config('lock_timeout', '200', true), set_config('row_security', 'off', true)");
}

static void
list_tables(void *ctx, struct sql *sql)
{
	struct diff_talk *talk = ctx;

	sql_clear(&talk->count);
	sql_add(sql,
	        "SELECT quote_ident(c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
	        " WHERE n.nspname = %L AND c.relkind = 'r' ORDER BY c.relname COLLATE \"C\"",
	        talk->slot->name);
}

static int
keep_tables(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct diff_talk *talk = ctx;
	const struct image *image = image_of(talk->slot);

	for (int row = 0; row < PQntuples(result); row++) {
		const char *name = flow_cell(result, row, 0);
		int table = table_of(image, name);
		const char *xids = table < 0 ? NULL : talk->slot->baseline->tables[table].xids;

		sql_add(&talk->count, "%sSELECT %L, count(*), count(*) FILTER (WHERE xmin <> ALL (%L::xid[])) FROM ONLY %I.%s",
		        talk->count.len ? " UNION ALL " : "", name, xids ? xids : "{}", talk->slot->name, name);
	}
	return 0;
}

static void
count_rows(void *ctx, struct sql *sql)
{
	struct diff_talk *talk = ctx;

	if (talk->count.len)
		sql_put(sql, talk->count.text, talk->count.len);
}

static int
keep_counts(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct diff_talk *talk = ctx;
	const struct image *image = image_of(talk->slot);

	for (int row = 0; row < PQntuples(result); row++) {
		const char *name = flow_cell(result, row, 0);
		int table = table_of(image, name);
		int64_t then = table < 0 ? -1 : image->tables[table].count;
		int64_t now = flow_cell_int(result, row, 1), written = flow_cell_int(result, row, 2);

		if (table >= 0)
			talk->seen[table] = true;
		if (then != now || written > 0)
			add_row(talk->diff, name, then, now, written);
	}
	return 0;
}

static const struct flow_step steps[] = {
	{ "list the tables", list_tables, keep_tables, .wait = true },
	{ "be impatient", be_impatient },
	{ "count the rows", count_rows, keep_counts, .wait = true },
	{ 0 },
};

static void
on_done(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct diff_talk *talk = ctx;
	const struct image *image = image_of(talk->slot);

	for (int i = 0; !e && i < image->table_count; i++)
		if (!talk->seen[i])
			add_row(talk->diff, image->tables[i].name, image->tables[i].count, -1, 0);
	if (e) {
		diff_free(talk->diff);
		talk->diff = NULL;
	}
	talk->done(talk->arg, talk->diff, e);
	sql_fini(&talk->count);
	free(talk->seen);
	free(talk);
}

void
diff_start(const struct slot_site *site, struct slot *slot, diff_done *done, void *arg)
{
	struct diff_talk *talk = calloc(1, sizeof *talk);

	if (!talk)
		abort();
	*talk = (struct diff_talk){ .slot = slot, .done = done, .arg = arg, .diff = calloc(1, sizeof *talk->diff),
		                    .seen = calloc((size_t)image_of(slot)->table_count + 1, sizeof *talk->seen) };
	if (!talk->diff || !talk->seen)
		abort();
	talk->flow = (struct flow){ .steps = steps, .subject = slot->name, .ctx = talk, .done = on_done };
	slot_open_guest(site, slot);
	guest_run(slot->guest, &talk->flow);
}
