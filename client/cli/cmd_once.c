/* SPDX-License-Identifier: MIT */
/* berth once: of all that are told to run a command, one does, and the others learn how it went. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libsmartcols/libsmartcols.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/failure.h"
#include "client/cli/fingerprint.h"
#include "client/cli/gate.h"
#include "client/cli/holder.h"
#include "client/cli/rows.h"
#include "client/cli/session.h"
#include "client/cli/tap.h"

static struct {
	bool retry, verbose, forget, ls;
	long long timeout_ms;
	struct texts key_from;
} asks = { .timeout_ms = NO_TIMEOUT };

/* clang-format off */
static const struct cli_option options[] = {
	{ "retry", NULL, OPTION_FLAG, &asks.retry, "run it although an earlier run failed" },
	{ "timeout", "TIME", OPTION_DURATION, &asks.timeout_ms, "how long to wait for another one's run (default: its end)" },
	{ "key-from", "FILE...", OPTION_WORDS, &asks.key_from, "append a fingerprint of these files to KEY" },
	{ "verbose", NULL, OPTION_FLAG, &asks.verbose, "say also that it was done already" },
	{ "forget", NULL, OPTION_FLAG, &asks.forget, "forget how KEY went; the next one runs it" },
	{ "ls", NULL, OPTION_FLAG, &asks.ls, "show all keys" },
	{ 0 }
};

static const struct rows_column columns[] = {
	{ "key",     "KEY",     0.3 },
	{ "state",   "STATE",   7 },
	{ "fence" },
	{ "holder",  "HOLDER",  0.2, SCOLS_FL_TRUNC },
	{ "uid" },
	{ "age_ms",  "AGE",     6,   SCOLS_FL_RIGHT, ROWS_AGE },
	{ "message", "MESSAGE", 0.4, SCOLS_FL_TRUNC },
	{ 0 }
};
/* clang-format on */

/* ---- --ls, --forget ---- */

static int
list(const struct invocation *asked)
{
	struct berth_reply *rows;
	int status = session_ask(asked, 0, 2, (const char *const[]){ "ONCE", "LIST" }, &rows);

	if (status)
		return status;
	rows_show(rows, asked->json, columns, "nothing was run once yet");
	berth_reply_free(rows);
	return 0;
}

static int
forget(const struct gate *gate)
{
	const char *argv[] = { "ONCE", "FORGET", gate->key };
	struct berth_reply *reply = NULL;
	struct berth_error e;
	int status = 0;

	if (berth_command(gate->client, 0, 3, argv, &reply, &e) < 0)
		status = complain(gate->client, &e);
	berth_reply_free(reply);
	return status;
}

/* ---- running it ---- */

/* CMD is over, but nobody knows how it went. */
static int
unrecorded(struct gate *gate, long long fence, int status, const struct berth_error *e)
{
	char why[BERTH_ERROR_MESSAGE_MAX];

	if (e->code == BERTH_STALE) {
		gate_stale(gate, fence, why, sizeof why);
		notice("STALE the connection was lost while the command ran, and with it the claim on %s; %s",
		       gate->key, why);
	} else {
		notice("%s how %s went could not be recorded: %s", berth_error_name(e->code),
		       gate->key, e->message);
	}
	return status ? status : berth_error_exit_status(BERTH_UNAVAILABLE);
}

static int
report(struct gate *gate, const struct holding *holding, long long fence, int status)
{
	char failure[BERTH_ERROR_MESSAGE_MAX] = "";
	struct berth_error e;

	if (holding->interrupted) {
		notice("%s was interrupted: the next one may run it", gate->key);
		return status;
	}
	if (status)
		failure_text(gate->asked->command_argc, gate->asked->command, holding->tap, status,
		             failure);
	if (gate_finish(gate, fence, status ? failure : NULL, status, &e) < 0)
		return unrecorded(gate, fence, status, &e);
	return status;
}

struct stake {
	struct gate *gate;
	long long fence;
};

static bool
come_back(struct holding *holding)
{
	const struct stake *stake = holding->arg;
	struct gate *gate = stake->gate;
	enum gate_again again = gate_go_on(gate, stake->fence);
	char why[BERTH_ERROR_MESSAGE_MAX];

	holding->client = gate->client;
	if (again == GATE_BACK) {
		notice("the daemon is back, and %s is still ours", gate->key);
	} else if (again == GATE_LOST) {
		gate_stale(gate, stake->fence, why, sizeof why);
		notice("STALE the daemon is back, but %s is not ours any more (%s); the command goes on",
		       gate->key, why);
		holding->come_back = NULL;
	}
	return again == GATE_AWAY;
}

static int
run_command(struct gate *gate, long long fence)
{
	struct tap tap = { 0 };
	struct stake stake = { gate, fence };
	struct holding holding = {
		.client = gate->client,
		.at_stake = "the command goes on, and so does its claim if the daemon is back soon",
		.come_back = come_back,
		.arg = &stake,
		.tap = &tap,
		.keeps_connection = true,
	};
	int status = holder_run_as(gate->asked->command_argc, gate->asked->command, &holding);

	return report(gate, &holding, fence, status);
}

