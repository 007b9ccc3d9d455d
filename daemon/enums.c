/* SPDX-License-Identifier: MIT */
/* The queue of those that ask, and the conversations that answer them. */
#include "daemon/enums.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/config.h"
#include "daemon/pg/pg.h"

/* SCAN_MAX: of those that wait, so that a long queue for one name costs little. */
enum { BATCH_MAX = 64, SCAN_MAX = 256, AGAIN_MAX = 100 };

static void talk(struct enums *enums);

/* ---- answers ---- */

static void
answer(struct enums *enums, struct enum_ask *ask, const struct berth_error *e)
{
	enum enum_outcome outcome = enum_ask_outcome(ask);

	TAILQ_REMOVE(&enums->talk.asks, ask, link);
	if (!e && ask->no.code != BERTH_OK)
		e = &ask->no;
	if (!e && outcome != ENUM_EXISTS)
		log_info("enum.ensure", LOG_T("enum", ask->want.name),
		         LOG_T("outcome", outcome == ENUM_CREATED ? "created" : "appended"));
	ask->done(ask->arg, outcome, e);
	free(ask);
}

static void
answer_all(struct enums *enums, const struct berth_error *e)
{
	struct enum_ask *ask;

	while ((ask = TAILQ_FIRST(&enums->talk.asks)))
		answer(enums, ask, e);
}

/* ---- once more ---- */

/* Those of the conversation that need another one go in front of those that wait, in their order. */
static void
put_back(struct enums *enums, bool (*which)(const struct enum_ask *ask), bool alone)
{
	struct enum_ask *ask, *before;

	for (ask = TAILQ_LAST(&enums->talk.asks, enum_asks); ask; ask = before) {
		before = TAILQ_PREV(ask, enum_asks, link);
		if (!which(ask))
			continue;
		TAILQ_REMOVE(&enums->talk.asks, ask, link);
		TAILQ_INSERT_HEAD(&enums->waiting, ask, link);
		ask->alone |= alone;
		ask->again++;
	}
}

/* Somebody without the lock dropped it while we were looking. */
static bool
has_vanished(const struct enum_ask *ask)
{
	return !ask->is_there && ask->again < AGAIN_MAX;
}

static bool
may_go_better(const struct enum_ask *ask)
{
	return ask->again < AGAIN_MAX;
}

static void
answer_rest(struct enums *enums)
{
	struct enum_ask *ask, *next;

	TAILQ_FOREACH(ask, &enums->talk.asks, link)
		if (!ask->is_there)
			berth_error_set(&ask->no, BERTH_BUSY, "enum %s is dropped by others as fast as it is made",
			                ask->want.name);
	for (ask = TAILQ_FIRST(&enums->talk.asks); ask; ask = next) {
		next = TAILQ_NEXT(ask, link);
		answer(enums, ask, NULL);
	}
}

/* PostgreSQL has refused, and with the transaction all of them failed: 42704 and XX000 because the
 * type went away under our hands, everything else because of one of them. */
static bool
is_worth_another(const struct enums *enums, const struct berth_error *e, const char *sqlstate)
{
	bool several = TAILQ_NEXT(TAILQ_FIRST(&enums->talk.asks), link) != NULL;

	return e->code == BERTH_PGERR
	       && (several || strcmp(sqlstate, "42704") == 0 || strcmp(sqlstate, "XX000") == 0);
}

/* ---- the conversation ---- */

static void
begin_flow(struct enums *enums, const struct flow_step *steps,
           void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate))
{
	enums->flow = (struct flow){ .steps = steps, .subject = "enums", .ctx = &enums->talk, .done = done };
	pg_run(enums->pg, &enums->flow);
}

static struct enums *
enums_of(void *ctx)
{
	return (struct enums *)((char *)ctx - offsetof(struct enums, talk));
}

static void
over(struct enums *enums)
{
	assert(TAILQ_EMPTY(&enums->talk.asks));
	enums->talking = false;
	talk(enums);
}

static void
on_holder(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct enums *enums = enums_of(ctx);
	const char *holder = e ? "another session" : enums->talk.holder;
	int ms = enums->config->enum_wait_ms;
	struct berth_error timeout;

	if (enums->talk.locked)
		berth_error_set(&timeout, BERTH_TIMEOUT, "the types are being made or changed by a transaction that did "
		                "not end within %d ms: %s; ask again, or end that session", ms, holder);
	else
		berth_error_set(&timeout, BERTH_TIMEOUT, "the advisory lock %d, under which enums are made, was held for "
		                "more than %d ms by %s; ask again, or end that session", enums->config->enum_lock, ms,
		                holder);
	answer_all(enums, &timeout);
	over(enums);
}

/* 42501: what a person has to do is no secret. */
static const struct berth_error *
advise(const struct enums *enums, const struct berth_error *e, const char *sqlstate, struct berth_error *ret)
{
	const char *schema = enums->config->enum_schema;

	if (!e || strcmp(sqlstate, "42501") != 0)
		return e;
	berth_error_set(ret, e->code, "%.250s; berthd must own what it changes, and needs GRANT CREATE ON SCHEMA %s TO %s,"
	                " or an enum_schema that it may make itself", e->message, schema, pg_facts(enums->pg)->user);
	return ret;
}

