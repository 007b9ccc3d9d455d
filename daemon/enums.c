/* SPDX-License-Identifier: MIT */
/* One conversation at a time: lock, look, make what is missing, look again. */
#include "daemon/enums.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/config.h"
#include "daemon/pg/pg.h"

enum { BATCH_MAX = 64, CHECK_MS = 5000, FLOW_TRIES = 6 /* flow.c's first and five more */ };

struct enum_ask {
	struct enum_def want, there;
	bool append;
	bool was_there;       /* before anything was made */
	bool is_there;
	bool is_other;        /* a type of that name is there and is no enum */
	int labels_before;
	bool follows;         /* the same was asked for before it in this conversation */
	enum_done *done;
	void *arg;
	TAILQ_ENTRY(enum_ask) link;
};

static void talk(struct enums *enums);

/* ---- steps ---- */

static void
bound_the_wait(void *ctx, struct sql *sql)
{
	const struct enums *enums = ctx;

	/* The runner of flows tries a lock timeout again: the tries together make the bound. */
	sql_add(sql, "SELECT set_config('lock_timeout', '%d', true)", enums->config->enum_wait_ms / FLOW_TRIES + 1);
}

static void
take_lock(void *ctx, struct sql *sql)
{
	const struct enums *enums = ctx;

	sql_add(sql, "SELECT pg_advisory_xact_lock(%d)", enums->config->enum_lock);
}

static void
add_names(const struct enums *enums, struct sql *sql)
{
	const struct enum_ask *ask;

	TAILQ_FOREACH(ask, &enums->asked, link)
		sql_add(sql, "%s%L", ask == TAILQ_FIRST(&enums->asked) ? "" : ", ", ask->want.name);
}

static void
look(void *ctx, struct sql *sql)
{
	const struct enums *enums = ctx;

	sql_add(sql,
	        "SELECT t.typname, t.typtype, l.enumlabel FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
	        " LEFT JOIN pg_enum l ON l.enumtypid = t.oid WHERE n.nspname = %L AND t.typname IN (",
	        enums->config->enum_schema);
	add_names(enums, sql);
	sql_add(sql, ") ORDER BY t.typname, l.enumsortorder");
}

static void
keep_labels(struct enum_ask *ask, const PGresult *result)
{
	ask->there.count = 0;
	ask->is_there = ask->is_other = false;
	for (int row = 0; row < PQntuples(result); row++) {
		if (strcmp(flow_cell(result, row, 0), ask->want.name) != 0)
			continue;
		ask->is_there = true;
		ask->is_other = flow_cell(result, row, 1)[0] != 'e';
		if (ask->there.count < ENUM_LABELS_MAX && *flow_cell(result, row, 2))
			snprintf(ask->there.labels[ask->there.count++], sizeof ask->there.labels[0], "%s",
			         flow_cell(result, row, 2));
	}
}

static int
keep_before(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct enums *enums = ctx;
	struct enum_ask *ask;

	TAILQ_FOREACH(ask, &enums->asked, link) {
		keep_labels(ask, result);
		ask->was_there = ask->is_there;
		ask->labels_before = ask->there.count;
	}
	return 0;
}

static int
keep_after(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct enums *enums = ctx;
	struct enum_ask *ask;

	TAILQ_FOREACH(ask, &enums->asked, link)
		keep_labels(ask, result);
	return 0;
}

static void
add_creation(const struct enums *enums, const struct enum_ask *ask, struct sql *body)
{
	struct sql create = { 0 };

	sql_add(&create, "CREATE TYPE %I.%I AS ENUM (", enums->config->enum_schema, ask->want.name);
	for (int i = 0; i < ask->want.count; i++)
		sql_add(&create, "%s%L", i ? ", " : "", ask->want.labels[i]);
	sql_add(&create, ")");
	sql_add(body,
	        " IF NOT EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
	        " WHERE n.nspname = %L AND t.typname = %L) THEN BEGIN EXECUTE %L;"
	        " EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END; END IF;",
	        enums->config->enum_schema, ask->want.name, create.text);
	sql_fini(&create);
}

static void
add_appending(const struct enums *enums, const struct enum_ask *ask, struct sql *body)
{
	struct sql alter = { 0 };

	sql_add(body,
	        " IF EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
	        " WHERE n.nspname = %L AND t.typname = %L AND t.typtype = 'e') THEN",
	        enums->config->enum_schema, ask->want.name);
	for (int i = 0; i < ask->want.count; i++) {
		sql_clear(&alter);
		sql_add(&alter, "ALTER TYPE %I.%I ADD VALUE IF NOT EXISTS %L", enums->config->enum_schema,
		        ask->want.name, ask->want.labels[i]);
		sql_add(body, " EXECUTE %L;", alter.text);
	}
	sql_add(body, " END IF;");
	sql_fini(&alter);
}

