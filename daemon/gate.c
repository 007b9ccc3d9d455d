/* SPDX-License-Identifier: MIT */
/* Each verb of the gate is one transaction on one row. */
#include "daemon/gate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/berthd.h"
#include "daemon/session.h"

/* How often one that waits looks again, as the holder may be another runner's: with SHARED of them for
 * one key each looks as often, with more of them all together do. */
enum { LOOK_AGAIN_MS = 100, SHARED = 4, LOOK_AGAIN_MAX_MS = 2000 };

/* Somebody runs it, or may come back for it: with %d for the grace in ms. */
#define IS_HELD "((g.state = 'running' AND EXISTS (SELECT FROM berth.runner r WHERE r.id = g.runner))" \
                " OR (g.state = 'left' AND g.ended > clock_timestamp() - interval '%d ms'))"
#define IS_OVER "g.state IN ('done', 'failed')"

/*
 * A run of one of our sessions. Once `abandoned`, it is freed in the registry and then forgotten.
 * `unsure`: one that may be there, because the answer to an entry was lost; its fence is not known. It is
 * abandoned from the beginning, and freed when no other entry is on its way.
 */
struct gate_pass {
	char key[LIMIT_GATE_KEY_BYTES + 1];
	int64_t fence;
	uint64_t session;
	bool abandoned, unsure;
	bool goes_on;           /* its holder was to have it again, and may yet */
	bool freeing;
	TAILQ_ENTRY(gate_pass) link;
};

/* One verb on its way. */
struct gate_talk {
	struct flow flow;
	struct gate *gate;
	uint64_t session;
	char key[LIMIT_GATE_KEY_BYTES + 1];
	const char *outcome;
	char message[BERTH_ERROR_MESSAGE_MAX];
	int64_t fence, status;
	bool retry;
	bool goes_on;
	bool ours;              /* the row is of this runner */
	bool mine;              /* the statement changed the row */
	bool found;             /* there is a row */
	struct gate_state state;
	struct gate_pass *pass; /* being freed */
	gate_done *done;
	void *arg;
	TAILQ_ENTRY(gate_talk) link; /* in gate->entering */
};

static struct gate_talk *
talk_new(struct gate *gate, const char *key, gate_done *done, void *arg)
{
	struct gate_talk *talk = calloc(1, sizeof *talk);

	if (!talk)
		abort();
	talk->gate = gate;
	talk->done = done;
	talk->arg = arg;
	snprintf(talk->key, sizeof talk->key, "%s", key);
	return talk;
}

static void
run(struct gate_talk *talk, const struct flow_step *steps,
    void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate))
{
	talk->flow = (struct flow){ .steps = steps, .subject = "gate", .ctx = talk, .done = done };
	pg_run(&talk->gate->berthd->pg, &talk->flow);
}

static int
keep_mine(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct gate_talk *talk = ctx;

	talk->mine = PQntuples(result) > 0;
	return 0;
}

static int
grace_ms(const struct gate_talk *talk)
{
	return talk->gate->berthd->config.runner_grace_ms;
}

static bool
is_entering(const struct gate *gate, const char *key)
{
	const struct gate_talk *talk;

	TAILQ_FOREACH(talk, &gate->entering, link)
		if (strcmp(talk->key, key) == 0)
			return true;
	return false;
}

bool
gate_unsure(const struct gate *gate, const char *key)
{
	const struct gate_pass *pass;

	TAILQ_FOREACH(pass, &gate->passes, link)
		if (pass->unsure && strcmp(pass->key, key) == 0)
			return true;
	return false;
}

/* ---- the row ---- */

static void
look(void *ctx, struct sql *sql)
{
	const struct gate_talk *talk = ctx;

	sql_add(sql,
	        "SELECT state, fence, coalesce(message, ''), host || ' pid ' || pid, coalesce(status, 0),"
	        " extract(epoch FROM clock_timestamp() - CASE WHEN " IS_OVER " THEN ended ELSE entered END) * 1000,"
	        " state = 'running' AND runner = %L FROM berth.gate g WHERE key = %L",
	        talk->gate->berthd->registry.runner, talk->key);
}

