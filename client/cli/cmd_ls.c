/* SPDX-License-Identifier: MIT */
/* berth ls: who holds or waits for what. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"
#include "client/cli/table.h"

static const char *only_run;
static bool all;

static const struct cli_option options[] = {
	{ "run", "R", OPTION_TEXT, &only_run, "only this test session's" },
	{ "all", NULL, OPTION_FLAG, &all, "every user's leases, not only yours" },
	{ 0 }
};

static void
show_json(struct berth_leases *list)
{
	json_t *array = need(json_array());
	const struct berth_lease_row *row;

	while ((row = berth_leases_next(list)))
		json_array_append_new(array, fields_json(row_fields, row));
	json_print(array);
}

/* One line a lease, a tab between fields, `-` for nothing; control characters become spaces. */
static void
show_lines(struct berth_leases *list)
{
	const struct berth_lease_row *row;
	char number[FIELD_NUMBER_MAX];

	while ((row = berth_leases_next(list)))
		for (const struct cli_field *f = row_fields; f->name; f++) {
			const char *text = field_text(f, row, number);

			for (const char *c = text && *text ? text : "-"; *c; c++)
				putchar((unsigned char)*c < ' ' || *c == 127 ? ' ' : *c);
			putchar(f[1].name ? '\t' : '\n');
		}
}

static int
run(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_leases *list;
	struct berth_error e;
	int status = session_open(asked, &client);

	if (status)
		return status;
	if (berth_leases(client, only_run, all ? -1 : (long long)getuid(), &list, &e) < 0) {
		status = complain(client, &e);
	} else {
		if (asked->json)
			show_json(list);
		else if (isatty(STDOUT_FILENO))
			table_show(list, all);
		else
			show_lines(list);
		berth_leases_free(list);
	}
	berth_close(client);
	return status;
}

const struct command command_ls = {
	.name = "ls",
	.usage = "[--run R] [--all]",
	.summary = "Who holds or waits for what",
	.details =
		"A table on a terminal. In a pipe one line for each lease, with tabs between: lease run worker\n"
		"state position kind schema role dbname redis redis_db fence uid pid label age_ms expires_ms\n"
		"connections; - stands for nothing.\n",
	.options = options,
	.run = run,
};
