/* SPDX-License-Identifier: MIT */
/* Tables, heartbeat, burial of the dead. */
#include "daemon/registry.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/memory.h"
#include "daemon/base/random.h"
#include "daemon/config.h"
#include "daemon/lease.h"
#include "daemon/pg/note.h"
#include "daemon/pg/pg.h"
#include "daemon/registry_tables.h"

static void
create_tables(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	registry_tables_write(registry->config, sql);
}

/* ---- our row, our lock ---- */

static void
take_lock(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	if (!registry->locked)
		sql_add(sql, "SELECT pg_try_advisory_lock(%d, %d)", REGISTRY_LOCK_CLASS,
		        (int)strtol(registry->runner, NULL, 16));
}

/* Not having it is no misfortune: a session that PostgreSQL believes alive still has it, and as long
 * as heartbeats get through nobody calls us dead. The next tick tries again. */
static int
keep_lock(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct registry *registry = ctx;

	registry->locked = flow_cell(result, 0, 0)[0] == 't';
	return 0;
}

/* Somebody newer may have changed it under us. */
#define VERSION "(SELECT version FROM berth.meta)"

static void
beat(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	if (registry->registered)
		sql_add(sql, "UPDATE berth.runner SET heartbeat = clock_timestamp() WHERE id = %L RETURNING heartbeat, "
		        VERSION,
		        registry->runner);
	else
		sql_add(sql,
		        "INSERT INTO berth.runner (id, host, pid, uid, version, grace)"
		        " VALUES (%L, %L, %d, %d, %L, '%d ms') ON CONFLICT (id) DO NOTHING RETURNING heartbeat, " VERSION,
		        registry->runner, registry->host, (int)getpid(), (int)getuid(), BERTH_VERSION,
		        registry->config->runner_grace_ms);
}

static int
keep_beat(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct registry *registry = ctx;

	if (PQntuples(result) == 1) {
		registry->registered = true;
		snprintf(registry->heartbeat, sizeof registry->heartbeat, "%s", flow_cell(result, 0, 0));
		if (flow_cell_int(result, 0, 1) == REGISTRY_VERSION)
			return 0;
		return berth_error_set(e, BERTH_UNAVAILABLE, "it is of version %s by now, and this berthd knows version %d alone: "
		                       "upgrade it", flow_cell(result, 0, 1), REGISTRY_VERSION);
	}
	registry->fenced = true;
	return berth_error_set(e, BERTH_STALE, "runner %s has no row any more: others declared it dead, or somebody removed it",
	                       registry->runner);
}

/* ---- a lost registry ---- */

/* Somebody has dropped schema berth. Whoever lives writes down again what is his, under the same fences. */
static bool
is_lost(const char *sqlstate)
{
	return strcmp(sqlstate, "42P01") == 0; /* undefined_table */
}

static void
lose(struct registry *registry)
{
	registry->registered = false;
	registry->recalling = true;
	registry->steady_since = 0;
}

static void
recall(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	if (registry->recalling)
		registry->events->recall(registry->arg, sql);
}

/* ---- an earlier life ---- */

/* Its row says who we are now. */
static void
renew_row(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	if (registry->past.write_known)
		sql_add(sql, "UPDATE berth.runner SET host = %L, pid = %d, uid = %d, version = %L, grace = '%d ms' WHERE id = %L",
		        registry->host, (int)getpid(), (int)getuid(), BERTH_VERSION, registry->config->runner_grace_ms,
		        registry->runner);
}

/* Under another fence, what that life has still under way in the server comes to nothing. */
static void
leave_unknown(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	if (!registry->past.write_known)
		return;
	sql_add(sql,
	        "UPDATE berth.slot SET fence = nextval('berth.fence'), state = 'inherited' WHERE runner = %L"
	        " AND NOT (built AND state = 'ready' AND (name, fence) IN (VALUES ",
	        registry->runner);
	registry->past.write_known(registry->past.arg, sql);
	sql_add(sql, "))");
}