static int
keep_row(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct gate_talk *talk = ctx;
	struct gate_state *state = &talk->state;

	talk->found = PQntuples(result) > 0;
	snprintf(state->state, sizeof state->state, "%s", flow_cell(result, 0, 0));
	state->fence = flow_cell_int(result, 0, 1);
	snprintf(state->message, sizeof state->message, "%s", flow_cell(result, 0, 2));
	snprintf(state->holder, sizeof state->holder, "%s", flow_cell(result, 0, 3));
	state->status = flow_cell_int(result, 0, 4);
	state->age_ms = flow_cell_int(result, 0, 5);
	talk->ours = flow_cell(result, 0, 6)[0] == 't';
	return 0;
}

/* ---- ENTER ---- */

static void
enter(void *ctx, struct sql *sql)
{
	const struct gate_talk *talk = ctx;
	const struct registry *registry = &talk->gate->berthd->registry;
	const struct session *session = listener_find(&talk->gate->berthd->listener, talk->session);

	if (!session)
		return; /* nobody is there to run it */
	/* Not for a runner that has left or was buried: its row is held until this is done. */
	sql_add(sql,
	        "INSERT INTO berth.gate AS g (key, state, fence, runner, host, pid, uid)"
	        " SELECT %L, 'running', nextval('berth.fence'), r.id, %L, %d, %l FROM berth.runner r WHERE r.id = %L"
	        " FOR KEY SHARE ON CONFLICT (key) DO UPDATE SET"
	        " state = 'running', fence = excluded.fence, runner = excluded.runner, host = excluded.host,"
	        " pid = excluded.pid, uid = excluded.uid, message = NULL, status = NULL, ended = NULL,"
	        " entered = clock_timestamp() WHERE NOT " IS_HELD " AND (NOT " IS_OVER "%s) RETURNING fence",
	        talk->key, registry->host, (int)session->pid, (int64_t)session->uid, registry->runner,
	        grace_ms(talk), talk->retry ? " OR g.state = 'failed'" : "");
}

static void
go_on(void *ctx, struct sql *sql)
{
	const struct gate_talk *talk = ctx;
	const struct registry *registry = &talk->gate->berthd->registry;

	if (listener_find(&talk->gate->berthd->listener, talk->session))
		sql_add(sql,
		        "WITH us AS MATERIALIZED (SELECT id FROM berth.runner WHERE id = %L FOR KEY SHARE)"
		        " UPDATE berth.gate g SET state = 'running', runner = us.id, ended = NULL FROM us"
		        " WHERE key = %L AND fence = %l AND NOT " IS_OVER " RETURNING fence",
		        registry->runner, talk->key, talk->fence);
}

static const struct flow_step enter_steps[] = {
	{ "enter", enter, keep_mine },
	{ "look", look, keep_row, .wait = true },
	{ 0 },
};

static const struct flow_step go_on_steps[] = {
	{ "go on", go_on, keep_mine },
	{ "look", look, keep_row, .wait = true },
	{ 0 },
};

static void
forget_pass(struct gate *gate, const char *key, int64_t fence)
{
	struct gate_pass *pass, *next;

	for (pass = TAILQ_FIRST(&gate->passes); pass; pass = next) {
		next = TAILQ_NEXT(pass, link);
		if (pass->fence != fence || strcmp(pass->key, key) != 0 || pass->freeing)
			continue;
		TAILQ_REMOVE(&gate->passes, pass, link);
		free(pass);
	}
}

static void
pass_new(struct gate *gate, const struct gate_talk *talk)
{
	struct gate_pass *pass = calloc(1, sizeof *pass);

	if (!pass)
		abort();
	*pass = (struct gate_pass){ .fence = talk->state.fence, .session = talk->session };
	snprintf(pass->key, sizeof pass->key, "%s", talk->key);
	TAILQ_INSERT_TAIL(&gate->passes, pass, link);
	gate->entered++;
	log_info("gate.enter", LOG_T("key", pass->key), LOG_N("fence", pass->fence), LOG_N("session", pass->session));
	if (!listener_find(&gate->berthd->listener, talk->session))
		gate_session_gone(gate, talk->session); /* it left while we were talking */
}

