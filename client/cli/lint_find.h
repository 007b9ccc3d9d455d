/* SPDX-License-Identifier: MIT */
/* What of the migrations does not stay inside of a lease: from what runs of them have left. */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>

#include "client/cli/rows.h"
#include "client/cli/tap.h"

/* A run of CMD in a lease of its own. */
struct lint_run {
	bool ran;
	int status;                    /* of CMD */
	char words[TAP_WORDS_MAX + 1]; /* its last ones */
	PGresult *left;                /* by look(); NULL where there was none */
};

enum { LINT_FIRST, LINT_SECOND, LINT_DATABASE, LINT_RUNS };

/* How rows_show() shows them. */
extern const struct rows_column lint_columns[];

/* Maps of lint_columns' fields, none when all stays inside; free it with berth_reply_free(). */
struct berth_reply *lint_find(const struct lint_run runs[LINT_RUNS]);
