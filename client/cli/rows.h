/* SPDX-License-Identifier: MIT */
/* A verb's list of maps, for people as a table, for scripts as lines or JSON. */
#pragma once

#include <stdbool.h>

#include "client/lib/berth.h"

/* How a table shows a value; lines and JSON have it as it came. */
enum rows_cell {
	ROWS_TEXT,
	ROWS_AGE,   /* milliseconds, shown as a duration */
	ROWS_BYTES, /* shown in K, M, G */
	ROWS_WORDS, /* an array of texts, shown as in berth.conf: a, b, "c, d" */
};

struct rows_column {
	const char *field;
	const char *title; /* NULL: not in the table */
	double hint;       /* of the width: below 1 a share, else a count */
	int flags;         /* libsmartcols' */
	enum rows_cell cell;
};

/*
 * Prints an array of maps: as JSON if asked for; on a terminal as a table of the columns (ended by
 * one without a field), or a notice `none`; else one line for each, all columns with a tab between,
 * - for nothing. Without `json`, control characters become spaces.
 */
void rows_show(const struct berth_reply *rows, bool json, const struct rows_column *columns,
               const char *none);
/* The value of a field of a map, or NULL. Borrowed from the map. */
const struct berth_reply *rows_field(const struct berth_reply *map, const char *field);
/* Adds a map of the columns' fields to an array made here; a NULL stands for nothing. Copies them. */
void rows_add(struct berth_reply *rows, const struct rows_column *columns, const char *const texts[]);