static void
pass_unsure(struct gate *gate, const struct gate_talk *talk)
{
	struct gate_pass *pass = calloc(1, sizeof *pass);

	if (!pass)
		abort();
	*pass = (struct gate_pass){ .abandoned = true, .unsure = true, .goes_on = talk->goes_on };
	snprintf(pass->key, sizeof pass->key, "%s", talk->key);
	TAILQ_INSERT_TAIL(&gate->passes, pass, link);
	log_info("gate.unsure", LOG_T("key", pass->key));
}

/* A row of ours that none of us knows of: PostgreSQL did what it was told after we had given it up. */
static bool
is_nobodys(const struct gate *gate, const struct gate_talk *talk)
{
	const struct gate_pass *pass;

	TAILQ_FOREACH(pass, &gate->passes, link)
		if (strcmp(pass->key, talk->key) == 0)
			return false;
	return talk->ours && !is_entering(gate, talk->key);
}

static void
on_entered(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct gate_talk *talk = ctx;
	struct gate *gate = talk->gate;
	struct berth_error forgotten;

	TAILQ_REMOVE(&gate->entering, talk, link);
	if (e ? e->code == BERTH_UNAVAILABLE : !talk->mine && is_nobodys(gate, talk))
		pass_unsure(gate, talk);

	if (!e && talk->mine) {
		forget_pass(gate, talk->key, talk->state.fence); /* of the connection before */
		pass_new(gate, talk);
	}
	if (!e && strcmp(talk->state.state, "done") != 0 && strcmp(talk->state.state, "failed") != 0)
		strcpy(talk->state.state, talk->mine ? "run" : "wait");
	if (!e && !talk->found && !talk->mine) {
		if (talk->goes_on)
			berth_error_set(&forgotten, BERTH_STALE, "nobody knows of a run of %s: it was forgotten",
			                talk->key);
		else
			berth_error_set(&forgotten, BERTH_UNAVAILABLE, "berthd is leaving");
		e = &forgotten;
	}
	talk->done(talk->arg, &talk->state, e);
	free(talk);
	gate_up(gate);
}

static struct gate_pass *
find_pass(struct gate *gate, const char *key, uint64_t session)
{
	struct gate_pass *pass;

	TAILQ_FOREACH(pass, &gate->passes, link)
		if (!pass->abandoned && pass->session == session && strcmp(pass->key, key) == 0)
			return pass;
	return NULL;
}

bool
gate_holds(struct gate *gate, uint64_t session, const char *key, struct gate_state *ret)
{
	const struct gate_pass *pass = find_pass(gate, key, session);

	if (!pass)
		return false;
	*ret = (struct gate_state){ .state = "run", .fence = pass->fence, .holder = "this connection" };
	return true;
}

void
gate_enter(struct gate *gate, uint64_t session, const char *key, bool retry, gate_done *done, void *arg)
{
	struct gate_talk *talk = talk_new(gate, key, done, arg);

	talk->session = session;
	talk->retry = retry;
	TAILQ_INSERT_TAIL(&gate->entering, talk, link);
	run(talk, enter_steps, on_entered);
}

void
gate_go_on(struct gate *gate, uint64_t session, const char *key, int64_t fence, gate_done *done, void *arg)
{
	struct gate_talk *talk = talk_new(gate, key, done, arg);

	talk->session = session;
	talk->fence = fence;
	talk->goes_on = true;
	TAILQ_INSERT_TAIL(&gate->entering, talk, link);
	run(talk, go_on_steps, on_entered);
}

/* ---- waiting ---- */

static int64_t
look_again_us(const struct gate *gate, const char *key)
{
	const struct gate_wait *wait;
	int waiting = 0, ms;

	TAILQ_FOREACH(wait, &gate->waits, link)
		waiting += strcmp(wait->key, key) == 0;
	ms = LOOK_AGAIN_MS * (waiting < SHARED ? SHARED : waiting) / SHARED;
	return clock_ms(ms < LOOK_AGAIN_MAX_MS ? ms : LOOK_AGAIN_MAX_MS);
}

static void
look_now(struct gate_wait *wait)
{
	TAILQ_REMOVE(&wait->gate->waits, wait, link);
	event_del(&wait->timer);
	wait->look(wait->arg);
}

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	look_now(arg);
}

