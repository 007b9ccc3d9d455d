/* SPDX-License-Identifier: MIT */
/*
 * look ──→ (clean) ──────────────────→ done
 *   ├────→ compare ──→ fix ──────────→ done
 *   ├────→ end sessions ──→ look
 *   └────→ rebuild ──────────────────→ done
 */
#include "daemon/reset.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/baseline.h"
#include "daemon/config.h"
#include "daemon/pg/guest.h"
#include "daemon/pg/pg.h"
#include "daemon/reset_plan.h"
#include "daemon/slot.h"
#include "daemon/slot_guest.h"
#include "daemon/slot_rebuild.h"
#include "daemon/slot_role.h"
#include "daemon/slot_sessions.h"
#include "daemon/slot_shrink.h"

enum {
	AGAIN_LEAST_MS = 2, AGAIN_MOST_MS = 100, AGAIN_ROUNDS = 100, /* for sessions to end */
	OUR_CONNECTIONS = 2, /* one that ends, and the next */
	XIDS_MANY = 64, /* transactions that wrote the catalog; then they are listed anew */
};

struct reset {
	struct flow flow;
	const struct slot_site *site;
	struct slot *slot;
	reset_done *done;
	void *arg;
	struct event *again;     /* the next look at sessions that are ending */
	bool force;
	bool let_in;             /* the role lets us in again, whatever its holder has done to it */
	int rounds;
	int64_t started;
	char busy[512];          /* the session that is in the way; "" for none */
	char gid[256];           /* the prepared transaction that is; "" for none */
	bool empty;              /* without an image: nothing is there */
	struct look look;
	struct reset_plan plan;
	char xid[24];            /* of the fix */
	struct reset_result result;
	struct berth_error error;
};

static void look(struct reset *reset);
static void let_in(struct reset *reset);
static void rebuild(struct reset *reset, const char *why);

static void
tell(struct reset *reset)
{
	struct slot *slot = reset->slot;
	bool failed = reset->error.code != BERTH_OK;

	reset->result.us = clock_now() - reset->started;
	slot->reset = NULL;
	slot->doubt = failed && reset->error.code != BERTH_BUSY;
	if (slot->guest && (!guest_alive(slot->guest) || reset->site->guests->count > reset->site->config->reset_connections))
		slot_close_guest(slot);
	look_fini(&reset->look);
	reset_plan_fini(&reset->plan);
	event_free(reset->again);
	reset->done(reset->arg, failed ? NULL : &reset->result, failed ? &reset->error : NULL);
	free(reset);
}

/* What let_in() has opened further than others may come. */
static void
close_the_door(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	slot_role_limit(reset->site, reset->slot, 0, sql);
}

static const struct flow_step door_steps[] = {
	{ "make no more room", close_the_door, .wait = true },
	{ 0 },
};

static void
on_closed(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct reset *reset = ctx;

	if (e && reset->error.code == BERTH_OK)
		reset->error = *e;
	tell(reset);
}

static void
finish(struct reset *reset, const struct berth_error *e)
{
	if (e)
		reset->error = *e;
	if (!reset->let_in || (e && e->code == BERTH_UNAVAILABLE)) {
		tell(reset);
		return;
	}
	reset->flow = (struct flow){ .steps = door_steps, .subject = reset->slot->name, .ctx = reset, .done = on_closed };
	pg_run(reset->site->pg, &reset->flow);
}

static void
run(struct reset *reset, const struct flow_step *steps,
    void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate))
{
	reset->flow = (struct flow){ .steps = steps, .subject = reset->slot->name, .ctx = reset, .done = done };
	guest_run(reset->slot->guest, &reset->flow);
}

/* ---- look ---- */

static void
set_session(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	/* Every condition of the look has an index, and it has run many times before it would pay to plan it
	 * otherwise. */
	if (!reset->slot->prepared)
		sql_add(sql, "SELECT set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),"
		             " set_config('max_parallel_workers_per_gather', '0', false),"
		             " set_config('plan_cache_mode', 'force_generic_plan', false),"
		             " set_config('row_security', 'off', false)");
}

