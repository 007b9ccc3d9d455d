/* SPDX-License-Identifier: MIT */
/* berth doctor: what is misconfigured, what it means, what mends it. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/rows.h"
#include "client/cli/session.h"

enum { EXIT_WARN = 1, EXIT_BAD = 3 };

static bool all;

static const struct cli_option options[] = {
	{ "all", NULL, OPTION_FLAG, &all, "what is well, too" },
	{ 0 }
};

static const struct rows_column columns[] = {
	{ "severity" }, { "key" }, { "text" }, { "remedy" }, { 0 },
};

/* From good to bad. */
static const struct severity {
	const char *word, *color;
	int status;
} severities[] = {
	{ "ok",   "\033[32m", 0 },
	{ "info", "\033[36m", 0 },
	{ "warn", "\033[33m", EXIT_WARN },
	{ "bad",  "\033[31m", EXIT_BAD },
};
enum { SEVERITIES = sizeof severities / sizeof *severities };

static const char *
text_of(const struct berth_reply *row, const char *field)
{
	const struct berth_reply *value = rows_field(row, field);

	return value && value->type == BERTH_REPLY_TEXT ? value->text : "";
}

static bool
is_of(const struct berth_reply *row, const struct severity *severity)
{
	return strcmp(text_of(row, "severity"), severity->word) == 0;
}

static int
count(const struct berth_reply *rows, const struct severity *severity)
{
	int n = 0;

	for (size_t i = 0; i < rows->count; i++)
		n += is_of(rows->items[i], severity);
	return n;
}

static void
show_finding(const struct berth_reply *row, const struct severity *severity)
{
	printf("%s%-4s\033[0m  %s: %s\n", severity->color, severity->word, text_of(row, "key"), text_of(row, "text"));
	if (*text_of(row, "remedy"))
		printf("      \033[1m%s\033[0m\n", text_of(row, "remedy"));
}

/* The worst comes last, where a person at a terminal looks. */
static void
show(const struct berth_reply *rows)
{
	for (int s = all ? 0 : 1; s < SEVERITIES; s++)
		for (size_t i = 0; i < rows->count; i++)
			if (is_of(rows->items[i], &severities[s]))
				show_finding(rows->items[i], &severities[s]);
	for (int s = 0; s < SEVERITIES; s++)
		printf("%s%d %s", s ? ", " : "", count(rows, &severities[s]), severities[s].word);
	putchar('\n');
}

static int
worst(const struct berth_reply *rows)
{
	int status = 0;

	for (int s = 0; s < SEVERITIES; s++)
		if (count(rows, &severities[s]) > 0)
			status = severities[s].status;
	return status;
}

static int
run(const struct invocation *asked)
{
	struct berth_reply *rows;
	int status = session_ask(asked, BERTH_WAIT_FOREVER, 1, (const char *const[]){ "DOCTOR" }, &rows);

	if (status)
		return status;
	if (asked->json || !isatty(STDOUT_FILENO))
		rows_show(rows, asked->json, columns, "");
	else
		show(rows);
	status = worst(rows);
	berth_reply_free(rows);
	return status;
}

const struct command command_doctor = {
	.name = "doctor",
	.usage = "[--all]",
	.summary = "What is misconfigured around the daemon, what it means, and what mends it",
	.details =
		"Each finding is ok, info (worth knowing), warn (some day it hurts) or bad (leases fail). In a pipe one\n"
		"line for each, ok ones too, with tabs between: severity key text remedy.\n"
		"\n"
		"Exit status: 0 nothing worse than info, 1 the worst is warn, 3 the worst is bad.\n",
	.options = options,
	.run = run,
};