static void
ask_known(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	if (registry->past.write_known)
		sql_add(sql, "SELECT name FROM berth.slot WHERE runner = %L AND state = 'ready'", registry->runner);
}

static int
keep_known(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct registry *registry = ctx;

	registry->past.found(registry->past.arg, result);
	return 0;
}

/* Whoever runs something behind the gate may go on by way of the next runner, or of our next life: see gate.h. */
static void
leave_gates(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	sql_add(sql,
	        "UPDATE berth.gate SET state = 'left', ended = clock_timestamp() WHERE runner = %L AND state = 'running'",
	        registry->runner);
}

/* Who built a template is gone with its connection; the row knows of the copy of a database that may be there. */
static void
give_templates_up(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	if (registry->past.write_known)
		sql_add(sql, "UPDATE berth.template SET state = 'dropping' WHERE state = 'building' AND runner = %L",
		        registry->runner);
}

static void
leave_old_gates(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	if (registry->past.write_known)
		leave_gates(ctx, sql);
}

/* ---- the dead ---- */

/*
 * How long pulses have come without a gap. After PostgreSQL was away or frozen everybody's heartbeat is
 * old: for whoever comes back first nobody is dead before the others had their time to say otherwise.
 */
static int
steady_ms(const struct registry *registry)
{
	int64_t now = clock_now(), gap = now - registry->last_pulse;

	if (!registry->steady_since || gap > clock_ms(registry->config->runner_grace_ms) / 2)
		return 0;
	return (int)((now - registry->steady_since) / 1000 > INT_MAX ? INT_MAX
	                                                              : (now - registry->steady_since) / 1000);
}

/*
 * Exactly once: whoever deletes the runner's row has its slots, each under a new fence. How long we were
 * steady was judged when this was sent; done much later (the server was frozen), or after another
 * heartbeat of ours (this session is broken), it is done to nobody.
 *
 * Whoever has slots that we may not drop is left to a runner that may: one that makes no roles drops none, and a
 * role that leases share has its members.
 *
 * What we were told of in an answer that was lost would be nobody's: so all that was inherited and whose
 * drop has not begun is told again each time, and rows that never came to be built.
 */
static void
bury(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	sql_add(sql,
	        "WITH silent AS MATERIALIZED (SELECT id FROM berth.runner r"
	        "  WHERE id <> %L AND heartbeat < clock_timestamp() - grace AND grace <= interval '%d ms'"
	        "  AND EXISTS (SELECT FROM berth.runner m WHERE m.id = %L AND m.heartbeat = %L"
	        "   AND m.heartbeat > clock_timestamp() - m.grace / 2)"
	        "  AND NOT EXISTS (SELECT FROM berth.slot s WHERE s.runner = r.id AND built AND NOT CASE WHEN role IS NULL"
	        "   THEN (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user)"
	        "   ELSE coalesce(pg_has_role(to_regrole(quote_ident(role)), 'USAGE'), true) END) FOR UPDATE SKIP LOCKED),"
	        " dead AS MATERIALIZED (SELECT id FROM silent"
	        "  WHERE pg_try_advisory_xact_lock(%d, ('x' || lpad(id, 8, '0'))::bit(32)::int)),"
	        " taken AS (UPDATE berth.slot SET runner = %L, fence = nextval('berth.fence'), state = 'inherited'"
	        "  WHERE runner IN (SELECT id FROM dead) RETURNING name, kind, fence, role),"
	        " gone AS (DELETE FROM berth.runner WHERE id IN (SELECT id FROM dead) RETURNING id, host, pid)"
	        " SELECT 'runner', id, host, pid::bigint, NULL FROM gone UNION ALL"
	        " SELECT 'slot', name, kind, fence, coalesce(role, name) FROM taken UNION ALL"
	        " SELECT 'slot', name, kind, fence, coalesce(role, name) FROM berth.slot"
	        "  WHERE runner = %L AND (state = 'inherited' OR NOT built)",
	        registry->runner, steady_ms(registry), registry->runner, registry->heartbeat, REGISTRY_LOCK_CLASS,
	        registry->runner, registry->runner);
}

