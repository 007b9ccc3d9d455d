/* SPDX-License-Identifier: MIT */
/* ONCE, from a client that does not give up at the first lost connection. */
#include "client/cli/gate.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/holder.h"
#include "client/cli/rows.h"
#include "client/cli/waiting.h"

enum {
	SLICE_MS = 500, /* of waiting: then what is shown is drawn again */
	PAUSE_MS = 100, /* before asking again what answered at once */
	AWAY_MOST_MS =
		30000, /* for a daemon or a server that is away, unless a timeout was given */
	FINISH_MOST_MS = 15000, /* the same when there is an outcome to be told */
};

static int64_t
now_in_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void
pause_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = PAUSE_MS * 1000 * 1000 }, NULL);
}

/* ---- the connection ---- */

void
gate_leave(struct gate *gate)
{
	if (gate->client && berth_fd(gate->client) >= 0)
		shutdown(berth_fd(gate->client), SHUT_RDWR);
	berth_close(gate->client);
	gate->client = NULL;
}

/* Sends a verb, over a new connection when the last one is gone. */
static int
tell(struct gate *gate, long long wait_ms, int argc, const char *const argv[],
     struct berth_reply **ret, struct berth_error *e)
{
	if (gate->client && !berth_connected(gate->client))
		gate_leave(gate);
	if (!gate->client && berth_open(gate->asked->socket, &gate->client, e) < 0)
		return -1;
	return berth_command(gate->client, wait_ms, argc, argv, ret, e);
}

/* It may be better in a moment: the daemon is started anew, or PostgreSQL. */
static bool
is_away(const struct gate *gate, const struct berth_error *e)
{
	return !gate->client || !berth_connected(gate->client) || e->code == BERTH_UNAVAILABLE;
}

/* ---- answers ---- */

static void
read_text(const struct berth_reply *map, const char *field, char *into, size_t size)
{
	const struct berth_reply *value = rows_field(map, field);

	snprintf(into, size, "%s", value && value->type == BERTH_REPLY_TEXT ? value->text : "");
}

static long long
read_number(const struct berth_reply *map, const char *field)
{
	const struct berth_reply *value = rows_field(map, field);

	return value && value->type == BERTH_REPLY_INTEGER ? value->integer : 0;
}

static void
read_answer(const struct berth_reply *map, struct gate_answer *ret)
{
	*ret = (struct gate_answer){
		.fence = read_number(map, "fence"),
		.status = (int)read_number(map, "status"),
		.age_ms = read_number(map, "age_ms"),
	};
	read_text(map, "state", ret->state, sizeof ret->state);
	read_text(map, "message", ret->message, sizeof ret->message);
	read_text(map, "holder", ret->holder, sizeof ret->holder);
}

/* ---- coming in ---- */

/* One that waits to come in. */
struct visit {
	struct gate *gate;
	struct waiting waiting;
	int64_t began, until;    /* INT64_MAX: without end */
	int64_t away_since;      /* 0: the daemon answers */
	struct gate_answer last; /* who was in there when we asked */
	struct berth_error away; /* why nothing can be known */
};

static int
ask(struct visit *visit, bool retry, long long wait_ms, struct berth_error *e)
{
	char wait[24];
	const char *argv[6] = { "ONCE", "ENTER", visit->gate->key };
	int argc = 3;
	struct berth_reply *reply;

	if (retry)
		argv[argc++] = "RETRY";
	if (wait_ms > 0) {
		snprintf(wait, sizeof wait, "%lld", wait_ms);
		argv[argc++] = "WAIT";
		argv[argc++] = wait;
	}
	if (tell(visit->gate, wait_ms, argc, argv, &reply, e) < 0)
		return -1;
	read_answer(reply, &visit->last);
	berth_reply_free(reply);
	return 0;
}

static void
show(struct visit *visit)
{
	char spent[DURATION_TEXT_MAX], age[DURATION_TEXT_MAX], text[1024], since[48] = "";

	duration_show((now_in_ms() - visit->began) / 1000 * 1000, spent);
	duration_show((visit->last.age_ms / 1000 + 1) * 1000, age); /* it has grown since */
	if (visit->waiting.terminal)
		snprintf(since, sizeof since, " %s", spent);
	if (visit->away_since)
		snprintf(text, sizeof text, "waiting%s to run %s once: %s", since, visit->gate->key,
		         visit->away.message);
	else
		snprintf(text, sizeof text, "waiting%s: %s is being run by %s, for %s", since,
		         visit->gate->key, visit->last.holder, age);
	waiting_say(&visit->waiting, text);
}

/* Somebody else runs it now, or the daemon went away: that is news also where nothing is redrawn.
 */
static void
note_news(struct visit *visit, const char *holder, bool was_away)
{
	if (!visit->waiting.terminal
	    && (strcmp(holder, visit->last.holder) != 0 || was_away != (visit->away_since != 0)))
		visit->waiting.shown = false;
}

