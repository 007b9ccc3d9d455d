/* SPDX-License-Identifier: MIT */
/* Findings: what was seen, what that means for others, and what to do. */
#include "client/cli/lint_find.h"

#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/complain.h"
#include "client/cli/lint_look.h"

/* clang-format off */
const struct rows_column lint_columns[] = {
	{ "finding", "FINDING", 8 },
	{ "object",  "OBJECT",  0.2, SCOLS_FL_WRAP },
	{ "why",     "WHY",     0.4, SCOLS_FL_WRAP },
	{ "do" },
	{ 0 }
};

#define DATABASE "take KIND database"

/* The first row that fits; a type of NULL fits all. %s is the detail. */
static const struct meaning {
	const char *finding;
	const char *type;
	const char *why;
	const char *act;
} meanings[] = {
	{ "outside", "extension",    "an extension belongs to the whole database, and needs rights that a lease has not",
	  "create it once, before leases are handed out, and say IF NOT EXISTS here; or " DATABASE },
	{ "outside", "schema",       "a schema of a fixed name is one for all workers",
	  "let search_path decide where things go; or " DATABASE },
	{ "outside", "large object", "large objects belong to the whole database and have no schema",
	  "store it as bytea; or " DATABASE },
	{ "outside", NULL,           "it is made outside of the lease's schema, where all workers meet",
	  "write its name without a schema, so that search_path decides; or " DATABASE },
	{ "nothing", NULL,           "nothing was made in the lease: %s",
	  "let it connect to DATABASE_URL or PG*, or name another variable with --env" },
	{ "missing", NULL,           "the first schema got it and the second did not: something found the first's",
	  "let what looks into the catalog look at current_schema() alone (or use to_regclass, to_regtype)" },
	{ "public",  NULL,           "its text names %s, which is not in the lease's schema",
	  "write the name without a schema, or SET search_path FROM CURRENT; or " DATABASE },
	{ "itself",  NULL,           "its text holds this lease's schema, %s: a template cannot carry it to another",
	  "write the name without a schema" },
	{ "channel", NULL,           "%s: a channel is heard by all workers of the database",
	  "put current_schema() into the channel's name; or " DATABASE },
	{ "lock",    NULL,           "%s: a key is one for all workers of the database",
	  "take part of the key from hashtext(current_schema()); or " DATABASE },
	{ "fails",   "first",        "in an empty schema: %s",
	  "see what it names, and what else is found; or " DATABASE },
	{ "fails",   "second",       "in a second schema, once the first was migrated: %s",
	  "look for names that are fixed, and for looks into the catalog without current_schema(); or " DATABASE },
	{ "fails",   "database",     "also where schema and database are its own, so this list may not be all: %s",
	  "mend this first, and look again" },
	{ 0 }
};
/* clang-format on */

static const struct meaning *
meaning_of(const char *finding, const char *type)
{
	const struct meaning *m = meanings;

	while (strcmp(m->finding, finding) != 0 || (m->type && (!type || strcmp(m->type, type) != 0)))
		m++;
	return m;
}

static void
add(struct berth_reply *found, const char *finding, const char *type, const char *object, const char *detail)
{
	const struct meaning *m = meaning_of(finding, type);
	char *why;

	if (asprintf(&why, m->why, detail) < 0)
		need(NULL);
	rows_add(found, lint_columns, (const char *const[]){ finding, object, why, m->act });
	free(why);
}

static const char *
cell(const PGresult *left, int row, enum look_column column)
{
	return PQgetvalue(left, row, column);
}

static bool
has(const struct lint_run *run, const char *sees, const char *type, const char *name)
{
	for (int i = 0; run->left && i < PQntuples(run->left); i++)
		if (strcmp(cell(run->left, i, LOOK_SEES), sees) == 0
		    && strcmp(cell(run->left, i, LOOK_TYPE), type) == 0
		    && strcmp(cell(run->left, i, LOOK_NAME), name) == 0)
			return true;
	return false;
}

/* An extension that was there before does no harm: IF NOT EXISTS passes it by. */
static bool
is_harmless(const struct lint_run runs[LINT_RUNS], const char *type, const char *name)
{
	return runs[LINT_FIRST].status == 0 && has(&runs[LINT_FIRST], "there", type, name);
}

/* Whether it is one, or already said of an earlier run. */
static bool
is_new(const struct lint_run runs[LINT_RUNS], int run, const char *sees, const char *type, const char *name)
{
	for (int i = 0; i < run; i++)
		if (has(&runs[i], sees, type, name))
			return false;
	if (strcmp(sees, "outside") == 0)
		return !is_harmless(runs, type, name);
	return strcmp(sees, "inside") != 0 && strcmp(sees, "there") != 0;
}

static void
find_left(const struct lint_run runs[LINT_RUNS], int run, struct berth_reply *found)
{
	const PGresult *left = runs[run].left;

	for (int i = 0; left && i < PQntuples(left); i++) {
		const char *sees = cell(left, i, LOOK_SEES), *type = cell(left, i, LOOK_TYPE);
		const char *name = cell(left, i, LOOK_NAME);
		char object[512];

		snprintf(object, sizeof object, "%s%s%s", type, *name ? " " : "", name);
		if (is_new(runs, run, sees, type, name))
			add(found, sees, type, object, cell(left, i, LOOK_DETAIL));
	}
}

static void
find_missing(const struct lint_run *first, const struct lint_run *second, struct berth_reply *found)
{
	if (!second->left || first->status != 0)
		return;
	for (int i = 0; i < PQntuples(first->left); i++) {
		const char *type = cell(first->left, i, LOOK_TYPE), *name = cell(first->left, i, LOOK_NAME);
		char object[512];

		if (strcmp(cell(first->left, i, LOOK_SEES), "inside") != 0 || has(second, "inside", type, name))
			continue;
		snprintf(object, sizeof object, "%s %s", type, name);
		add(found, "missing", type, object, NULL);
	}
}

/* Silence of migrations that went elsewhere must not look like success. */
static void
find_nothing(const struct lint_run *first, struct berth_reply *found)
{
	if (first->status != 0)
		return;
	for (int i = 0; i < PQntuples(first->left); i++)
		if (strcmp(cell(first->left, i, LOOK_SEES), "there") != 0)
			return;
	add(found, "nothing", NULL, NULL, "does the command connect to it?");
}

static void
find_failures(const struct lint_run runs[LINT_RUNS], struct berth_reply *found)
{
	static const char *const names[LINT_RUNS] = { "first", "second", "database" };
	char words[TAP_WORDS_MAX + 32];

	for (int i = 0; i < LINT_RUNS; i++) {
		const struct lint_run *run = &runs[i];
		bool known = i == LINT_DATABASE && runs[LINT_FIRST].status == 0;

		if (!run->ran || run->status == 0 || known)
			continue;
		snprintf(words, sizeof words, "exit status %d%s%s", run->status, *run->words ? ": " : "", run->words);
		add(found, "fails", names[i], NULL, words);
	}
}

struct berth_reply *
lint_find(const struct lint_run runs[LINT_RUNS])
{
	struct berth_reply *found = need(calloc(1, sizeof *found));

	found->type = BERTH_REPLY_ARRAY;
	find_failures(runs, found);
	find_nothing(&runs[LINT_FIRST], found);
	for (int i = 0; i < LINT_RUNS; i++)
		find_left(runs, i, found);
	if (runs[LINT_SECOND].status == 0)
		find_missing(&runs[LINT_FIRST], &runs[LINT_SECOND], found);
	return found;
}
