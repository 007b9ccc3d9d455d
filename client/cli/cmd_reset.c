/* SPDX-License-Identifier: MIT */
/* berth reset: a lease is brought back to its template, its baseline, or nothing. */
#include <stdio.h>

#include "client/cli/amount.h"
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"

const struct command command_reset;

static bool force;

static const struct cli_option options[] = { { "force", NULL, OPTION_FLAG, &force,
	                                       "end the lease's other sessions that are not idle" },
	                                     { 0 } };

static void
show(const struct berth_reset_report *report)
{
	char tables[AMOUNT_TEXT_MAX], rows[AMOUNT_TEXT_MAX], sequences[AMOUNT_TEXT_MAX];
	char spent[DURATION_TEXT_MAX];

	duration_show_us(report->us, spent);
	if (report->rebuilt)
		printf("rebuilt in %s\n", spent);
	else
		printf("%s, %s, %s in %s\n", amount_of(report->tables, "table", tables),
		       amount_of(report->rows, "row", rows),
		       amount_of(report->sequences, "sequence", sequences), spent);
}

static void
show_json(const char *id, const struct berth_reset_report *report)
{
	json_print(json_pack("{s:o, s:I, s:I, s:I, s:b, s:I}", "lease", text_json(id), "tables",
	                     (json_int_t)report->tables, "rows", (json_int_t)report->rows,
	                     "sequences", (json_int_t)report->sequences, "rebuilt", report->rebuilt,
	                     "us", (json_int_t)report->us));
}

static int
run(const struct invocation *asked)
{
	const char *id = session_lease(&command_reset, asked);
	struct berth_reset_report report;
	struct berth_client *client;
	struct berth_error e;
	int status;

	if (!id)
		return EXIT_WRONG_USAGE;
	status = session_open(asked, &client);
	if (status)
		return status;
	if (berth_reset(client, id, force, &report, &e) < 0)
		status = complain(client, &e);
	else if (asked->json)
		show_json(id, &report);
	else
		show(&report);
	berth_close(client);
	return status;
}

const struct command command_reset = {
	.name = "reset",
	.usage = "[--force] [LEASE]",
	.summary = "Bring a lease back to its template, its baseline, or nothing",
	.details =
		"Its schema is then what the template has, or what was there at `berth baseline`, or empty; its\n"
		"Redis database is empty. Says which of it had to be changed, or `rebuilt` when the schema was\n"
		"made anew. A session of the lease's role that is in a transaction or runs something stands in\n"
		"the way (BUSY names it) and with --force is ended; idle sessions stay.\n"
		"\n"
		"LEASE is an id or RUN/WORKER; without it, $BERTH_LEASE.\n",
	.options = options,
	.most = 1,
	.run = run,
};
