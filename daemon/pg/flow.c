/* SPDX-License-Identifier: MIT */
/* The runner of flows. */
#include "daemon/pg/flow.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/random.h"
#include "daemon/pg/conn.h"

enum { TRIES = 5, RETRY_BASE_MS = 20, RETRY_MAX_MS = 2000 };

/* A run in flight: which of its steps were sent, and which result comes next. */
static int
run_end(const struct flow *flow)
{
	int i = flow->at;

	while (flow->steps[i].name && !flow->steps[i].wait)
		i++;
	return flow->steps[i].name ? i + 1 : i;
}

static void
flow_end(struct pg_conn *conn)
{
	struct flow *flow = conn->flow;
	bool failed = flow->error.code != BERTH_OK;

	conn->flow = NULL;
	flow->done(flow->ctx, failed ? &flow->error : NULL, flow->sqlstate);
	pg_conn_flow_ended(conn);
}

/* Sends the current run; false when every step of it wrote nothing. */
static bool
send_run(struct pg_conn *conn)
{
	struct flow *flow = conn->flow;
	bool sent = false;

	for (int i = flow->at; i < run_end(flow); i++) {
		sql_clear(&conn->sql);
		flow->steps[i].send(flow->ctx, &conn->sql);
		conn->sent[i] = conn->sql.len > 0;
		if (!conn->sent[i])
			continue;
		sent = true;
		if (!PQsendQueryParams(conn->pg, conn->sql.text, 0, NULL, NULL, NULL, NULL, 0)) {
			pg_conn_break(conn);
			return true;
		}
	}
	if (sent && !PQpipelineSync(conn->pg))
		pg_conn_break(conn);
	conn->sent_at = clock_now();
	conn->next = flow->at;
	return sent;
}

/* Sends runs from the current one on until one has something to wait for. */
static void
run_on(struct pg_conn *conn)
{
	struct flow *flow = conn->flow;

	flow->error.code = BERTH_OK;
	flow->sqlstate[0] = '\0';
	while (flow->steps[flow->at].name) {
		if (send_run(conn)) {
			if (!conn->broken) {
				pg_conn_arm(conn, conn->deadline_ms);
				pg_conn_flush(conn);
			}
			return;
		}
		flow->at = run_end(flow);
	}
	flow_end(conn);
}

void
flow_start(struct pg_conn *conn, struct flow *flow)
{
	assert(!conn->flow && conn->pg);
	flow->at = 0;
	flow->tries = 0;
	conn->flow = flow;
	if (conn->state == PG_CONN_IDLE)
		conn->state = PG_CONN_BUSY;
	for (int i = 0; flow->steps[i].name; i++)
		assert(i < FLOW_STEPS_MAX);
	run_on(conn);
}

void
flow_again(struct pg_conn *conn)
{
	assert(conn->flow);
	run_on(conn);
}

static bool
worth_a_retry(const char *sqlstate, const char *message)
{
	static const char *const states[] = { "40001", "40P01", "55P03", "53200" };

	for (size_t i = 0; i < sizeof states / sizeof *states; i++)
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	return strcmp(sqlstate, "XX000") == 0 && strstr(message, "tuple concurrently updated");
}

/* The server is ending this session (57P01 …) or the connection (08…). */
static bool
is_leaving(const char *sqlstate)
{
	return strncmp(sqlstate, "57P", 3) == 0 || strncmp(sqlstate, "08", 2) == 0;
}

static void
keep_failure(struct flow *flow, const struct flow_step *step, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);

	if (flow->error.code != BERTH_OK)
		return;
	snprintf(flow->sqlstate, sizeof flow->sqlstate, "%s", state ? state : "");
	berth_error_set(&flow->error, is_leaving(flow->sqlstate) ? BERTH_UNAVAILABLE : BERTH_PGERR, "%s: '%s' failed: %s %s", flow->subject, step->name,
	                flow->sqlstate, message ? message : "no message");
}

static void
on_result(struct flow *flow, const struct flow_step *step, const PGresult *result)
{
	switch (PQresultStatus(result)) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
		if (step->recv && flow->error.code == BERTH_OK)
			step->recv(flow->ctx, result, &flow->error);
		return;
	case PGRES_PIPELINE_ABORTED:
		return;
	default:
		keep_failure(flow, step, result);
	}
}

/* The run's Sync came back: what now? */
static void
on_sync(struct pg_conn *conn)
{
	struct flow *flow = conn->flow;

	metrics_observe(METRIC_PG_TRIP, clock_now() - conn->sent_at);
	if (flow->error.code == BERTH_OK) {
		flow->at = run_end(flow);
		flow->tries = 0;
		run_on(conn);
	} else if (worth_a_retry(flow->sqlstate, flow->error.message) && flow->tries < TRIES) {
		metrics_count(METRIC_PG_RETRIES);
		conn->retrying = true;
		pg_conn_arm(conn, random_backoff_ms(flow->tries++, RETRY_BASE_MS, RETRY_MAX_MS));
	} else {
		flow_end(conn);
	}
}

/* One result: a step's, a NULL between two steps', or the Sync. */
static void
on_any_result(struct pg_conn *conn, PGresult *result)
{
	struct flow *flow = conn->flow;

	if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
		PQclear(result);
		on_sync(conn);
		return;
	}
	while (conn->next < run_end(flow) && !conn->sent[conn->next])
		conn->next++;
	if (conn->next < run_end(flow))
		on_result(flow, &flow->steps[conn->next++], result);
	else /* nobody asked: a server that shuts down says so behind the last answer (57P01) */
		pg_conn_drop(conn, PQresultErrorMessage(result));
	PQclear(result);
}

void
flow_input(struct pg_conn *conn)
{
	/* Two NULLs in a row: libpq has nothing more for us. */
	int nulls = 0;

	while (conn->flow && !conn->broken && !conn->retrying && !PQisBusy(conn->pg) && nulls < 2) {
		PGresult *result = PQgetResult(conn->pg);

		nulls = result ? 0 : nulls + 1;
		if (result && PQresultStatus(result) == PGRES_FATAL_ERROR && PQstatus(conn->pg) == CONNECTION_BAD) {
			PQclear(result);
			conn->broken = true;
		} else if (result) {
			on_any_result(conn, result);
		}
	}
}

void
flow_abort(struct pg_conn *conn, const char *why)
{
	struct flow *flow = conn->flow;

	if (!flow)
		return;
	conn->flow = NULL;
	conn->retrying = false;
	flow->sqlstate[0] = '\0';
	berth_error_set(&flow->error, BERTH_UNAVAILABLE, "PostgreSQL went away during '%s' of %s: %s",
	                flow->steps[flow->at].name ? flow->steps[flow->at].name : "the end", flow->subject, why);
	flow->done(flow->ctx, &flow->error, "");
}

const char *
flow_cell(const PGresult *result, int row, int column)
{
	return row < PQntuples(result) ? PQgetvalue(result, row, column) : "";
}

int64_t
flow_cell_int(const PGresult *result, int row, int column)
{
	return strtoll(flow_cell(result, row, column), NULL, 10);
}