/* Another baseline was looked at before, in this session. */
static void
forget(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (!reset->slot->prepared)
		sql_add(sql, "DEALLOCATE ALL");
}

static void
prepare(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (!reset->slot->prepared && reset->slot->baseline)
		baseline_prepare_look(reset->site, reset->slot, sql);
}

/* Whoever is in a transaction, or has prepared one. The first row is told; nothing is the usual answer. */
static void
prepare_busy(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (reset->slot->prepared)
		return;
	sql_add(sql,
	        "PREPARE busy AS SELECT format('pid %%s is %%s: %%s', pid, CASE state WHEN 'disabled'"
	        " THEN 'hidden (track_activities is off)' ELSE state END,"
	        " left(translate(query, E'\\n\\r\\t', '   '), 120)), NULL FROM pg_stat_get_activity(NULL)"
	        " WHERE state <> 'idle' AND ");
	slot_write_sessions(reset->slot, 0, sql);
	sql_add(sql, " UNION ALL SELECT '', gid FROM pg_prepared_xact() WHERE ");
	slot_write_prepared(reset->slot, 0, sql);
}

static void
ask_busy(void *ctx, struct sql *sql)
{
	sql_add(sql, "EXECUTE busy");
}

static int
keep_busy(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct reset *reset = ctx;

	snprintf(reset->busy, sizeof reset->busy, "%s", flow_cell(result, 0, 0));
	snprintf(reset->gid, sizeof reset->gid, "%s", flow_cell(result, 0, 1));
	return 0;
}

static void
prepare_rows(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (!reset->slot->prepared && reset->slot->baseline)
		baseline_prepare_rows(reset->slot, sql);
}

static void
ask_look(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (reset->slot->baseline)
		baseline_look(reset->slot->baseline, sql);
}

static int
keep_look(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct reset *reset = ctx;

	baseline_keep_look(result, &reset->look);
	return 0;
}

static void
ask_rows(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (reset->slot->baseline)
		baseline_look_rows(reset->slot->baseline, sql);
}

static int
keep_look_rows(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct reset *reset = ctx;

	baseline_keep_look_rows(reset->slot->baseline, result, &reset->look);
	return 0;
}

/* Without an image: is anything there? */
static void
ask_empty(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (reset->slot->baseline)
		return;
	sql_add(sql,
	        "SELECT NOT EXISTS (SELECT FROM pg_depend d JOIN pg_namespace n ON n.oid = d.refobjid WHERE refclassid = 2615"
	        " AND nspname = %L) AND ",
	        reset->slot->name);
	if (!slot_is_shared(reset->slot))
		sql_add(sql, "(SELECT count(*) = 1 FROM pg_shdepend d JOIN pg_roles r ON r.oid = d.refobjid"
		             " WHERE refclassid = 1260 AND rolname = %L AND deptype = 'o') AND ", reset->slot->role);
	sql_add(sql, "NOT ");
	slot_role_settings_differ(reset->site, reset->slot, sql);
	sql_add(sql, " AND EXISTS (SELECT FROM pg_namespace WHERE nspname = %L AND obj_description(oid, 'pg_namespace') = ",
	        reset->slot->name);
	slot_write_stamp_text(reset->site, reset->slot, sql);
	sql_add(sql, ")");
}

static int
keep_empty(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct reset *reset = ctx;

	reset->empty = flow_cell(result, 0, 0)[0] == 't';
	return 0;
}

/* Sessions are looked at first, in a transaction of their own: what they do is not to stop the answer to that. */
static const struct flow_step look_steps[] = {
	{ "set the session", set_session },
	{ "forget another look", forget },
	{ "prepare to ask who is busy", prepare_busy },
	{ "who is busy", ask_busy, keep_busy, .wait = true },
	{ 0 },
};

static const struct flow_step compare_steps[] = {
	{ "prepare the look", prepare },
	{ "prepare the look at rows", prepare_rows },
	{ "look", ask_look, keep_look },
	{ "look at rows", ask_rows, keep_look_rows },
	{ "is it empty", ask_empty, keep_empty, .wait = true },
	{ 0 },
};

