/* SPDX-License-Identifier: MIT */
/* ONCE ENTER DONE FAIL FORGET LIST: the gate. */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/berthd.h"
#include "daemon/inquiry.h"
#include "daemon/verb.h"

/* A verb under way; the session may be gone by its end. */
struct visit {
	struct berthd *berthd;
	uint64_t session;
	char key[LIMIT_GATE_KEY_BYTES + 1];
	bool retry;
	int64_t fence;         /* of the run that goes on; 0 for none */
	int64_t until;         /* clock_now(), for WAIT */
	struct gate_wait wait;
};

static struct session *
who(const struct visit *visit)
{
	return listener_find(&visit->berthd->listener, visit->session);
}

static struct visit *
visit_new(struct session *session, const char *key)
{
	struct visit *visit = calloc(1, sizeof *visit);

	if (!visit)
		abort();
	visit->berthd = session->berthd;
	visit->session = session->id;
	strcpy(visit->key, key);
	session_suspend(session);
	return visit;
}

/* ---- ENTER ---- */

static void
reply_state(struct reply *reply, const struct gate_state *state)
{
	reply_map(reply, 6);
	reply_field_text(reply, "state", state->state);
	reply_field_int(reply, "fence", state->fence);
	reply_field_text(reply, "message", *state->message ? state->message : NULL);
	reply_field_int(reply, "status", state->status);
	reply_field_text(reply, "holder", state->holder);
	reply_field_int(reply, "age_ms", state->age_ms);
}

static void on_entered(void *arg, const struct gate_state *state, const struct berth_error *e);

static void
ask(struct visit *visit)
{
	struct gate *gate = &visit->berthd->gate;
	struct berth_error e;

	if (gate_unsure(gate, visit->key)) {
		berth_error_set(&e, BERTH_UNAVAILABLE, "PostgreSQL went away while somebody entered %s; ask again",
		                visit->key);
		on_entered(visit, NULL, &e);
	} else if (visit->fence)
		gate_go_on(gate, visit->session, visit->key, visit->fence, on_entered, visit);
	else
		gate_enter(gate, visit->session, visit->key, visit->retry, on_entered, visit);
}

static void
look(void *arg)
{
	struct visit *visit = arg;

	if (who(visit))
		ask(visit);
	else
		free(visit);
}

static void
on_entered(void *arg, const struct gate_state *state, const struct berth_error *e)
{
	struct visit *visit = arg;
	struct session *session = who(visit);
	bool in_time = clock_now() < visit->until;

	if (session && in_time && (e ? e->code == BERTH_UNAVAILABLE : strcmp(state->state, "wait") == 0)) {
		visit->wait = (struct gate_wait){ .key = visit->key, .look = look, .arg = visit,
		                                  .until = visit->until };
		gate_wait(&visit->berthd->gate, &visit->wait);
		return;
	}
	if (session && e)
		session_error(session, e->code, "%s", e->message);
	else if (session)
		reply_state(&session->reply, state);
	if (session)
		session_resume(session);
	free(visit);
}

enum { RETRY, WAIT, FENCE, ENTER_OPTIONS };

static void
enter(struct session *session, const struct request *request, const char *key)
{
	struct option options[ENTER_OPTIONS] = {
		[RETRY] = { "RETRY", OPTION_FLAG },
		[WAIT]  = { "WAIT", OPTION_NUMBER, .greatest = LIMIT_WAIT_MS },
		[FENCE] = { "FENCE", OPTION_NUMBER, .least = 1, .greatest = INT64_MAX },
	};
	struct gate_state mine;
	struct berth_error e;
	struct visit *visit;

	if (options_read(request, 3, options, ENTER_OPTIONS, &e) < 0) {
		session_error(session, e.code, "%s", e.message);
	} else if (gate_holds(&session->berthd->gate, session->id, key, &mine)) {
		reply_state(&session->reply, &mine); /* sent again */
	} else {
		visit = visit_new(session, key);
		visit->retry = options[RETRY].said;
		visit->fence = options[FENCE].number;
		visit->until = clock_now() + clock_ms(options[WAIT].number);
		ask(visit);
	}
}

