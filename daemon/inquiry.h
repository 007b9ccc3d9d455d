/* SPDX-License-Identifier: MIT */
/* inquiry: one question of a verb to PostgreSQL, and its answer to a session that may be gone by then. */
#pragma once

#include <libpq-fe.h>
#include <stdint.h>

#include "daemon/pg/flow.h"
#include "proto/limits.h"

struct berthd;
struct session;

struct inquiry {
	struct flow flow;
	struct berthd *berthd;
	uint64_t session;
	char about[LIMIT_NAME_BYTES + 1];
	void (*ask)(void *ctx, struct sql *sql); /* ctx is the inquiry */
	void (*reply)(struct session *session, const PGresult *result);
};

/* Suspends the session, asks, replies with `reply` or the error, and resumes. UNAVAILABLE at once when
 * PostgreSQL is away. */
void inquire(struct session *session, void (*ask)(void *ctx, struct sql *sql),
             void (*reply)(struct session *session, const PGresult *result));
/* The same with inquiry->about, a copy of `about`, for `ask` to read. */
void inquire_about(struct session *session, const char *about, void (*ask)(void *ctx, struct sql *sql),
                   void (*reply)(struct session *session, const PGresult *result));