/* ---- sessions in the way ---- */

static void
end_sessions(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (!*reset->busy)
		return;
	sql_add(sql, "WITH busy AS MATERIALIZED (SELECT pid FROM pg_stat_get_activity(NULL) WHERE state <> 'idle' AND ");
	slot_write_sessions(reset->slot, 0, sql);
	sql_add(sql, ") SELECT count(pg_terminate_backend(pid)) FROM busy");
}

static void
roll_back(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (*reset->gid)
		sql_add(sql, "ROLLBACK PREPARED %L", reset->gid);
}

static const struct flow_step end_steps[] = {
	{ "end busy sessions", end_sessions, .wait = true },
	{ "roll back", roll_back, .wait = true },
	{ 0 },
};

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	look(arg);
}

static void
on_told_to_end(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct reset *reset = ctx;
	int ms = AGAIN_LEAST_MS << (reset->rounds < 6 ? reset->rounds : 6);
	struct timeval delay = { .tv_usec = (ms > AGAIN_MOST_MS ? AGAIN_MOST_MS : ms) * 1000 };

	if (e)
		finish(reset, e);
	else
		event_add(reset->again, &delay);
}

static void
refuse_busy(struct reset *reset)
{
	struct berth_error e;

	if (*reset->busy)
		berth_error_set(&e, BERTH_BUSY, "%s cannot be reset: %s; end that transaction, or say FORCE", reset->slot->name,
		                reset->busy);
	else
		berth_error_set(&e, BERTH_BUSY, "%s cannot be reset: its role has the prepared transaction '%s'; commit it or "
		                "roll it back, or say FORCE", reset->slot->name, reset->gid);
	finish(reset, &e);
}

static void
mind_busy(struct reset *reset)
{
	if (!reset->force || ++reset->rounds > AGAIN_ROUNDS)
		refuse_busy(reset);
	else
		run(reset, end_steps, on_told_to_end);
}

/* ---- fix ---- */

static void
hush(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	reset_write_hush(reset->slot->baseline, &reset->plan, reset->slot->name, sql);
}

static void
truncate(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	reset_write_truncate(reset->slot->baseline, &reset->plan, reset->slot->name, sql);
}

static void
delete(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	reset_write_delete(reset->slot->baseline, &reset->plan, reset->slot->name, sql);
}

static int
keep_rows(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct reset *reset = ctx;

	reset->result.rows = flow_cell_int(result, 0, 0);
	return 0;
}

/* Rows are read, and checks and index expressions run, with the slot's own names in sight. */
static void
set_path(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	slot_role_path(reset->site, reset->slot, sql);
}

static void
restore(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	reset_write_restore(reset->slot->baseline, &reset->plan, reset->slot->name, sql);
}

/* Deferred ones hinder ALTER TABLE. */
static void
check_constraints(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (reset->slot->baseline->trigger_count > 0 || reset->plan.views > 0)
		sql_add(sql, "SET CONSTRAINTS ALL IMMEDIATE");
}

static void
rewind_sequences(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	reset_write_rewind(reset->slot->baseline, &reset->look, reset->slot->name, sql);
}

static void
refresh(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	reset_write_refresh(reset->slot->baseline, &reset->look, reset->slot->name, sql);
}

static void
unhush(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	reset_write_unhush(reset->slot->baseline, &reset->plan, reset->slot->name, sql);
}

static void
set_role(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (reset->look.settings)
		slot_role_settings(reset->site, reset->slot, sql);
}

static void
stamp(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (reset->look.stamp)
		slot_write_stamp(reset->site, reset->slot, "SCHEMA", sql);
}

static void
ask_xid(void *ctx, struct sql *sql)
{
	sql_add(sql, "SELECT pg_current_xact_id()::xid");
}

static int
keep_xid(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct reset *reset = ctx;

	snprintf(reset->xid, sizeof reset->xid, "%s", flow_cell(result, 0, 0));
	return 0;
}

