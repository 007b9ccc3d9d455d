/* SPDX-License-Identifier: MIT */
/* berth enum: shared enum types, made once for everybody. */
#include <errno.h>
#include <libsmartcols/libsmartcols.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/rows.h"
#include "client/cli/session.h"
#include "proto/limits.h"

enum { PATIENCE_MS = 500 };

/* clang-format off */
static const struct rows_column columns[] = {
	{ "name",   "NAME" },
	{ "schema", "SCHEMA" },
	{ "labels", "LABELS", 0.6, SCOLS_FL_WRAP, ROWS_WORDS },
	{ 0 }
};
/* clang-format on */

static int
list(const struct invocation *asked)
{
	struct berth_reply *rows;
	int status;

	if (asked->argc > 1)
		return complain_usage("enum", "'%s' is one word too many", asked->argv[1]);
	status = session_ask(asked, BERTH_WAIT_FOREVER, 2, (const char *const[]){ "ENUM", "LIST" }, &rows);
	if (status)
		return status;
	rows_show(rows, asked->json, columns, "no shared enums");
	berth_reply_free(rows);
	return 0;
}

/* The daemon may have to wait for somebody: a person should know why nothing moves. */
static void
say_that_it_waits(int sig)
{
	static const char text[] = "berth: waiting for others that make types or hold their lock\n";
	int error = errno;

	if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
		errno = EIO;
	errno = error;
}

static void
patience(int ms)
{
	struct itimerval timer = { .it_value = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 } };

	sigaction(SIGALRM, &(struct sigaction){ .sa_handler = say_that_it_waits }, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}

static int
make(const struct invocation *asked, const char *verb)
{
	const char *argv[LIMIT_REQUEST_ARGS] = { "ENUM", verb };
	struct berth_reply *reply;
	int argc = 2, status;

	if (asked->argc < 3)
		return complain_usage("enum", "%s takes a name and at least one label",
		                      asked->argv[0]);
	if (asked->argc + 1 > LIMIT_REQUEST_ARGS)
		return complain_usage("enum", "%d labels; %d is the most", asked->argc - 2,
		                      LIMIT_REQUEST_ARGS - 3);
	for (int i = 1; i < asked->argc; i++)
		argv[argc++] = asked->argv[i];
	patience(PATIENCE_MS);
	status = session_ask(asked, BERTH_WAIT_FOREVER, argc, argv, &reply); /* within its enum_wait_ms */
	patience(0);
	if (status)
		return status;
	if (asked->json)
		json_print(json_pack("{s:o, s:o}", "name", text_json(asked->argv[1]), "outcome",
		                     text_json(reply->text ? reply->text : "")));
	else
		puts(reply->text ? reply->text : "");
	berth_reply_free(reply);
	return 0;
}

static int
run(const struct invocation *asked)
{
	const char *what = asked->argc ? asked->argv[0] : "";

	if (strcmp(what, "ls") == 0)
		return list(asked);
	if (strcmp(what, "ensure") == 0)
		return make(asked, "ENSURE");
	if (strcmp(what, "append") == 0)
		return make(asked, "APPEND");
	return complain_usage("enum", "%s%s%sensure, append or ls?", *what ? "'" : "", what,
	                      *what ? "': " : "");
}

const struct command command_enum = {
	.name = "enum",
	.usage = "ensure NAME LABEL... | append NAME LABEL... | ls",
	.summary = "Shared enum types, made once for everybody",
	.details =
		"ensure makes the type if it is not there and says `created` or `exists`; when it is there with\n"
		"other labels, that is an error that names the difference (DRIFT). append also adds the labels\n"
		"that are missing, at the end, and says `appended`; labels cannot be taken back. ls shows all of\n"
		"them: a table on a terminal, else one line for each with tabs between: name schema labels.\n"
		"\n"
		"Names and labels are taken as they are: no quotes, no change of case. Those that begin with a\n"
		"dash come after a `--`.\n",
	.most = LIMIT_REQUEST_ARGS,
	.run = run,
};
