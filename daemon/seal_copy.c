/* SPDX-License-Identifier: MIT */
/* copy → own → close. */
#include "daemon/seal_copy.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/pg/guest.h"
#include "daemon/pg/pg.h"
#include "daemon/slot.h"
#include "daemon/stamp.h"
#include "daemon/template.h"

struct seal_copy {
	struct flow flow;
	const struct slot_site *site;
	const struct slot *slot;
	const struct template *template;
	struct guest *guest;
	char name[LIMIT_NAME_BYTES + 1], left[LIMIT_NAME_BYTES + 1];
	bool unwanted; /* the build was given up while it was made */
	int tables;
	int64_t bytes;
	seal_copy_done *done;
	void *arg;
};

/* Copying files is cheap where no checkpoint has to reach the disk, and dear where it has to. */
const char *
seal_copy_strategy(const struct slot_site *site)
{
	const struct pg_facts *facts = pg_facts(site->pg);

	if (!facts || facts->version < 150000)
		return "";
	return facts->fsync ? " STRATEGY wal_log" : " STRATEGY file_copy";
}

static void
finish(struct seal_copy *copy, const struct berth_error *e)
{
	guest_free(copy->guest);
	copy->done(copy->arg, copy->name, copy->tables, copy->bytes, e);
	free(copy);
}

/* ---- close ---- */

static void
close_it(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "ALTER DATABASE %I ALLOW_CONNECTIONS false", copy->name);
}

static const struct flow_step close_steps[] = {
	{ "close the copy", close_it, .wait = true },
	{ 0 },
};

static void
on_closed(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	finish(ctx, e);
}

/* ---- own: what is in it becomes nobody's; what belongs to a role that all leases share may stay with that ---- */

static void
give(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "REASSIGN OWNED BY %I TO berth_template", copy->slot->role);
}

/* REASSIGN takes the builder's own database along. */
static void
give_back(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "ALTER DATABASE %I OWNER TO %I", copy->slot->name, copy->slot->role);
}

static void
forget_role(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "DROP OWNED BY %I", copy->slot->role);
}

static void
measure(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "SELECT count(*), pg_database_size(current_database()) FROM pg_class c JOIN pg_roles r"
	             " ON r.oid = c.relowner WHERE relkind IN ('r', 'p') AND r.rolname = %L",
	        slot_is_shared(copy->slot) ? copy->slot->role : "berth_template");
}

static int
keep_measure(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct seal_copy *copy = ctx;

	copy->tables = (int)flow_cell_int(result, 0, 0);
	copy->bytes = flow_cell_int(result, 0, 1);
	return 0;
}

#define MEASURE { "measure", measure, keep_measure, .wait = true }

static const struct flow_step own_steps[] = {
	{ "take from the builder", give },
	{ "leave it its own", give_back },
	{ "forget the builder", forget_role },
	MEASURE,
	{ 0 },
};

static const struct flow_step shared_steps[] = {
	MEASURE,
	{ 0 },
};

static void
on_owned(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct seal_copy *copy = ctx;

	if (e) {
		finish(copy, e);
		return;
	}
	guest_free(copy->guest);
	copy->guest = NULL;
	copy->flow = (struct flow){ .steps = close_steps, .subject = copy->name, .ctx = copy, .done = on_closed };
	pg_run(copy->site->pg, &copy->flow);
}

/* ---- copy ---- */

/* Of a build before this one, whose builder died. */
static void
find_left(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "SELECT schema FROM berth.template WHERE key = %L AND kind = 'database' AND left(schema, 8) = 'berth_t_'",
	        copy->template->key);
}

static int
keep_left(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct seal_copy *copy = ctx;

	snprintf(copy->left, sizeof copy->left, "%s", flow_cell(result, 0, 0));
	return 0;
}

static void
drop_left(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	if (*copy->left)
		sql_add(sql, "DROP DATABASE IF EXISTS %I", copy->left);
}

static void
note_name(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "UPDATE berth.template SET schema = %L WHERE key = %L AND kind = 'database' AND fence = %l"
	             " AND state = 'building' RETURNING 1",
	        copy->name, copy->template->key, copy->template->fence);
}

static int
check_name(void *ctx, const PGresult *result, struct berth_error *e)
{
	const struct seal_copy *copy = ctx;

	if (PQntuples(result) == 1)
		return 0;
	return berth_error_set(e, BERTH_STALE, "template %s is built by somebody else by now", copy->template->key);
}

static void
create(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "CREATE DATABASE %I TEMPLATE %I%s", copy->name, copy->slot->name, seal_copy_strategy(copy->site));
}

static void
keep_out(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "REVOKE ALL ON DATABASE %I FROM PUBLIC", copy->name);
}

static void
stamp(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;
	const struct pg_facts *facts = pg_facts(copy->site->pg);
	char text[STAMP_TEXT];

	stamp_write(copy->site->runner, copy->template->fence, facts ? facts->database : "", copy->slot->made, text);
	sql_add(sql, "COMMENT ON DATABASE %I IS %L", copy->name, text);
}

/* Whoever clears up behind a build that was given up may have looked before there was a copy. */
static void
ask_wanted(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	sql_add(sql, "SELECT 1 FROM berth.template WHERE key = %L AND kind = 'database' AND fence = %l AND state = 'building'",
	        copy->template->key, copy->template->fence);
}

static int
keep_wanted(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct seal_copy *copy = ctx;

	copy->unwanted = PQntuples(result) == 0;
	return 0;
}

static void
drop_unwanted(void *ctx, struct sql *sql)
{
	const struct seal_copy *copy = ctx;

	if (copy->unwanted)
		sql_add(sql, "DROP DATABASE IF EXISTS %I", copy->name);
}

static const struct flow_step copy_steps[] = {
	{ "find an older copy", find_left, keep_left, .wait = true },
	{ "drop it", drop_left, .wait = true },
	{ "note the copy's name", note_name, check_name, .wait = true },
	{ "copy the database", create, .wait = true },
	{ "keep others out", keep_out },
	{ "stamp the copy", stamp, .wait = true },
	{ "is it wanted", ask_wanted, keep_wanted, .wait = true },
	{ "drop it if not", drop_unwanted, .wait = true },
	{ 0 },
};

static void
on_copied(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct seal_copy *copy = ctx;
	struct berth_error stale;

	if (!e && copy->unwanted) {
		berth_error_set(&stale, BERTH_STALE, "the build of template %s was given up", copy->template->key);
		e = &stale;
	}
	if (e) {
		finish(copy, e);
		return;
	}
	copy->guest = guest_new(copy->site->guests, NULL, NULL, copy->name, "berthd seal");
	copy->flow = (struct flow){ .steps = slot_is_shared(copy->slot) ? shared_steps : own_steps, .subject = copy->name,
		                    .ctx = copy, .done = on_owned };
	guest_run(copy->guest, &copy->flow);
}

struct seal_copy *
seal_copy_start(const struct slot_site *site, const struct slot *slot, const struct template *template,
                seal_copy_done *done, void *arg)
{
	struct seal_copy *copy = calloc(1, sizeof *copy);

	if (!copy)
		abort();
	*copy = (struct seal_copy){ .site = site, .slot = slot, .template = template, .done = done, .arg = arg };
	snprintf(copy->name, sizeof copy->name, "berth_t_%lld", (long long)template->fence);
	copy->flow = (struct flow){ .steps = copy_steps, .subject = copy->name, .ctx = copy, .done = on_copied };
	pg_run(site->pg, &copy->flow);
	return copy;
}