static const struct flow_step fix_steps[] = {
	{ "disable triggers", hush },
	{ "truncate", truncate },
	{ "delete", delete, keep_rows },
	{ "set search_path", set_path },
	{ "restore rows", restore },
	{ "check constraints", check_constraints },
	{ "rewind sequences", rewind_sequences },
	{ "refresh views", refresh },
	{ "enable triggers", unhush },
	{ "set the role", set_role },
	{ "stamp the schema", stamp },
	{ "which transaction", ask_xid, keep_xid, .wait = true },
	{ 0 },
};

/* TRUNCATE and REFRESH give a relation another file, and a trigger that was disabled is a row written twice. */
static bool
wrote_catalog(const struct reset *reset)
{
	const struct baseline *baseline = reset->slot->baseline;
	bool wrote = reset->plan.views > 0;

	for (int i = 0; i < baseline->image->table_count; i++)
		wrote |= reset->plan.deeds[i] == DEED_TRUNCATE;
	for (int i = 0; i < baseline->trigger_count; i++)
		wrote |= reset->plan.deeds[baseline->triggers[i].table] != DEED_NONE;
	return wrote;
}

static void
know_what_was_written(struct reset *reset)
{
	struct baseline *baseline = reset->slot->baseline;

	if (wrote_catalog(reset))
		baseline_know_xid(baseline, reset->xid);
	for (int i = 0; i < baseline->image->table_count; i++)
		if (reset->plan.deeds[i] != DEED_NONE && baseline->image->tables[i].count > 0)
			baseline_know_table(baseline, i, reset->xid);
	for (int i = 0; i < baseline->image->view_count; i++)
		if (reset->look.views[i])
			baseline_know_view(baseline, i, reset->xid);
}

/* A server that says no to a fix has a reason that we did not think of: build anew rather than guess. */
static void
on_fixed(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct reset *reset = ctx;

	if (e && e->code == BERTH_UNAVAILABLE) {
		finish(reset, e);
	} else if (e) {
		rebuild(reset, e->message);
	} else {
		know_what_was_written(reset);
		reset->result.tables = reset->plan.tables;
		reset->result.sequences = reset->plan.sequences;
		finish(reset, NULL);
	}
}

static void
plan(struct reset *reset)
{
	reset_plan_make(reset->slot->baseline, &reset->look, &reset->plan);
	if (reset->plan.way == RESET_NOTHING)
		finish(reset, NULL);
	else if (reset->plan.way == RESET_FIX)
		run(reset, fix_steps, on_fixed);
	else
		rebuild(reset, reset->plan.why);
}

/* ---- rows of the catalog that others have written ---- */

static void
ask_unknown(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (reset->look.unknown > 0)
		baseline_ask_unknown(reset->slot->baseline, sql);
}

static int
keep_unknown(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct reset *reset = ctx;

	if (baseline_know_unknown(reset->slot->baseline, reset->look.unknown, result))
		reset->look.unknown = 0;
	return 0;
}

/* So many have written it by now that to list them anew is quicker than to compare with all of them. */
static void
list_anew(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	if (reset->slot->baseline->xid_count > XIDS_MANY)
		baseline_ask_catalog(reset->slot->baseline, sql);
}

static int
keep_list(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct reset *reset = ctx;

	if (!baseline_relist(reset->slot->baseline, result))
		reset->look.unknown++;
	return 0;
}

static const struct flow_step unknown_steps[] = {
	{ "compare the catalog", ask_unknown, keep_unknown, .wait = true },
	{ "list it anew", list_anew, keep_list, .wait = true },
	{ 0 },
};

static void
on_compared(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct reset *reset = ctx;

	if (e && e->code == BERTH_UNAVAILABLE)
		finish(reset, e);
	else if (e || reset->look.unknown > 0)
		rebuild(reset, e ? e->message : "definitions have changed");
	else
		plan(reset);
}

