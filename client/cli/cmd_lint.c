/* SPDX-License-Identifier: MIT */
/* berth lint: migrations in two schemas and in a database, and what of them does not stay inside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/holder.h"
#include "client/cli/lint_find.h"
#include "client/cli/lint_look.h"
#include "client/cli/rows.h"
#include "client/cli/session.h"
#include "client/cli/wish.h"

enum { NOT_RUN = 126, NOT_FOUND = 127 };

static struct wish wish = { .ttl_ms = NO_TTL, .wait_ms = USUAL_WAIT, .label = "berth lint" };

static const struct cli_option options[] = { WISH_OPTION_REDIS(wish),
	                                     WISH_OPTION_WAIT(wish),
	                                     WISH_OPTION_ENV(wish),
	                                     { 0 } };

static const struct {
	const char *worker, *kind, *said;
} leases[LINT_RUNS] = {
	[LINT_FIRST] = { "lint-1", "schema", "it runs in an empty schema" },
	[LINT_SECOND] = { "lint-2", "schema", "it runs in a second schema, beside the first" },
	[LINT_DATABASE] = { "lint-database", "database", "it runs in a database of its own" },
};

/* ---- one run ---- */

/* 0 once CMD has ended on its own and its lease was looked at, or the exit status of all. */
static int
run_in(struct berth_client *client, const struct berth_lease *lease, const struct invocation *asked,
       struct lint_run *run)
{
	struct tap tap = { .everything = true };
	struct holding holding = { .client = client, .at_stake = "the lease may be gone", .tap = &tap };
	struct berth_error e;

	session_environment(client, lease, &wish.env);
	run->status = holder_run_as(asked->command_argc, asked->command, &holding);
	holder_be_mortal();
	if (holding.interrupted || run->status == NOT_FOUND || run->status == NOT_RUN)
		return run->status;
	tap_words(&tap, run->words);
	run->ran = true;
	return look(lease, &run->left, &e) < 0 ? complain(client, &e) : 0;
}

/* The lease is kept until all is done: what it holds is to stand in the way of the next. */
static int
lease_and_run(struct berth_client *client, const struct invocation *asked, int which, struct lint_run *run)
{
	struct berth_lease *lease = NULL;
	struct berth_error e;
	int status;

	notice("%s", leases[which].said);
	wish.worker = leases[which].worker;
	wish.kind = leases[which].kind;
	status = wish_acquire(&wish, client, &lease);
	if (status && which == LINT_DATABASE) {
		notice("so what a schema refuses is told by the first failure alone");
		return 0; /* berthd may have no right to make one */
	}
	if (status == 0 && which == LINT_DATABASE && look_prepare(lease, &e) < 0)
		status = complain(client, &e);
	if (status == 0)
		status = run_in(client, lease, asked, run);
	berth_lease_free(lease);
	return status;
}

/* ---- all of them ---- */

/* A second schema tells nothing new where the first was not migrated. */
static int
run_all(struct berth_client *client, const struct invocation *asked, struct lint_run runs[LINT_RUNS])
{
	int status = lease_and_run(client, asked, LINT_FIRST, &runs[LINT_FIRST]);

	if (status == 0 && runs[LINT_FIRST].status == 0)
		status = lease_and_run(client, asked, LINT_SECOND, &runs[LINT_SECOND]);
	if (status == 0)
		status = lease_and_run(client, asked, LINT_DATABASE, &runs[LINT_DATABASE]);
	return status;
}

/* What to do is in lines and JSON with each finding; people are told it once. */
static void
hint_at_deeds(const struct berth_reply *found)
{
	const char *last = "";

	for (size_t i = 0; i < found->count; i++) {
		const char *deed = rows_field(found->items[i], "do")->text;

		if (strcmp(deed, last) != 0)
			hint("%s: %s", rows_field(found->items[i], "finding")->text, deed);
		last = deed;
	}
}

static int
show(const struct lint_run runs[LINT_RUNS], bool json)
{
	struct berth_reply *found = lint_find(runs);
	int status = found->count > 0;

	if (runs[LINT_FIRST].status == 0 && runs[LINT_DATABASE].status != 0)
		notice("it fails in an empty database alone: what is not seen in a schema is not told");
	rows_show(found, json, lint_columns, "all of it stays inside of the lease's schema");
	if (!json && isatty(STDOUT_FILENO))
		hint_at_deeds(found);
	berth_reply_free(found);
	return status;
}

static int
run(const struct invocation *asked)
{
	struct lint_run runs[LINT_RUNS] = { 0 };
	struct berth_client *client;
	struct berth_error e;
	int status;

	if (vars_check(&wish.env, &e) < 0)
		return complain_usage("lint", "%s", e.message);
	status = session_open(asked, &client);
	if (status)
		return status;
	status = run_all(client, asked, runs);
	if (status == 0)
		status = show(runs, asked->json);
	for (int i = 0; i < LINT_RUNS; i++)
		PQclear(runs[i].left);
	berth_close(client);
	return status;
}

const struct command command_lint = {
	.name = "lint",
	.usage = "[OPTION...] [--] CMD [ARGUMENT...]",
	.summary = "What of the migrations does not stay inside of a lease",
	.details =
		"Runs CMD, which migrates, three times: in the environment of a lease, of a second one beside the\n"
		"first, and of a database of its own, where what would be refused to a lease is made and can be named.\n"
		"Then it says what did not stay inside of the lease's schema, and what to do:\n"
		"\n"
		"  fails    CMD failed, with its last words: in an empty schema, or only beside another\n"
		"  nothing  CMD succeeded and made nothing in the lease\n"
		"  outside  something was made elsewhere: in public, in a schema of a fixed name, an extension, ...\n"
		"  missing  the second schema did not get what the first got\n"
		"  public   the text of a function names things in public\n"
		"  itself   the text of a function holds the schema's name, which another lease does not have\n"
		"  channel  a function notifies; channels are the database's\n"
		"  lock     a function takes advisory locks; keys are the database's\n"
		"\n"
		"  berth lint -- alembic upgrade head\n"
		"\n"
		"What CMD prints goes to stderr. A table on a terminal, else one line for each with tabs between:\n"
		"finding object why do; - stands for nothing. Exit status: 0 when all stays inside, 1 with findings.\n"
		"What CMD itself notifies or locks leaves no trace and is not seen; neither is what tests do later.\n"
		"\n" WISH_DETAILS,
	.options = options,
	.takes = TAKES_COMMAND,
	.run = run,
};
