/* SPDX-License-Identifier: MIT */
/* berth reset: a lease is brought back to its template, its baseline, or nothing; a schema of nobody's to nothing. */
#include <stdio.h>
#include <string.h>

#include "client/cli/amount.h"
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/fields.h"
#include "client/cli/rows.h"
#include "client/cli/session.h"

const struct command command_reset;

static bool force, foreign;

static const struct cli_option options[] = {
	{ "force", NULL, OPTION_FLAG, &force, "end the sessions that are in the way" },
	{ "foreign", NULL, OPTION_FLAG, &foreign, "a schema that berth did not make, too" },
	{ 0 }
};

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

/* ---- a schema that no lease holds ---- */

enum { PATTERN_MAX = 2 * 64 };

/* A LIKE that matches that name alone; false: it is too long to be one. */
static bool
pattern_of(const char *name, char out[PATTERN_MAX])
{
	size_t len = 0;

	for (; *name && len + 3 < PATTERN_MAX; name++) {
		if (strchr("\\%_", *name))
			out[len++] = '\\';
		out[len++] = *name;
	}
	out[len] = '\0';
	return !*name;
}

static const char *
text_of(const struct berth_reply *row, const char *field)
{
	const struct berth_reply *value = rows_field(row, field);

	return value && value->type == BERTH_REPLY_TEXT ? value->text : "";
}

static long long
tables_of(const struct berth_reply *rows)
{
	const struct berth_reply *tables = rows->count ? rows_field(rows->items[0], "tables") : NULL;

	return tables && tables->type == BERTH_REPLY_INTEGER ? tables->integer : 0;
}

/* One answer; again as long as it is `dropping`: the first one knows of all tables. *ret is the caller's. */
static int
empty_schema(struct berth_client *client, const char *name, long long *ret_tables, struct berth_reply **ret,
             struct berth_error *e)
{
	char pattern[PATTERN_MAX];
	const char *words[8] = { "ORPHANS", "DROP", "EMPTY", "LIKE", pattern };
	int count = 5;

	if (!pattern_of(name, pattern))
		return -1;
	if (foreign)
		words[count++] = "FOREIGN";
	if (force)
		words[count++] = "SESSIONS";
	for (*ret_tables = 0;;) {
		if (berth_command(client, BERTH_WAIT_FOREVER, count, words, ret, e) < 0)
			return -1;
		if (tables_of(*ret) > *ret_tables)
			*ret_tables = tables_of(*ret);
		if ((*ret)->count == 0 || strcmp(text_of((*ret)->items[0], "action"), "dropping") != 0)
			return 0;
		berth_reply_free(*ret);
	}
}

static int
show_emptied(const char *name, const struct berth_reply *row, long long tables, bool as_json)
{
	char amount[AMOUNT_TEXT_MAX];

	if (strcmp(text_of(row, "action"), "emptied") != 0) {
		fprintf(stderr, "berth: schema %s is left as it is: %s\n", name, text_of(row, "why"));
		return 1;
	}
	if (as_json)
		json_print(json_pack("{s:o, s:I, s:b}", "schema", text_json(name), "tables", (json_int_t)tables, "emptied", true));
	else
		printf("emptied of %s\n", amount_of(tables, "table", amount));
	return 0;
}

/* `e`: there is no lease of that name. */
static int
reset_schema(struct berth_client *client, const char *name, bool as_json, struct berth_error *e)
{
	struct berth_error own = *e;
	struct berth_reply *rows;
	long long tables;
	int status;

	if (empty_schema(client, name, &tables, &rows, &own) < 0)
		return complain(client, &own);
	if (rows->count > 0) {
		status = show_emptied(name, rows->items[0], tables, as_json);
	} else {
		status = complain(client, e);
		hint("nor is there a schema of that name that nobody owns%s",
		     foreign ? "" : "; one that berth did not make is emptied with --foreign");
	}
	berth_reply_free(rows);
	return status;
}

/* ---- */

static int
reset(struct berth_client *client, const char *id, const struct invocation *asked)
{
	struct berth_reset_report report;
	struct berth_error e;

	if (berth_reset(client, id, force, &report, &e) == 0) {
		if (asked->json)
			show_json(id, &report);
		else
			show(&report);
		return 0;
	}
	if (e.code == BERTH_NOLEASE && asked->argc > 0 && !strchr(id, '/'))
		return reset_schema(client, id, asked->json, &e);
	return complain(client, &e);
}

static int
run(const struct invocation *asked)
{
	return session_do(&command_reset, asked, reset);
}

const struct command command_reset = {
	.name = "reset",
	.usage = "[--force] [--foreign] [LEASE | SCHEMA]",
	.summary = "Bring a lease back to its template, its baseline, or nothing",
	.details =
		"Its schema is then what the template has, or what was there at `berth baseline`, or empty; its\n"
		"Redis database is empty. Says which of it had to be changed, or `rebuilt` when the schema was\n"
		"made anew. A session of the lease's role that is in a transaction or runs something stands in\n"
		"the way (BUSY names it) and with --force is ended; idle sessions stay.\n"
		"\n"
		"LEASE is an id or RUN/WORKER; without it, $BERTH_LEASE. SCHEMA is that of a lease, or one that\n"
		"nobody owns (see berth help orphans): that is emptied and stays, with its owner and what is\n"
		"granted on it. One that berth did not make is emptied only with --foreign.\n",
	.options = options,
	.most = 1,
	.run = run,
};