static void
on_looked(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct reset *reset = ctx;
	const struct baseline *baseline = reset->slot->baseline;

	if (e && e->code == BERTH_UNAVAILABLE) {
		finish(reset, e);
		return;
	}
	reset->slot->prepared |= !e;
	if (e)
		rebuild(reset, e->message); /* a table is gone, or may not be read any more */
	else if (!baseline && reset->empty)
		finish(reset, NULL);
	else if (!baseline)
		rebuild(reset, "there is no image: it was empty");
	else if (reset->look.rows != baseline->rows)
		rebuild(reset, "definitions have come or gone");
	else if (reset->look.unknown > 0 || baseline->xid_count > XIDS_MANY)
		run(reset, unknown_steps, on_compared);
	else
		plan(reset);
}

static void
on_sessions_seen(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct reset *reset = ctx;
	const struct baseline *baseline = reset->slot->baseline;

	if (e && e->code == BERTH_UNAVAILABLE && !reset->let_in)
		let_in(reset);
	else if (e)
		finish(reset, e);
	else if (*reset->busy || *reset->gid)
		mind_busy(reset);
	else if (reset->slot->doubt)
		rebuild(reset, "an earlier reset went wrong");
	else if (baseline && baseline->image->forced)
		rebuild(reset, "policies bind the owner too");
	else
		run(reset, compare_steps, on_looked);
}

static void
look(struct reset *reset)
{
	reset->busy[0] = reset->gid[0] = '\0';
	run(reset, look_steps, on_sessions_seen);
}

/* ---- a role that does not let us in ---- */

/* Its holder may have changed the password, or have all the connections that the role may have. */
static void
write_door(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	slot_role_password(reset->site, reset->slot, sql);
}

static void
widen_door(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	slot_role_limit(reset->site, reset->slot, OUR_CONNECTIONS, sql);
}

static void
check_fence(void *ctx, struct sql *sql)
{
	const struct reset *reset = ctx;

	slot_write_check(reset->site, reset->slot, sql);
}

static const struct flow_step let_in_steps[] = {
	{ "check the fence", check_fence },
	{ "set the password", write_door },
	{ "make room", widen_door, .wait = true },
	{ 0 },
};

static void
on_let_in(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct reset *reset = ctx;

	if (e) {
		finish(reset, e);
		return;
	}
	slot_open_guest(reset->site, reset->slot);
	look(reset);
}

static void
let_in(struct reset *reset)
{
	reset->let_in = true;
	reset->flow = (struct flow){ .steps = let_in_steps, .subject = reset->slot->name, .ctx = reset, .done = on_let_in };
	pg_run(reset->site->pg, &reset->flow);
}

/* ---- rebuild ---- */

static void
on_rebuilt(void *arg, struct slot *slot, const struct berth_error *e)
{
	struct reset *reset = arg;

	reset->result.rebuilt = true;
	reset->result.tables = slot->baseline ? slot->baseline->image->table_count : 0;
	reset->result.sequences = slot->baseline ? slot->baseline->image->sequence_count : 0;
	finish(reset, e);
}

static void
rebuild(struct reset *reset, const char *why)
{
	log_info("slot.rebuild", LOG_T("slot", reset->slot->name), LOG_T("why", why));
	slot_rebuild_start(reset->site, reset->slot, on_rebuilt, reset);
}

/* ---- */

void
reset_start(const struct slot_site *site, struct event_base *base, struct slot *slot, bool force, reset_done *done,
            void *arg)
{
	struct reset *reset = calloc(1, sizeof *reset);

	if (!reset)
		abort();
	assert(slot->kind == SLOT_SCHEMA && !slot->reset);
	*reset = (struct reset){ .site = site, .slot = slot, .force = force, .done = done, .arg = arg,
		                 .started = clock_now() };
	reset->again = event_new(base, -1, 0, on_again, reset);
	if (!reset->again)
		abort();
	slot->reset = reset;
	if (force && slot->state == SLOT_HELD) {
		let_in(reset);
		return;
	}
	slot_open_guest(site, slot);
	look(reset);
}

void
reset_abandon(struct slot *slot)
{
	struct berth_error e;

	if (!slot->reset || !event_pending(slot->reset->again, EV_TIMEOUT, NULL))
		return;
	berth_error_set(&e, BERTH_UNAVAILABLE, "berthd is leaving");
	finish(slot->reset, &e);
}