struct inherited {
	char name[LIMIT_NAME_BYTES + 1];
	char role[LIMIT_NAME_BYTES + 1];
	enum slot_kind kind;
	int64_t fence;
};

static void
keep_slot(struct registry *registry, const PGresult *result, int row)
{
	struct inherited *one;

	registry->inherited = memory_more(registry->inherited, registry->inherited_count, sizeof *registry->inherited);
	one = &registry->inherited[registry->inherited_count++];
	snprintf(one->name, sizeof one->name, "%s", flow_cell(result, row, 1));
	one->kind = slot_kind_of(flow_cell(result, row, 2)) == SLOT_DATABASE ? SLOT_DATABASE : SLOT_SCHEMA;
	one->fence = flow_cell_int(result, row, 3);
	snprintf(one->role, sizeof one->role, "%s", flow_cell(result, row, 4));
}

static int
keep_inheritance(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct registry *registry = ctx;

	registry->inherited_count = 0;
	for (int row = 0; row < PQntuples(result); row++) {
		if (strcmp(flow_cell(result, row, 0), "slot") == 0) {
			keep_slot(registry, result, row);
			continue;
		}
		registry->runners_buried++;
		log_warn("runner.dead", LOG_T("runner", flow_cell(result, row, 1)),
		         LOG_T("host", flow_cell(result, row, 2)), LOG_T("pid", flow_cell(result, row, 3)));
	}
	return 0;
}

/* Only now: before the commit other connections would not see that they are ours. */
static void
tell_inheritance(struct registry *registry)
{
	for (int i = 0; i < registry->inherited_count; i++) {
		const struct inherited *one = &registry->inherited[i];

		registry->events->inherit(registry->arg, one->name, one->role, one->kind, one->fence);
	}
	free(registry->inherited);
	registry->inherited = NULL;
	registry->inherited_count = 0;
}

static void
count_runners(void *ctx, struct sql *sql)
{
	sql_add(sql, "SELECT count(*) FROM berth.runner");
}

static int
keep_runners(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct registry *registry = ctx;

	registry->runners = (int)flow_cell_int(result, 0, 0);
	return 0;
}

static const struct flow_step enter[] = {
	{ "create the registry", create_tables, .wait = true },
	{ "take the lock", take_lock, keep_lock },
	{ "register", beat, keep_beat },
	{ "write down what is ours", recall, .wait = true },
	{ "renew the row", renew_row },
	{ "leave what is not known", leave_unknown },
	{ "leave the gates", leave_old_gates },
	{ "give the templates up", give_templates_up },
	{ "look for what is known", ask_known, keep_known, .wait = true },
	{ 0 },
};

static const struct flow_step pulse[] = {
	{ "take the lock", take_lock, keep_lock },
	{ "beat", beat, keep_beat, .wait = true },
	{ "bury the dead", bury, keep_inheritance },
	{ "count the living", count_runners, keep_runners, .wait = true },
	{ 0 },
};

/* ---- the keeper's life ---- */

static void
run(struct registry *registry, const struct flow_step *steps,
    void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate))
{
	registry->flow = (struct flow){ .steps = steps, .subject = "registry", .ctx = registry, .done = done };
	flow_start(&registry->keeper, &registry->flow);
}

static void
next_tick(struct registry *registry)
{
	int ms = registry->config->heartbeat_ms;
	struct timeval delay = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	event_add(registry->tick, &delay);
}

static void
fall(struct registry *registry, const struct berth_error *e)
{
	bool was_ready = registry->ready;

	registry->ready = false;
	registry->why = *e;
	if (was_ready)
		registry->events->down(registry->arg);
}

static void
failed(struct registry *registry, const struct berth_error *e)
{
	if (registry->leaving)
		return;
	if (registry->fenced) {
		registry->events->fenced(registry->arg);
		return;
	}
	log_warn("registry.failed", LOG_T("why", e->message));
	fall(registry, e);
	next_tick(registry);
}

