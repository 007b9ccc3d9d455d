/* SPDX-License-Identifier: MIT */
/* Rounds with growing pauses. */
#include "daemon/slot_quiet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/pg/pg.h"
#include "daemon/prepared.h"
#include "daemon/slot.h"
#include "daemon/slot_sessions.h"
#include "daemon/slot_shrink.h"

enum {
	LEAST_MS = 2, MOST_MS = 100, /* between two rounds */
	ROUNDS = 200,                /* then it is given up */
};

struct slot_quiet {
	struct flow flow;
	const struct slot_site *site;
	struct slot_quiet_config config;
	slot_quiet_done *done;
	void *arg;
	struct event *again;
	int survivors, rounds;
	char *starting;      /* pids that were starting in the last round, "{1,2}"; NULL before the first */
	char prepared[256];  /* a prepared transaction of the role, "" for none … */
	char database[64];   /* … and where it is */
};

static void
finish(struct slot_quiet *quiet, const struct berth_error *e)
{
	quiet->done(quiet->arg, e);
	event_free(quiet->again);
	free(quiet->starting);
	free(quiet);
}

/* A name that was asked for may be another lease's by now: what a shared role has under it is not ours then. */
static void
add_claim(const struct slot_quiet *quiet, struct sql *sql)
{
	if (!slot_is_shared(quiet->config.slot))
		return;
	sql_add(sql, " AND EXISTS (SELECT FROM berth.slot WHERE ");
	slot_write_ours(quiet->site, quiet->config.slot, sql);
	sql_add(sql, ")");
}

/* The pids are chosen before any is ended: beside the call, the planner may call it for every backend. */
static void
end_sessions(void *ctx, struct sql *sql)
{
	const struct slot_quiet *quiet = ctx;

	if (!quiet->config.role)
		return;
	sql_add(sql, "WITH theirs AS MATERIALIZED (SELECT pid FROM pg_stat_get_activity(NULL) WHERE ");
	slot_write_sessions(quiet->config.slot, quiet->config.role, sql);
	add_claim(quiet, sql);
	sql_add(sql, ") SELECT count(*), count(pg_terminate_backend(pid)) FROM theirs");
}

static int
count_survivors(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_quiet *quiet = ctx;

	quiet->survivors = (int)flow_cell_int(result, 0, 0);
	return 0;
}

/* Only those that were starting in the first round can have been let in before. */
static void
find_starting(void *ctx, struct sql *sql)
{
	const struct slot_quiet *quiet = ctx;

	if (!quiet->config.starting)
		return;
	sql_add(sql,
	        "SELECT coalesce(array_agg(DISTINCT l.pid), '{}') FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)"
	        " WHERE l.locktype = 'virtualxid' AND a.usesysid IS NULL"
	        " AND (a.pid IS NULL OR a.backend_type = 'client backend')");
	if (quiet->starting)
		sql_add(sql, " AND l.pid = ANY (%L::int[])", quiet->starting);
}

static int
keep_starting(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_quiet *quiet = ctx;

	free(quiet->starting);
	quiet->starting = strdup(flow_cell(result, 0, 0));
	if (!quiet->starting)
		abort();
	return 0;
}

static void
find_prepared(void *ctx, struct sql *sql)
{
	const struct slot_quiet *quiet = ctx;

	if (!quiet->config.role || !quiet->config.prepared)
		return;
	sql_add(sql, "SELECT gid, datname FROM pg_prepared_xact() JOIN pg_database d ON d.oid = dbid WHERE ");
	slot_write_prepared(quiet->config.slot, quiet->config.role, sql);
	add_claim(quiet, sql);
	sql_add(sql, " LIMIT 1");
}

static int
keep_prepared(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct slot_quiet *quiet = ctx;

	snprintf(quiet->prepared, sizeof quiet->prepared, "%s", flow_cell(result, 0, 0));
	snprintf(quiet->database, sizeof quiet->database, "%s", flow_cell(result, 0, 1));
	return 0;
}

/* Those that start are looked for before those that run: whoever has started in between is among them. */
static const struct flow_step steps[] = {
	{ "find starting sessions", find_starting, keep_starting, .wait = true },
	{ "end its sessions", end_sessions, count_survivors },
	{ "find prepared transactions", find_prepared, keep_prepared, .wait = true },
	{ 0 },
};

/* ---- rounds ---- */

static void again_later(struct slot_quiet *quiet);

static void
on_rolled_back(void *arg, const struct berth_error *e, const char *sqlstate)
{
	struct slot_quiet *quiet = arg;

	if (e && e->code == BERTH_UNAVAILABLE)
		finish(quiet, e);
	else
		again_later(quiet); /* whatever it said: somebody else may have ended it */
}

static void
end_prepared(struct slot_quiet *quiet)
{
	prepared_end(quiet->site, quiet->config.slot->role, quiet->database, quiet->prepared, on_rolled_back, quiet);
}

static bool
is_quiet(const struct slot_quiet *quiet)
{
	return quiet->survivors == 0 && !*quiet->prepared && (!quiet->starting || strcmp(quiet->starting, "{}") == 0);
}

static void
again_later(struct slot_quiet *quiet)
{
	int ms = LEAST_MS << (quiet->rounds < 6 ? quiet->rounds : 6);
	struct timeval delay = { .tv_usec = (ms > MOST_MS ? MOST_MS : ms) * 1000 };

	event_add(quiet->again, &delay);
}

static void
on_round(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct slot_quiet *quiet = ctx;
	struct berth_error alive;

	if (e || is_quiet(quiet)) {
		finish(quiet, e);
	} else if (++quiet->rounds > ROUNDS) {
		berth_error_set(&alive, BERTH_BUSY, "slot %s: %d sessions of its role do not end%s", quiet->config.slot->name,
		                quiet->survivors, quiet->survivors ? "" : ", and others do not finish logging in");
		finish(quiet, &alive);
	} else if (*quiet->prepared) {
		end_prepared(quiet);
	} else {
		again_later(quiet);
	}
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct slot_quiet *quiet = arg;

	quiet->survivors = 0;
	quiet->prepared[0] = '\0';
	quiet->flow = (struct flow){ .steps = steps, .subject = quiet->config.slot->name, .ctx = quiet, .done = on_round };
	pg_run(quiet->site->pg, &quiet->flow);
}

struct slot_quiet *
slot_quiet_start(const struct slot_site *site, struct event_base *base, const struct slot_quiet_config *config,
                 slot_quiet_done *done, void *arg)
{
	struct slot_quiet *quiet = calloc(1, sizeof *quiet);

	if (!quiet)
		abort();
	*quiet = (struct slot_quiet){ .site = site, .config = *config, .done = done, .arg = arg };
	quiet->again = event_new(base, -1, 0, on_again, quiet);
	if (!quiet->again)
		abort();
	on_again(-1, 0, quiet);
	return quiet;
}

void
slot_quiet_abandon(struct slot_quiet *quiet)
{
	struct berth_error e;

	if (!quiet || !event_pending(quiet->again, EV_TIMEOUT, NULL))
		return;
	berth_error_set(&e, BERTH_UNAVAILABLE, "berthd is leaving");
	finish(quiet, &e);
}