static void
on_talked(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct enums *enums = enums_of(ctx);
	struct berth_error advised;

	if (e && strcmp(sqlstate, "55P03") == 0) {
		if (clock_now() - enums->began < clock_ms(enums->config->enum_wait_ms))
			begin_flow(enums, enum_talk_steps, on_talked);
		else
			begin_flow(enums, enum_holder_steps, on_holder);
		return;
	}
	if (!e)
		put_back(enums, has_vanished, false);
	else if (is_worth_another(enums, e, sqlstate))
		put_back(enums, may_go_better, true);
	if (e)
		answer_all(enums, advise(enums, e, sqlstate, &advised));
	else
		answer_rest(enums);
	over(enums);
}

/* Two that want different things of one name take two conversations, in the order in which they came. */
static bool
goes_along(const struct enums *enums, struct enum_ask *ask)
{
	struct enum_ask *other;

	ask->like = NULL;
	ask->made = false;
	if (ask->alone)
		return TAILQ_EMPTY(&enums->talk.asks);
	TAILQ_FOREACH(other, &enums->talk.asks, link) {
		if (strcmp(other->want.name, ask->want.name) != 0)
			continue;
		if (other->append || ask->append || enum_def_compare(&ask->want, &other->want, NULL) < 0)
			return false;
		ask->like = other->like ? other->like : other;
	}
	for (other = TAILQ_FIRST(&enums->waiting); other != ask; other = TAILQ_NEXT(other, link))
		if (strcmp(other->want.name, ask->want.name) == 0) /* NOLINT: ask is among them */
			return false;
	return true;
}

static void
gather(struct enums *enums)
{
	struct enum_ask *ask, *next;
	int batch = 0, seen = 0;
	bool alone = false;

	for (ask = TAILQ_FIRST(&enums->waiting); ask && !alone && batch < BATCH_MAX && seen < SCAN_MAX; ask = next) {
		next = TAILQ_NEXT(ask, link);
		seen++;
		if (!goes_along(enums, ask))
			continue;
		TAILQ_REMOVE(&enums->waiting, ask, link);
		TAILQ_INSERT_TAIL(&enums->talk.asks, ask, link);
		batch++;
		alone = ask->alone;
	}
}

static void
talk(struct enums *enums)
{
	if (enums->talking || TAILQ_EMPTY(&enums->waiting))
		return;
	gather(enums);
	enums->talking = true;
	enums->conversations++;
	enums->began = clock_now();
	begin_flow(enums, enum_talk_steps, on_talked);
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
	int ms = enums->config->enum_check_ms;
	struct timeval delay = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	event_add(enums->check, &delay);
}

/* The first of them. It is looked at again and again; the log hears of it once. */
static void
keep_failure(struct enums *enums, const struct berth_error *e)
{
	if (enums->failed)
		return;
	enums->failed = true;
	if (strcmp(enums->why.message, e->message) != 0)
		log_warn("enum.failed", LOG_T("why", e->message));
	enums->why = *e;
}

static void ensure_configured(struct enums *enums);

static void
on_configured(void *arg, enum enum_outcome outcome, const struct berth_error *e)
{
	struct enums *enums = arg;

	if (e && enums->up && !enums->renewed)
		keep_failure(enums, e);
	if (--enums->left > 0 || !enums->up)
		return;
	if (enums->renewed) {
		ensure_configured(enums);
		return;
	}
	check_later(enums);
	if (!enums->failed)
		*enums->why.message = '\0';
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
	enums->renewed = false;
	enums->left = config->enum_count;
	enums->failed = false;
	for (int i = 0; i < config->enum_count; i++)
		enums_ensure(enums, &config->enums[i], false, on_configured, enums);
	if (config->enum_count > 0 || enums->ready)
		return;
	enums->ready = true;
	enums->came(enums->arg);
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
	enums->renewed = enums->left > 0; /* what is still asked for was asked of the server that went away */
	ensure_configured(enums);
}

void
enums_changed(struct enums *enums)
{
	enums->renewed = enums->left > 0; /* what is under way is for the old list */
	ensure_configured(enums);
}

void
enums_down(struct enums *enums)
{
	enums->up = false;
	enums->ready = false;
	enums->talk.furnished = false;
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
	TAILQ_INIT(&enums->talk.asks);
	enums->talk.config = config;
	enums->check = event_new(base, -1, 0, on_check, enums);
	enums->begin = event_new(base, -1, 0, on_begin, enums);
	if (!enums->check || !enums->begin)
		abort();
	enums_down(enums);
}

void
enums_fini(struct enums *enums)
{
	struct berth_error leaving;
	struct enum_ask *ask;

	assert(!enums->talking);
	berth_error_set(&leaving, BERTH_UNAVAILABLE, "berthd is leaving");
	while ((ask = TAILQ_FIRST(&enums->waiting))) {
		TAILQ_REMOVE(&enums->waiting, ask, link);
		ask->done(ask->arg, ENUM_EXISTS, &leaving);
		free(ask);
	}
	event_free(enums->check);
	event_free(enums->begin);
}
