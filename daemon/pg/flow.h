/* SPDX-License-Identifier: MIT */
/*
 * flow: a conversation with PostgreSQL as a table of steps.
 *
 * Steps up to the next `.wait` are one run: one libpq pipeline with one Sync, which is one round trip
 * *and* one implicit transaction. The runner here is the only caller of PQgetResult().
 *
 *     static const struct flow_step slot_build[] = {
 *             { "claim a row",   claim_row,   keep_claimed, .wait = true },
 *             { "create role",   create_role },
 *             { "create schema", create_schema, .wait = true },
 *             { 0 }
 *     };
 *
 * Traps, each pinned by a test:
 *  1. `recv` saying no does not undo its run (Sync commits). Two runs are two transactions: the
 *     failure path gives back what the first one claimed.
 *  2. No step may say BEGIN: a flow that fails must leave its connection usable for the next.
 *  3. A step is one statement; CREATE DATABASE and DROP DATABASE need a run of their own.
 *  4. libpq 15 cannot cancel without blocking: a flow past its deadline loses its connection, and the
 *     server's statement_timeout ends what it was doing.
 *  5. `done` may start the next flow: the runner has forgotten this one before it calls.
 */
#pragma once

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/pg/sql.h"
#include "proto/errors.h"

struct pg_conn;

enum { FLOW_STEPS_MAX = 24 };

struct flow_step {
	const char *name; /* named in errors: "slot test_x: 'create role' failed: 42710 …" */
	/* Writes one statement; writing nothing skips the step (its recv is not called). */
	void (*send)(void *ctx, struct sql *sql);
	/* Reads the result; -1 with `e` set ends the flow after this run. NULL: nothing to read. */
	int (*recv)(void *ctx, const PGresult *result, struct berth_error *e);
	bool wait;
};

/*
 * A flow in flight. The caller owns it (usually inside of `ctx`) and keeps it alive until done().
 * Runs that fail by deadlock, lock timeout, a full lock table, serialization or `tuple concurrently updated` are sent
 * again, 5 times, with exponential delays and jitter; then the flow fails.
 */
struct flow {
	const struct flow_step *steps;
	const char *subject; /* borrowed until done(): what it is about, for errors ("slot test_x") */
	void *ctx;
	/* Called exactly once. e is NULL on success. UNAVAILABLE: the connection went away and the last
	 * run may or may not have been committed. sqlstate is "" unless the server said no. */
	void (*done)(void *ctx, const struct berth_error *e, const char *sqlstate);

	/* the runner's */
	int at;                 /* first step of the current run */
	int tries;
	struct berth_error error;
	char sqlstate[6];
	TAILQ_ENTRY(flow) link; /* in pg's queue */
};
TAILQ_HEAD(flow_list, flow);

/* Starts `flow` on an idle connection. */
void flow_start(struct pg_conn *conn, struct flow *flow);

/* What a result's first cell says; "" for none, NULL or no rows. Borrowed from the result. */
const char *flow_cell(const PGresult *result, int row, int column);
int64_t flow_cell_int(const PGresult *result, int row, int column);

/* For conn.c. */
void flow_input(struct pg_conn *conn);                     /* bytes were consumed */
void flow_abort(struct pg_conn *conn, const char *why);    /* the connection is gone */
void flow_again(struct pg_conn *conn);                     /* the delay before a retry is over */