void
gate_wait(struct gate *gate, struct gate_wait *wait)
{
	int64_t us, left = wait->until - clock_now();
	struct timeval delay = { 0 };

	wait->gate = gate;
	TAILQ_INSERT_TAIL(&gate->waits, wait, link);
	us = look_again_us(gate, wait->key);
	us = us < left ? us : left > 0 ? left : 0;
	delay.tv_sec = us / 1000000;
	delay.tv_usec = us % 1000000;
	/* libevent counts from the beginning of this turn of the loop: a WAIT must not end early. */
	event_base_update_cache_time(gate->berthd->base);
	event_assign(&wait->timer, gate->berthd->base, -1, 0, on_time, wait);
	event_add(&wait->timer, &delay);
}

/* There is news of the key; in the next turn of the loop, for this one may have more. */
static void
tell(struct gate *gate, const char *key)
{
	struct gate_wait *wait;

	TAILQ_FOREACH(wait, &gate->waits, link)
		if (strcmp(wait->key, key) == 0)
			event_active(&wait->timer, EV_TIMEOUT, 0);
}

/* ---- DONE, FAIL ---- */

static void
finish(void *ctx, struct sql *sql)
{
	const struct gate_talk *talk = ctx;

	/* Said twice is said once: a client may send it again. A run whose connection was lost still has its
	 * fence, and its outcome counts as long as nobody has entered since. */
	sql_add(sql,
	        "UPDATE berth.gate SET state = %L, message = %L, status = %l, ended = clock_timestamp()"
	        " WHERE key = %L AND fence = %l AND state IN ('running', 'left', 'free', %L) RETURNING key",
	        talk->outcome, *talk->message ? talk->message : NULL, talk->status, talk->key, talk->fence,
	        talk->outcome);
}

static const struct flow_step finish_steps[] = {
	{ "finish", finish, keep_mine },
	{ "look", look, keep_row, .wait = true },
	{ 0 },
};

static void
on_finished(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct gate_talk *talk = ctx;
	struct berth_error stale;

	if (!e && talk->mine) {
		talk->gate->finished++;
		forget_pass(talk->gate, talk->key, talk->fence);
		tell(talk->gate, talk->key);
		log_info("gate.finish", LOG_T("key", talk->key), LOG_N("fence", talk->fence),
		         LOG_T("outcome", talk->outcome));
	} else if (!e) {
		berth_error_set(&stale, BERTH_STALE, "%s with fence %lld is not the run under way (%s): another one has it "
		                "now, or it is over", talk->key, (long long)talk->fence,
		                talk->found ? talk->state.state : "there is none");
		e = &stale;
	}
	talk->done(talk->arg, &talk->state, e);
	free(talk);
}

void
gate_finish(struct gate *gate, const char *key, int64_t fence, const char *outcome, const char *message,
            int64_t status, gate_done *done, void *arg)
{
	struct gate_talk *talk = talk_new(gate, key, done, arg);

	talk->fence = fence;
	talk->outcome = outcome;
	talk->status = status;
	snprintf(talk->message, sizeof talk->message, "%s", message);
	run(talk, finish_steps, on_finished);
}

/* ---- FORGET ---- */

static void
delete_row(void *ctx, struct sql *sql)
{
	const struct gate_talk *talk = ctx;

	sql_add(sql, "DELETE FROM berth.gate g WHERE key = %L AND NOT " IS_HELD " RETURNING key", talk->key,
	        grace_ms(talk));
}

static const struct flow_step forget_steps[] = {
	{ "forget", delete_row, keep_mine },
	{ "look", look, keep_row, .wait = true },
	{ 0 },
};

static void
on_forgotten(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct gate_talk *talk = ctx;
	struct berth_error busy;

	if (!e)
		tell(talk->gate, talk->key);
	if (!e && talk->found) {
		berth_error_set(&busy, BERTH_BUSY, "%s is being run by %s; it can be forgotten when that has ended",
		                talk->key, talk->state.holder);
		e = &busy;
	}
	talk->done(talk->arg, &talk->state, e);
	free(talk);
}

void
gate_forget(struct gate *gate, const char *key, gate_done *done, void *arg)
{
	run(talk_new(gate, key, done, arg), forget_steps, on_forgotten);
}