static void
on_pulse(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct registry *registry = ctx;
	bool was_ready = registry->ready;

	if (e) {
		if (is_lost(sqlstate))
			lose(registry);
		failed(registry, e);
		return;
	}
	if (registry->leaving)
		return;
	if (steady_ms(registry) == 0)
		registry->steady_since = clock_now();
	registry->last_pulse = registry->pulse_sent;
	registry->ready = true;
	tell_inheritance(registry);
	registry->events->pulse(registry->arg);
	next_tick(registry);
	if (!was_ready)
		registry->events->ready(registry->arg);
}

static void
on_entered(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct registry *registry = ctx;
	bool recalled = registry->recalling;

	if (e) {
		failed(registry, e);
		return;
	}
	registry->past.write_known = NULL;
	registry->recalling = false;
	if (recalled)
		registry->events->recalled(registry->arg);
	if (!registry->leaving)
		event_active(registry->tick, EV_TIMEOUT, 0); /* the first pulse makes us ready */
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct registry *registry = arg;

	if (registry->leaving || registry->keeper.state != PG_CONN_IDLE)
		return; /* on_up() starts again */
	registry->pulse_sent = clock_now();
	if (registry->registered && !registry->past.write_known)
		run(registry, pulse, on_pulse);
	else
		run(registry, enter, on_entered);
}

static void
on_up(void *arg, struct pg_conn *conn)
{
	struct registry *registry = arg;

	registry->locked = false;
	if (!registry->leaving)
		run(registry, enter, on_entered);
}

static void
leave_now(struct registry *registry)
{
	void (*left)(void *arg) = registry->left;

	registry->left = NULL;
	left(registry->arg);
}

static void
on_down(void *arg, struct pg_conn *conn)
{
	struct registry *registry = arg;
	struct berth_error e;

	registry->locked = false;
	registry->steady_since = 0;
	event_del(registry->tick);
	if (registry->left)
		leave_now(registry);
	berth_error_set(&e, BERTH_UNAVAILABLE, "PostgreSQL cannot be used now: %s", conn->why);
	fall(registry, &e);
}

static void sign_off(struct registry *registry);

/* Whoever leaves while a conversation is under way signs off behind it. */
static void
on_idle(void *arg, struct pg_conn *conn)
{
	struct registry *registry = arg;

	if (registry->left)
		sign_off(registry);
}

static const struct pg_conn_events keeper_events = { .up = on_up, .idle = on_idle, .down = on_down };

void
registry_init(struct registry *registry, const struct config *config, const char *runner)
{
	*registry = (struct registry){ .config = config };
	if (*runner)
		snprintf(registry->runner, sizeof registry->runner, "%.6s", runner);
	else
		snprintf(registry->runner, sizeof registry->runner, "%06x", random_u32() & 0xffffff);
	snprintf(registry->application, sizeof registry->application, "berthd %s keeper", registry->runner);
	if (gethostname(registry->host, sizeof registry->host - 1) < 0)
		snprintf(registry->host, sizeof registry->host, "unknown");
	berth_error_set(&registry->why, BERTH_UNAVAILABLE, "PostgreSQL has not been reached yet");
}

void
registry_resume(struct registry *registry, const struct registry_past *past)
{
	registry->past = *past;
	registry->registered = true;
}

void
registry_start(struct registry *registry, struct event_base *base, struct evdns_base *dns,
               struct pg_target *target, struct pg *pg, const struct registry_events *events, void *arg)
{
	registry->pg = pg;
	registry->events = events;
	registry->arg = arg;
	registry->tick = event_new(base, -1, 0, on_tick, registry);
	if (!registry->tick)
		abort();
	pg_conn_init(&registry->keeper, base, dns, target, registry->application, registry->config->pg_deadline_ms,
	             &keeper_events, registry);
}