static int
too_late(struct visit *visit)
{
	char spent[DURATION_TEXT_MAX], age[DURATION_TEXT_MAX];

	if (visit->away_since)
		return complain(visit->gate->client, &visit->away);
	notice("TIMEOUT %s is still being run by %s, for %s; not waited for longer than %s",
	       visit->gate->key, visit->last.holder, duration_show(visit->last.age_ms, age),
	       duration_show(now_in_ms() - visit->began, spent));
	return berth_error_exit_status(BERTH_TIMEOUT);
}

static bool
is_over(const struct visit *visit)
{
	int64_t now = now_in_ms();

	return now >= visit->until
	       || (visit->until == INT64_MAX && visit->away_since
	           && now - visit->away_since >= AWAY_MOST_MS);
}

static long long
slice(const struct visit *visit)
{
	int64_t left = visit->until - now_in_ms();

	return left < 0 ? 0 : left < SLICE_MS ? left : SLICE_MS;
}

/* 0 when it came to something, 1 to go on waiting, -1 for an error that waiting does not mend. */
static int
look(struct visit *visit, bool retry, long long wait_ms, struct berth_error *e)
{
	char holder[sizeof visit->last.holder];
	bool was_away = visit->away_since != 0;
	int n;

	memcpy(holder, visit->last.holder, sizeof holder);
	n = ask(visit, retry, wait_ms, e);
	if (n < 0 && !is_away(visit->gate, e))
		return -1;
	if (n < 0)
		visit->away = *e;
	visit->away_since = n == 0 ? 0 : was_away ? visit->away_since : now_in_ms();
	note_news(visit, holder, was_away);
	return n < 0 || strcmp(visit->last.state, "wait") == 0;
}

int
gate_enter(struct gate *gate, bool retry, long long timeout_ms, struct gate_answer *ret)
{
	struct visit visit = { .gate = gate, .began = now_in_ms(), .until = INT64_MAX };
	bool asked =
		false; /* it was answered; from then on RETRY would hide the failure waited for */
	struct berth_error e;
	int n;

	if (timeout_ms != NO_TIMEOUT)
		visit.until = visit.began + timeout_ms;
	waiting_init(&visit.waiting, 0);
	while ((n = look(&visit, retry && !asked, asked ? slice(&visit) : 0, &e)) > 0
	       && !is_over(&visit)) {
		asked |= !visit.away_since;
		show(&visit);
		if (visit.away_since)
			pause_a_little();
	}
	waiting_end(&visit.waiting);
	*ret = visit.last;
	return n < 0 ? complain(gate->client, &e) : n > 0 ? too_late(&visit) : 0;
}

/* ---- going on ---- */

enum gate_again
gate_go_on(struct gate *gate, long long fence)
{
	char number[24];
	const char *argv[] = { "ONCE", "ENTER", gate->key, "FENCE", number };
	struct gate_answer answer;
	struct berth_reply *reply;
	struct berth_error e;

	snprintf(number, sizeof number, "%lld", fence);
	if (tell(gate, 0, 5, argv, &reply, &e) < 0)
		return is_away(gate, &e) ? GATE_AWAY : GATE_LOST;
	read_answer(reply, &answer);
	berth_reply_free(reply);
	return strcmp(answer.state, "run") == 0 ? GATE_BACK : GATE_LOST;
}

/* ---- saying how it went ---- */

int
gate_finish(struct gate *gate, long long fence, const char *failure, int status,
            struct berth_error *e)
{
	int64_t until = now_in_ms() + FINISH_MOST_MS;
	char number[24], code[24];
	const char *argv[] = {
		"ONCE", failure ? "FAIL" : "DONE", gate->key, number, failure, "STATUS", code
	};
	struct berth_reply *reply;

	snprintf(number, sizeof number, "%lld", fence);
	snprintf(code, sizeof code, "%d", status);
	while (tell(gate, 0, failure ? 7 : 4, argv, &reply, e) < 0) {
		if (!is_away(gate, e) || now_in_ms() >= until)
			return -1;
		holder_be_mortal();
		pause_a_little();
	}
	berth_reply_free(reply);
	return 0;
}

static bool
find(struct gate *gate, struct gate_answer *ret)
{
	struct berth_reply *rows;
	struct berth_error e;
	char key[GATE_KEY_SIZE];
	bool found = false;

	if (tell(gate, 0, 2, (const char *const[]){ "ONCE", "LIST" }, &rows, &e) < 0)
		return false;
	for (size_t i = 0; i < rows->count && !found; i++) {
		read_text(rows->items[i], "key", key, sizeof key);
		found = strcmp(key, gate->key) == 0;
		if (found)
			read_answer(rows->items[i], ret);
	}
	berth_reply_free(rows);
	return found;
}

void
gate_stale(struct gate *gate, long long fence, char *text, size_t size)
{
	struct gate_answer now;

	if (!find(gate, &now))
		snprintf(text, size, "it was forgotten meanwhile");
	else if (now.fence == fence)
		snprintf(text, size, "nobody has run it since; the next one will");
	else if (strcmp(now.state, "running") == 0)
		snprintf(text, size, "another one runs it now: %s", now.holder);
	else
		snprintf(text, size, "another one has run it meanwhile: %s (%s)", now.holder,
		         now.state);
}
