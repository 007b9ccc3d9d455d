/* SPDX-License-Identifier: MIT */
/* What migrations have left in a lease, as PostgreSQL's catalog tells its role. */
#pragma once

#include <libpq-fe.h>

#include "client/lib/berth.h"

/*
 * Rows of (sees, type, name, detail): what is seen of an object, its type and name without the
 * lease's schema, and for code what it names.
 */
enum look_column { LOOK_SEES, LOOK_TYPE, LOOK_NAME, LOOK_DETAIL };

/* A database of its own gets the schema that unqualified names lead to: then public is outside. */
int look_prepare(const struct berth_lease *lease, struct berth_error *e);
/* PGERR, UNAVAILABLE, or 0 with *ret, which the caller clears. */
int look(const struct berth_lease *lease, PGresult **ret, struct berth_error *e);