static int
was_done(const struct gate *gate, const struct gate_answer *answer)
{
	char age[DURATION_TEXT_MAX];

	if (asks.verbose || isatty(STDERR_FILENO))
		notice("%s was done %s ago by %s", gate->key, duration_show(answer->age_ms, age),
		       answer->holder);
	return 0;
}

static int
had_failed(const struct gate *gate, const struct gate_answer *answer)
{
	char age[DURATION_TEXT_MAX];

	notice("%s failed %s ago (%s): %s", gate->key, duration_show(answer->age_ms, age),
	       answer->holder, answer->message);
	hint("--retry runs it again, `berth once --forget KEY` lets the next one run it");
	return answer->status ? answer->status : EXIT_FAILURE;
}

static int
around_command(struct gate *gate)
{
	struct gate_answer answer;
	int status = gate_enter(gate, asks.retry, asks.timeout_ms, &answer);

	if (status)
		return status;
	if (strcmp(answer.state, "run") == 0)
		return run_command(gate, answer.fence);
	return strcmp(answer.state, "done") == 0 ? was_done(gate, &answer)
	                                         : had_failed(gate, &answer);
}

/* ---- what is asked ---- */

static int
make_key(const struct invocation *asked, char key[GATE_KEY_SIZE], struct berth_error *e)
{
	char print[FINGERPRINT_TEXT] = "";
	int len;

	if (asks.key_from.count && fingerprint("--key-from ", &asks.key_from, print, e) < 0)
		return -1;
	len = snprintf(key, GATE_KEY_SIZE, "%s%s%s", asked->argv[0], *print ? "@" : "", print);
	if (len >= GATE_KEY_SIZE)
		return berth_error_set(e, BERTH_USAGE, "the key has %d bytes; %d is the most", len,
		                       LIMIT_GATE_KEY_BYTES);
	return 0;
}

static int
check(const struct invocation *asked)
{
	if (asks.ls + asks.forget + (asked->command != NULL) != 1)
		return complain_usage("once", "one of these: KEY -- CMD, --forget KEY, --ls");
	if (asks.ls && asked->argc)
		return complain_usage("once", "'%s' is one word too many", asked->argv[0]);
	if (!asks.ls && !asked->argc)
		return complain_usage("once", "which key?%s",
		                      asks.key_from.count ? " It comes before --key-from" : "");
	return 0;
}

static int
run(const struct invocation *asked)
{
	struct gate gate = { .asked = asked };
	struct berth_error e;
	int status = check(asked);

	if (status)
		return status;
	if (asks.ls)
		return list(asked);
	if (make_key(asked, gate.key, &e) < 0)
		return e.code == BERTH_USAGE ? complain_usage("once", "%s", e.message)
		                             : complain(NULL, &e);
	status = session_open(asked, &gate.client);
	if (status)
		return status;
	status = asks.forget ? forget(&gate) : around_command(&gate);
	gate_leave(&gate);
	return status;
}

const struct command command_once = {
	.name = "once",
	.usage = "[OPTION...] KEY -- CMD [ARGUMENT...] | --forget KEY | --ls",
	.summary = "Of all that are told to run a command, one does",
	.details =
		"Of all `berth once KEY` at once, on any host that shares the database, one runs CMD; the others\n"
		"wait for it. Whoever comes when it is done goes on at once. Exit status: CMD's own for the one that\n"
		"ran it; 0 for all others once it is done; when it failed its status, with the message on stderr,\n"
		"for those that waited and those that come later, until one of them says --retry or somebody says\n"
		"--forget; 75 when --timeout was over, or how CMD went could not be recorded.\n"
		"\n"
		"A failure that one has waited for counts with --retry too: so of many with --retry one runs it again.\n"
		"An interrupted CMD (SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGKILL, to berth or to CMD) has not failed: the\n"
		"next one runs it. When berth is killed, CMD gets SIGTERM, and the next one waits until it and what\n"
		"it started have ended. CMD runs as with `berth exec`, but without a lease and its variables.\n"
		"\n"
		"The message holds CMD's last lines on stderr, unless that is a terminal; everybody can read it.\n"
		"--key-from FILE... takes the words up to the next option: the same files with the same contents\n"
		"make the same key on every machine; so new migrations run again:\n"
		"\n"
		"  berth once migrate --key-from migrations/*.py -- alembic upgrade head\n"
		"\n"
		"--ls shows a table on a terminal, else one line for each key with tabs between: key state fence\n"
		"holder uid age_ms message; - stands for nothing.\n",
	.options = options,
	.most = 1,
	.takes = TAKES_COMMAND_AFTER_DASHES,
	.run = run,
};