/* ---- a holder that went away ---- */

/* What is ours and of none of our sessions. */
static void
free_unknown_row(struct gate_talk *talk, struct sql *sql)
{
	const struct gate_pass *pass;

	sql_add(sql,
	        "UPDATE berth.gate SET state = '%s', ended = clock_timestamp() WHERE key = %L AND state = 'running'"
	        " AND runner = %L AND fence NOT IN (0",
	        talk->pass->goes_on ? "left" : "free", talk->key, talk->gate->berthd->registry.runner);
	TAILQ_FOREACH(pass, &talk->gate->passes, link)
		if (!pass->abandoned && strcmp(pass->key, talk->key) == 0)
			sql_add(sql, ", %l", pass->fence);
	sql_add(sql, ") RETURNING key");
}

static void
free_row(void *ctx, struct sql *sql)
{
	struct gate_talk *talk = ctx;

	if (talk->pass->unsure) {
		free_unknown_row(talk, sql);
		return;
	}
	/* Not when its holder has gone on with it by way of another runner. */
	sql_add(sql,
	        "UPDATE berth.gate SET state = 'free' WHERE key = %L AND fence = %l AND state = 'running'"
	        " AND runner = %L RETURNING key",
	        talk->key, talk->fence, talk->gate->berthd->registry.runner);
}

static const struct flow_step free_steps[] = {
	{ "free", free_row, keep_mine, .wait = true },
	{ 0 },
};

/* An error leaves the pass there, to be tried again as soon as PostgreSQL can be asked. */
static void
on_freed(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct gate_talk *talk = ctx;
	struct gate_pass *pass = talk->pass;

	pass->freeing = false;
	if (!e && talk->mine) {
		talk->gate->freed++;
		log_info("gate.free", LOG_T("key", pass->key), LOG_N("fence", pass->fence));
	}
	if (!e) {
		TAILQ_REMOVE(&talk->gate->passes, pass, link);
		tell(talk->gate, pass->key);
		free(pass);
	} else if (e->code == BERTH_UNAVAILABLE && talk->gate->berthd->phase < BERTHD_LEAVING) {
		gate_up(talk->gate);
	}
	free(talk);
}

void
gate_up(struct gate *gate)
{
	struct gate_pass *pass;

	TAILQ_FOREACH(pass, &gate->passes, link) {
		if (!pass->abandoned || pass->freeing || (pass->unsure && is_entering(gate, pass->key)))
			continue;
		struct gate_talk *talk = talk_new(gate, pass->key, NULL, NULL);

		pass->freeing = true;
		talk->pass = pass;
		talk->fence = pass->fence;
		run(talk, free_steps, on_freed);
	}
}

void
gate_session_gone(struct gate *gate, uint64_t session)
{
	struct gate_pass *pass;
	bool any = false;

	TAILQ_FOREACH(pass, &gate->passes, link)
		if (pass->session == session)
			any = pass->abandoned = true;
	if (any)
		gate_up(gate);
}

void
gate_init(struct gate *gate, struct berthd *berthd)
{
	*gate = (struct gate){ .berthd = berthd };
	TAILQ_INIT(&gate->passes);
	TAILQ_INIT(&gate->waits);
	TAILQ_INIT(&gate->entering);
}

/* ---- all rows ---- */

void
gate_ask_rows(const struct gate *gate, struct sql *sql)
{
	sql_add(sql,
	        "SELECT key, CASE WHEN " IS_OVER " THEN state WHEN " IS_HELD " THEN 'running' ELSE 'free' END, fence,"
	        " host || ' pid ' || pid, uid, extract(epoch FROM clock_timestamp() -"
	        " CASE WHEN " IS_OVER " THEN ended ELSE entered END) * 1000, coalesce(message, '')"
	        " FROM berth.gate g ORDER BY entered",
	        gate->berthd->config.runner_grace_ms);
}

void
gate_fini(struct gate *gate)
{
	struct gate_pass *pass;

	while (!TAILQ_EMPTY(&gate->waits))
		look_now(TAILQ_FIRST(&gate->waits));
	while ((pass = TAILQ_FIRST(&gate->passes))) {
		TAILQ_REMOVE(&gate->passes, pass, link);
		free(pass);
	}
}