static void
ignore(void *arg)
{
}

void
registry_fini(struct registry *registry)
{
	registry->leaving = true;
	registry->left = NULL;
	registry->signed_off = ignore;
	pg_conn_fini(&registry->keeper);
	event_free(registry->tick);
	free(registry->inherited);
}

/* Whoever was frozen may have been buried meanwhile: nothing is known before the next pulse is back. */
static bool
silent_too_long(const struct registry *registry)
{
	return clock_now() - registry->last_pulse > clock_ms(registry->config->runner_grace_ms);
}

bool
registry_ready(const struct registry *registry, struct berth_error *why)
{
	if (registry->ready && !silent_too_long(registry))
		return true;
	if (registry->ready)
		berth_error_set(why, BERTH_UNAVAILABLE, "berthd has not heard from PostgreSQL for longer than "
		                "runner_grace_ms: whether its leases are still its own is being asked");
	else if (registry->why.code == BERTH_UNAVAILABLE && !pg_conn_up(&registry->keeper))
		berth_error_set(why, BERTH_UNAVAILABLE, "PostgreSQL cannot be used now: %s", registry->keeper.why);
	else
		berth_error_set(why, BERTH_UNAVAILABLE, "the registry cannot be used now: %s", registry->why.message);
	return false;
}

/* ---- notes ---- */

void
registry_note_grant(struct registry *registry, const struct lease *lease)
{
	struct sql statement = { 0 };

	/* The slot may be gone when this runs: then there is nothing to note. */
	sql_add(&statement,
	        "INSERT INTO berth.lease (id, slot, run, worker, uid, pid, label, redis_db)"
	        " SELECT %L, name, %L, %L, %l, %d, %L, nullif(%d, -1) FROM berth.slot"
	        " WHERE name = %L AND fence = %l FOR NO KEY UPDATE ON CONFLICT (id) DO UPDATE SET slot = excluded.slot",
	        lease->id, lease->run, lease->worker, (int64_t)lease->uid, (int)lease->pid,
	        *lease->label ? lease->label : NULL, lease->redis ? lease->redis->db : -1, lease->slot->name,
	        lease->slot->fence);
	note_send(registry->pg, "lease", &statement);
}

/* ---- leaving ---- */

static void
delete_runner(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	sql_add(sql,
	        "DELETE FROM berth.runner r WHERE id = %L"
	        " AND NOT EXISTS (SELECT FROM berth.slot s WHERE s.runner = r.id AND s.built)",
	        registry->runner);
}

static void
delete_unbuilt(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	sql_add(sql, "DELETE FROM berth.slot WHERE runner = %L AND NOT built", registry->runner);
}

/* Whoever enters the gate holds the row until that is committed: see it, then. */
static void
hold_runner(void *ctx, struct sql *sql)
{
	const struct registry *registry = ctx;

	sql_add(sql, "SELECT FROM berth.runner WHERE id = %L FOR UPDATE", registry->runner);
}

static const struct flow_step leave_steps[] = {
	{ "hold the runner's row", hold_runner },
	{ "leave the gates", leave_gates },
	{ "forget what was never built", delete_unbuilt },
	{ "sign off", delete_runner, .wait = true },
	{ 0 },
};

static void
on_left(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct registry *registry = ctx;

	if (e)
		log_warn("registry.leave_failed", LOG_T("why", e->message));
	registry->signed_off(registry->arg);
}

static void
sign_off(struct registry *registry)
{
	void (*left)(void *arg) = registry->left;

	registry->left = NULL;
	registry->signed_off = left;
	if (registry->registered)
		run(registry, leave_steps, on_left);
	else
		left(registry->arg);
}

void
registry_leave(struct registry *registry, void (*left)(void *arg))
{
	registry->leaving = true;
	event_del(registry->tick);
	registry->left = left;
	if (!pg_conn_up(&registry->keeper))
		leave_now(registry);
	else if (registry->keeper.state == PG_CONN_IDLE)
		sign_off(registry);
}