static void
make(void *ctx, struct sql *sql)
{
	const struct enums *enums = ctx;
	const struct enum_ask *ask;
	struct sql body = { 0 };

	sql_add(&body, "BEGIN");
	TAILQ_FOREACH(ask, &enums->asked, link) {
		add_creation(enums, ask, &body);
		if (ask->append)
			add_appending(enums, ask, &body);
	}
	sql_add(&body, " END");
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static const struct flow_step steps[] = {
	{ "bound the wait", bound_the_wait },
	{ "take the lock", take_lock },
	{ "look what is there", look, keep_before },
	{ "make what is missing", make },
	{ "look at it", look, keep_after, .wait = true },
	{ 0 },
};

/* ---- answers ---- */

static enum enum_outcome
outcome_of(const struct enum_ask *ask)
{
	if (!ask->was_there)
		return ask->follows ? ENUM_EXISTS : ENUM_CREATED;
	return ask->there.count > ask->labels_before ? ENUM_APPENDED : ENUM_EXISTS;
}

static void
answer(struct enums *enums, struct enum_ask *ask, const struct berth_error *e)
{
	struct berth_error own;

	TAILQ_REMOVE(&enums->asked, ask, link);
	if (!e && ask->is_other) {
		berth_error_set(&own, BERTH_DRIFT, "a type named %s is in schema %s and is no enum", ask->want.name,
		                enums->config->enum_schema);
		e = &own;
	} else if (!e && !ask->append && enum_def_compare(&ask->want, &ask->there, &own) < 0) {
		e = &own;
	}
	if (!e && outcome_of(ask) != ENUM_EXISTS)
		log_info("enum.ensure", LOG_T("enum", ask->want.name),
		         LOG_T("outcome", outcome_of(ask) == ENUM_CREATED ? "created" : "appended"));
	ask->done(ask->arg, outcome_of(ask), e);
	free(ask);
}

static void
answer_all(struct enums *enums, const struct berth_error *e)
{
	struct enum_ask *ask;

	while ((ask = TAILQ_FIRST(&enums->asked)))
		answer(enums, ask, e);
	enums->talking = false;
	talk(enums);
}

/* ---- who has the lock, when it could not be had ---- */

static void
ask_holder(void *ctx, struct sql *sql)
{
	const struct enums *enums = ctx;

	sql_add(sql,
	        "SELECT format('pid %%s (%%s) as %%s', a.pid, coalesce(nullif(a.application_name, ''), 'unnamed'),"
	        " a.usename) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory'"
	        " AND l.granted AND l.classid = 0 AND l.objid = %d AND l.objsubid = 1 AND l.database ="
	        " (SELECT oid FROM pg_database WHERE datname = current_database()) LIMIT 1",
	        enums->config->enum_lock);
}

static int
keep_holder(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct enums *enums = ctx;

	snprintf(enums->holder, sizeof enums->holder, "%s",
	         PQntuples(result) ? flow_cell(result, 0, 0) : "a session that has let it go since");
	return 0;
}

static const struct flow_step holder_steps[] = {
	{ "find who has the lock", ask_holder, keep_holder, .wait = true },
	{ 0 },
};

static void
on_holder(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct enums *enums = ctx;
	struct berth_error timeout;

	berth_error_set(&timeout, BERTH_TIMEOUT, "the advisory lock %d, under which enums are made, was held for more "
	                "than %d ms by %s; ask again, or end that session", enums->config->enum_lock,
	                enums->config->enum_wait_ms, e ? "another session" : enums->holder);
	answer_all(enums, &timeout);
}

/* ---- the conversation ---- */

static void
on_talked(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct enums *enums = ctx;

	if (!e || strcmp(sqlstate, "55P03") != 0) {
		answer_all(enums, e);
		return;
	}
	enums->flow = (struct flow){ .steps = holder_steps, .subject = "enums", .ctx = enums, .done = on_holder };
	pg_run(enums->pg, &enums->flow);
}

/* Whether it may go along: two that want different things of one name take two conversations. */
static bool
goes_along(const struct enums *enums, struct enum_ask *ask)
{
	const struct enum_ask *other;

	ask->follows = false;
	TAILQ_FOREACH(other, &enums->asked, link) {
		if (strcmp(other->want.name, ask->want.name) != 0)
			continue;
		ask->follows = true;
		if (other->append || ask->append || enum_def_compare(&ask->want, &other->want, NULL) < 0)
			return false;
	}
	return true;
}

static void
talk(struct enums *enums)
{
	struct enum_ask *ask, *next;
	int batch = 0;

	if (enums->talking || TAILQ_EMPTY(&enums->waiting))
		return;
	for (ask = TAILQ_FIRST(&enums->waiting); ask && batch < BATCH_MAX; ask = next) {
		next = TAILQ_NEXT(ask, link);
		if (!goes_along(enums, ask))
			continue;
		TAILQ_REMOVE(&enums->waiting, ask, link);
		TAILQ_INSERT_TAIL(&enums->asked, ask, link);
		batch++;
	}
	enums->talking = true;
	enums->conversations++;
	enums->flow = (struct flow){ .steps = steps, .subject = "enums", .ctx = enums, .done = on_talked };
	pg_run(enums->pg, &enums->flow);
}

void
enums_ensure(struct enums *enums, const struct enum_def *def, bool append, enum_done *done, void *arg)
{
	struct enum_ask *ask = calloc(1, sizeof *ask);

	if (!ask)
		abort();
	ask->want = *def;
	ask->append = append;
	ask->done = done;
	ask->arg = arg;
	TAILQ_INSERT_TAIL(&enums->waiting, ask, link);
	/* In the next turn: whatever else arrives in this one goes along. */
	event_active(enums->begin, EV_TIMEOUT, 0);
}

/* ---- what the configuration lists ---- */

static void
check_later(struct enums *enums)
{
	struct timeval delay = { .tv_sec = CHECK_MS / 1000 };

	event_add(enums->check, &delay);
}

static void
on_configured(void *arg, enum enum_outcome outcome, const struct berth_error *e)
{
	struct enums *enums = arg;

	if (e && enums->up) {
		enums->why = *e;
		enums->failed = true;
		log_warn("enum.failed", LOG_T("why", e->message));
	}
	if (--enums->left > 0 || !enums->up)
		return;
	check_later(enums);
	if (enums->failed || enums->ready)
		return;
	enums->ready = true;
	enums->came(enums->arg);
}

static void
ensure_configured(struct enums *enums)
{
	const struct config *config = enums->config;

	if (enums->left > 0 || !enums->up)
		return;
	enums->left = config->enum_count;
	enums->failed = false;
	for (int i = 0; i < config->enum_count; i++)
		enums_ensure(enums, &config->enums[i], false, on_configured, enums);
}

static void
on_check(evutil_socket_t fd, short what, void *arg)
{
	ensure_configured(arg);
}

static void
on_begin(evutil_socket_t fd, short what, void *arg)
{
	talk(arg);
}

void
enums_up(struct enums *enums)
{
	enums->up = true;
	enums->ready = enums->config->enum_count == 0;
	ensure_configured(enums);
}

void
enums_down(struct enums *enums)
{
	enums->up = false;
	enums->ready = false;
	event_del(enums->check);
	berth_error_set(&enums->why, BERTH_UNAVAILABLE, "not looked yet");
}

bool
enums_ready(const struct enums *enums, struct berth_error *why)
{
	if (enums->ready)
		return true;
	berth_error_set(why, enums->why.code == BERTH_DRIFT ? BERTH_DRIFT : BERTH_UNAVAILABLE,
	                "the enums of berth.conf are not there yet: %.400s", enums->why.message);
	return false;
}

void
enums_init(struct enums *enums, struct event_base *base, struct pg *pg, const struct config *config,
           void (*came)(void *arg), void *arg)
{
	*enums = (struct enums){ .pg = pg, .config = config, .came = came, .arg = arg };
	TAILQ_INIT(&enums->waiting);
	TAILQ_INIT(&enums->asked);
	enums->check = event_new(base, -1, 0, on_check, enums);
	enums->begin = event_new(base, -1, 0, on_begin, enums);
	if (!enums->check || !enums->begin)
		abort();
	enums_down(enums);
}

void
enums_fini(struct enums *enums)
{
	struct enum_ask *ask;

	assert(!enums->talking);
	while ((ask = TAILQ_FIRST(&enums->waiting))) {
		TAILQ_REMOVE(&enums->waiting, ask, link);
		free(ask);
	}
	event_free(enums->check);
	event_free(enums->begin);
}