/* ---- DONE FAIL FORGET ---- */

static void
on_said(void *arg, const struct gate_state *state, const struct berth_error *e)
{
	struct visit *visit = arg;
	struct session *session = who(visit);

	if (session && e)
		session_error(session, e->code, "%s", e->message);
	else if (session)
		reply_ok(&session->reply);
	if (session)
		session_resume(session);
	free(visit);
}

/* As much of the text as fits, without control characters (it goes into errors and terminals). */
static void
printable(const struct request_arg *arg, char *out, size_t size)
{
	size_t len = arg->len < size - 1 ? arg->len : size - 1;

	while (len < arg->len && len > 0 && ((unsigned char)arg->ptr[len] & 0xc0) == 0x80)
		len--; /* not in the middle of a UTF-8 character */
	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)arg->ptr[i] < ' ' || arg->ptr[i] == 0x7f ? ' ' : arg->ptr[i];
	out[len] = '\0';
}

static void
finish(struct session *session, const struct request *request, const char *key, const char *outcome)
{
	struct option status = { "STATUS", OPTION_NUMBER, .greatest = 255 };
	bool failed = strcmp(outcome, "failed") == 0;
	char message[BERTH_ERROR_MESSAGE_MAX] = "";
	struct berth_error e;
	int64_t fence;

	if (request->argc < (failed ? 5 : 4) || !request_arg_int(&request->argv[3], &fence)) {
		session_error(session, BERTH_USAGE, "it is: ONCE %s", failed ? "FAIL key fence message [STATUS n]"
		                                                             : "DONE key fence");
		return;
	}
	if (options_read(request, failed ? 5 : 4, &status, failed ? 1 : 0, &e) < 0) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	if (failed)
		printable(&request->argv[4], message, sizeof message);
	gate_finish(&session->berthd->gate, key, fence, outcome, message, status.said ? status.number : failed,
	            on_said, visit_new(session, key));
}

/* ---- LIST ---- */

static void
ask_gates(void *ctx, struct sql *sql)
{
	const struct inquiry *inquiry = ctx;

	gate_ask_rows(&inquiry->berthd->gate, sql);
}

static void
reply_gates(struct session *session, const PGresult *result)
{
	static const struct { const char *name; bool is_text; } fields[] = {
		{ "key", true }, { "state", true }, { "fence", false }, { "holder", true }, { "uid", false },
		{ "age_ms", false }, { "message", true },
	};
	enum { FIELDS = sizeof fields / sizeof *fields };

	reply_array(&session->reply, (size_t)PQntuples(result));
	for (int row = 0; row < PQntuples(result); row++) {
		reply_map(&session->reply, FIELDS);
		for (int i = 0; i < FIELDS; i++) {
			if (fields[i].is_text)
				reply_field_text(&session->reply, fields[i].name, flow_cell(result, row, i));
			else
				reply_field_int(&session->reply, fields[i].name, flow_cell_int(result, row, i));
		}
	}
}

void
verb_once(struct session *session, const struct request *request)
{
	const struct request_arg *what = &request->argv[1];
	char key[LIMIT_GATE_KEY_BYTES + 1];
	struct berth_error e;

	if (request_arg_is(what, "LIST") && request->argc == 2) {
		inquire(session, ask_gates, reply_gates);
		return;
	}
	if (request->argc < 3) {
		session_error(session, BERTH_USAGE, "it is: ONCE %s", verb_rows[VERB_once].usage);
		return;
	}
	if (argument_word(&request->argv[2], "the key", LIMIT_GATE_KEY_BYTES, key, &e) < 0
	    || !registry_ready(&session->berthd->registry, &e)) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	if (request_arg_is(what, "ENTER"))
		enter(session, request, key);
	else if (request_arg_is(what, "DONE"))
		finish(session, request, key, "done");
	else if (request_arg_is(what, "FAIL"))
		finish(session, request, key, "failed");
	else if (request_arg_is(what, "FORGET") && request->argc == 3)
		gate_forget(&session->berthd->gate, key, on_said, visit_new(session, key));
	else
		session_error(session, BERTH_USAGE, "it is: ONCE %s", verb_rows[VERB_once].usage);
}
