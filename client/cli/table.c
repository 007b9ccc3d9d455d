/* SPDX-License-Identifier: MIT */
/* Leases as a table that fits the terminal, drawn by libsmartcols. */
#include "client/cli/table.h"

#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/complain.h"
#include "client/cli/duration.h"

enum { CELL_MAX = 64 };

static const char *
cell_lease(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	return row->lease;
}

static const char *
cell_run(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	return row->run;
}

static const char *
cell_worker(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	return row->worker;
}

static const char *
cell_state(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	if (row->state != BERTH_STATE_QUEUED)
		return berth_state_name(row->state);
	snprintf(buf, CELL_MAX, "queued %d", row->position);
	return buf;
}

/* The name that tells this lease from others: a schema, or a database of its own. */
static const char *
cell_name(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	if (!row->schema || strcmp(row->kind, "database") != 0)
		return row->schema;
	snprintf(buf, CELL_MAX, "%s (db)", row->dbname ? row->dbname : "");
	return buf;
}

static const char *
cell_redis(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	if (!row->redis || row->redis_db < 0)
		return row->redis;
	snprintf(buf, CELL_MAX, "%s %d", row->redis, row->redis_db);
	return buf;
}

static const char *
cell_uid(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	snprintf(buf, CELL_MAX, "%lld", row->uid);
	return buf;
}

static const char *
cell_pid(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	if (row->pid <= 0)
		return NULL;
	snprintf(buf, CELL_MAX, "%lld", row->pid);
	return buf;
}

static const char *
cell_age(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	return duration_show(row->age_ms, buf);
}

static const char *
cell_expires(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	return row->expires_ms < 0 ? NULL : duration_show(row->expires_ms, buf);
}

/* Whether somebody holds it by a connection, or it lives by its TTL alone. */
static const char *
cell_holders(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	if (row->connections == 0)
		return "detached";
	snprintf(buf, CELL_MAX, "%d", row->connections);
	return buf;
}

static const char *
cell_label(const struct berth_lease_row *row, char buf[CELL_MAX])
{
	return row->label;
}

/* clang-format off */
static const struct column {
	const char *title;
	double hint; /* of the width: below 1 a share, else a count */
	int flags;
	const char *(*cell)(const struct berth_lease_row *row, char buf[CELL_MAX]);
	bool only_with_uid;
} columns[] = {
	{ "LEASE",   8,    0,                  cell_lease },
	{ "RUN",     0.15, SCOLS_FL_TRUNC,     cell_run },
	{ "WORKER",  6,    SCOLS_FL_TRUNC,     cell_worker },
	{ "STATE",   6,    0,                  cell_state },
	{ "NAME",    0.2,  0,                  cell_name },
	{ "REDIS",   6,    0,                  cell_redis },
	{ "UID",     5,    SCOLS_FL_RIGHT,     cell_uid, .only_with_uid = true },
	{ "PID",     6,    SCOLS_FL_RIGHT,     cell_pid },
	{ "AGE",     6,    SCOLS_FL_RIGHT,     cell_age },
	{ "EXPIRES", 6,    SCOLS_FL_RIGHT,     cell_expires },
	{ "HOLDERS", 3,    SCOLS_FL_RIGHT,     cell_holders },
	{ "LABEL",   0.15, SCOLS_FL_TRUNC,     cell_label },
};
/* clang-format on */

enum { COLUMNS = sizeof columns / sizeof *columns };

static const char *
color_of(const struct berth_lease_row *row)
{
	return row->state == BERTH_STATE_HELD     ? "green"
	       : row->state == BERTH_STATE_QUEUED ? "yellow"
	                                          : "cyan";
}

static bool
wants_colors(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

static bool
is_shown(const struct column *column, bool with_uid)
{
	return with_uid || !column->only_with_uid;
}

static struct libscols_table *
table_new(bool with_uid)
{
	struct libscols_table *table = need(scols_new_table());

	scols_table_enable_colors(table, wants_colors());
	for (int i = 0; i < COLUMNS; i++)
		if (is_shown(&columns[i], with_uid))
			need(scols_table_new_column(table, columns[i].title, columns[i].hint,
			                            columns[i].flags));
	return table;
}

static void
table_add(struct libscols_table *table, const struct berth_lease_row *row, bool with_uid)
{
	struct libscols_line *line = need(scols_table_new_line(table, NULL));
	char buf[CELL_MAX];
	int n = 0;

	for (int i = 0; i < COLUMNS; i++) {
		const char *text;

		if (!is_shown(&columns[i], with_uid))
			continue;
		text = columns[i].cell(row, buf);
		scols_line_set_data(line, n, text ? text : "");
		if (columns[i].cell == cell_state)
			scols_cell_set_color(scols_line_get_cell(line, n), color_of(row));
		n++;
	}
}

void
table_show(struct berth_leases *list, bool with_uid)
{
	struct libscols_table *table;
	const struct berth_lease_row *row = berth_leases_next(list);

	if (!row) {
		notice("%s",
		       with_uid ? "no leases" : "no leases of yours (--all shows everybody's)");
		return;
	}
	scols_init_debug(0);
	table = table_new(with_uid);
	for (; row; row = berth_leases_next(list))
		table_add(table, row, with_uid);
	scols_print_table(table);
	scols_unref_table(table);
}
