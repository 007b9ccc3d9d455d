/* SPDX-License-Identifier: MIT */
/* Looking for orphans: one query, which brings the facts of a page of those that may be. */
#pragma once

#include <libpq-fe.h>

#include "daemon/orphan.h"
#include "daemon/pg/sql.h"

struct config;
struct pg_facts;
struct redis_orphan;

enum { ORPHANS_PAGE = 250 };

struct orphans_look {
	const struct orphans_ask *ask;
	const struct config *config;
	const struct pg_facts *facts;
	const char *runner;               /* ours, which lives */
	const struct redis_orphan *redis; /* what was found there */
	int redis_count;
};

/* Writes the query: at most ORPHANS_PAGE rows behind ask->after, in the order of kind and name. */
void orphans_look_write(const struct orphans_look *look, struct sql *sql);
/* One row of its answer. */
void orphans_look_read(const PGresult *result, int row, struct orphan *ret);
