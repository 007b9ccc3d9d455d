/* SPDX-License-Identifier: MIT */
/* Connecting, greeting, reconnecting; bytes in and out. */
#include "daemon/pg/conn.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/base/random.h"
#include "daemon/pg/target.h"

enum { RECONNECT_BASE_MS = 20, RECONNECT_MAX_MS = 3000 };

static void on_io(evutil_socket_t fd, short what, void *arg);
static void on_timer(evutil_socket_t fd, short what, void *arg);

/* ---- greeting: the session's settings, and what the server is ---- */

static void
greet_send(void *ctx, struct sql *sql)
{
	struct pg_conn *conn = ctx;
	const struct pg_target *target = conn->target;

	/* The deadline drops the connection; the server must not go on with the statement for long. */
	sql_add(sql,
	        "SELECT set_config('statement_timeout', '%d', false), set_config('lock_timeout', '5000', false),"
	        " set_config('client_min_messages', 'warning', false), set_config('search_path', 'pg_catalog', false),"
	        " set_config('idle_in_transaction_session_timeout', '%d', false),"
	        " set_config('jit', 'off', false), set_config('standard_conforming_strings', 'on', false),"
	        " r.rolsuper, current_setting('fsync') = 'on', current_database(), current_user,"
	        " current_setting('max_locks_per_transaction')::int8 * (current_setting('max_connections')::int8"
	        "  + current_setting('max_prepared_transactions')::int8), pg_backend_pid(),"
	        /* what a slot's role may have set for itself, and a guest must not mind */
	        " set_config('default_transaction_read_only', 'off', false), set_config('lc_monetary', 'C', false), set_config('quote_all_identifiers', 'off', false), set_config('array_nulls', 'on', false),"
	        " set_config('transform_null_equals', 'off', false), set_config('xmlbinary', 'base64', false),"
	        " set_config('backslash_quote', 'safe_encoding', false), set_config('escape_string_warning', 'off', false),"
	        " set_config('default_transaction_isolation', 'read committed', false),"
	        " set_config('default_transaction_deferrable', 'off', false), set_config('default_tablespace', '', false),"
	        " set_config('default_table_access_method', 'heap', false), set_config('DateStyle', 'ISO, YMD', false),"
	        " set_config('IntervalStyle', 'postgres', false), set_config('extra_float_digits', '1', false),"
	        " set_config('bytea_output', 'hex', false), set_config('xmloption', 'content', false),"
	        " set_config('check_function_bodies', 'off', false),"
	        /* as at our end: of a runner behind a cut network the server must notice, too, and free its lock */
	        " set_config('tcp_keepalives_idle', coalesce(nullif(%L, ''), '0'), false),"
	        " set_config('tcp_keepalives_interval', coalesce(nullif(%L, ''), '0'), false),"
	        " set_config('tcp_keepalives_count', coalesce(nullif(%L, ''), '0'), false),"
	        " set_config('tcp_user_timeout', coalesce(nullif(%L, ''), '0'), false)"
	        " FROM pg_roles r WHERE r.rolname = current_user",
	        conn->deadline_ms, conn->deadline_ms, pg_target_value(target, "keepalives_idle"),
	        pg_target_value(target, "keepalives_interval"), pg_target_value(target, "keepalives_count"),
	        pg_target_value(target, "tcp_user_timeout"));
}

static int
greet_recv(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct pg_conn *conn = ctx;
	struct pg_facts *facts = &conn->facts;

	facts->version = PQserverVersion(conn->pg);
	facts->superuser = flow_cell(result, 0, 7)[0] == 't';
	facts->fsync = flow_cell(result, 0, 8)[0] == 't';
	facts->locks = flow_cell_int(result, 0, 11);
	snprintf(facts->database, sizeof facts->database, "%s", flow_cell(result, 0, 9));
	snprintf(facts->user, sizeof facts->user, "%s", flow_cell(result, 0, 10));
	snprintf(facts->host, sizeof facts->host, "%s", PQhost(conn->pg));
	snprintf(facts->port, sizeof facts->port, "%s", PQport(conn->pg));
	if (flow_cell_int(result, 0, 12) != PQbackendPID(conn->pg))
		return berth_error_set(e, BERTH_UNAVAILABLE, "pg_dsn leads to a pooler, but berthd needs sessions of its "
		                       "own; name PostgreSQL itself, and the pooler by lease_host and lease_port");
	if (facts->version < 130000)
		return berth_error_set(e, BERTH_UNAVAILABLE, "the server is PostgreSQL %d; berth needs 13 or later",
		                       facts->version / 10000);
	return 0;
}

static const struct flow_step greeting[] = {
	{ "session settings", greet_send, greet_recv, .wait = true },
	{ 0 },
};

static void
on_greeted(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct pg_conn *conn = ctx;

	if (!e)
		conn->attempt = 0;
	else if (conn->state != PG_CONN_DOWN) {
		snprintf(conn->why, sizeof conn->why, "%s", e->message);
		conn->broken = true;
	}
}

/* ---- life ---- */

/* The first line: libpq goes on with guesses for people at a terminal. */
static void
keep_why(struct pg_conn *conn, const char *why)
{
	char line[sizeof conn->why];

	snprintf(line, sizeof line, "%.*s", (int)strcspn(why, "\n"), why);
	memcpy(conn->why, line, sizeof line);
}

bool
pg_conn_up(const struct pg_conn *conn)
{
	return conn->state == PG_CONN_IDLE || conn->state == PG_CONN_BUSY;
}

static void
close_all(struct pg_conn *conn)
{
	pg_lookup_cancel(conn->lookup);
	conn->lookup = NULL;
	if (conn->io)
		event_free(conn->io);
	conn->io = NULL;
	if (conn->out)
		event_free(conn->out);
	conn->out = NULL;
	PQfinish(conn->pg);
	conn->pg = NULL;
	event_del(conn->timer);
	conn->broken = false;
	conn->retrying = false;
}

/* DOWN, from any state: tell the flow, tell the owner, try again later. */
static void
go_down(struct pg_conn *conn)
{
	bool was_up = pg_conn_up(conn);

	conn->state = PG_CONN_DOWN;
	close_all(conn);
	flow_abort(conn, conn->why);
	conn->attempt++;
	if (!conn->once)
		pg_conn_arm(conn, random_backoff_ms(conn->attempt - 1, RECONNECT_BASE_MS, RECONNECT_MAX_MS));
	log_at(was_up || conn->attempt == 1 ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, "pg.down",
	       LOG_T("conn", conn->application), LOG_T("why", conn->why), LOG_N("attempt", conn->attempt));
	if (was_up)
		metrics_count(METRIC_PG_LOST);
	if (was_up || conn->once)
		conn->events->down(conn->arg, conn);
}

void
pg_conn_drop(struct pg_conn *conn, const char *why)
{
	keep_why(conn, why);
	if (conn->dispatching)
		conn->broken = true;
	else if (conn->state != PG_CONN_DOWN)
		go_down(conn);
}

static void
fail(struct pg_conn *conn, const char *fallback)
{
	const char *said = conn->pg ? PQerrorMessage(conn->pg) : "";

	keep_why(conn, *said ? said : fallback);
	go_down(conn);
}

void
pg_conn_arm(struct pg_conn *conn, int ms)
{
	struct timeval delay = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	event_add(conn->timer, &delay);
}

void
pg_conn_break(struct pg_conn *conn)
{
	conn->broken = true;
	pg_conn_arm(conn, 0);
}

static void
watch(struct pg_conn *conn, short what)
{
	/* libpq may have opened another socket since the last poll. */
	if (conn->io)
		event_free(conn->io);
	conn->io = event_new(conn->base, PQsocket(conn->pg), what, on_io, conn);
	if (!conn->io || event_add(conn->io, NULL) < 0)
		abort();
}

static void
established(struct pg_conn *conn)
{
	conn->state = PG_CONN_GREETING;
	if (PQsetnonblocking(conn->pg, 1) != 0 || PQenterPipelineMode(conn->pg) != 1) {
		fail(conn, "cannot enter pipeline mode");
		return;
	}
	conn->why[0] = '\0';
	watch(conn, EV_READ | EV_PERSIST);
	conn->out = event_new(conn->base, PQsocket(conn->pg), EV_WRITE, on_io, conn);
	if (!conn->out)
		abort();
	conn->greeting = (struct flow){ .steps = greeting, .subject = conn->application, .ctx = conn,
		                        .done = on_greeted };
	flow_start(conn, &conn->greeting);
}

static void
poll_connect(struct pg_conn *conn)
{
	switch (PQconnectPoll(conn->pg)) {
	case PGRES_POLLING_READING: watch(conn, EV_READ); break;
	case PGRES_POLLING_WRITING: watch(conn, EV_WRITE); break;
	case PGRES_POLLING_OK: established(conn); break;
	default: fail(conn, "cannot connect");
	}
}

static void
ignore_notice(void *arg, const PGresult *result)
{
}

static void
on_lookup(void *arg, const char *why)
{
	struct pg_conn *conn = arg;
	const char *const *keywords, *const *values;

	conn->lookup = NULL;
	if (why) {
		fail(conn, why);
		return;
	}
	conn->state = PG_CONN_CONNECTING;
	pg_target_params(conn->target, conn->application, &keywords, &values);
	conn->pg = PQconnectStartParams(keywords, values, 0);
	if (!conn->pg)
		abort();
	PQsetNoticeReceiver(conn->pg, ignore_notice, NULL);
	if (PQstatus(conn->pg) == CONNECTION_BAD)
		fail(conn, "cannot connect");
	else
		watch(conn, EV_WRITE); /* as if PQconnectPoll() had said so (libpq's manual) */
}

static void
connect_now(struct pg_conn *conn)
{
	struct pg_lookup *lookup;

	conn->state = PG_CONN_LOOKUP;
	pg_conn_arm(conn, conn->deadline_ms < 10000 ? conn->deadline_ms : 10000);
	lookup = pg_target_lookup(conn->target, conn->dns, on_lookup, conn);
	if (conn->state == PG_CONN_LOOKUP)
		conn->lookup = lookup;
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct pg_conn *conn = arg;

	if (conn->state == PG_CONN_DOWN) {
		connect_now(conn);
	} else if (conn->broken) {
		fail(conn, "the connection broke");
	} else if (conn->retrying) {
		conn->retrying = false;
		flow_again(conn);
	} else {
		pg_conn_drop(conn, "no answer within the deadline");
	}
}

/* ---- bytes ---- */

void
pg_conn_flush(struct pg_conn *conn)
{
	int left = PQflush(conn->pg);

	if (left < 0)
		pg_conn_break(conn);
	else if (left > 0)
		event_add(conn->out, NULL);
}

void
pg_conn_flow_ended(struct pg_conn *conn)
{
	bool greeted = conn->state == PG_CONN_GREETING;

	if (conn->broken)
		return;
	event_del(conn->timer);
	conn->state = conn->flow ? PG_CONN_BUSY : PG_CONN_IDLE;
	if (greeted)
		conn->events->up(conn->arg, conn);
	else if (!conn->flow)
		conn->events->idle(conn->arg, conn);
}

static void
on_io(evutil_socket_t fd, short what, void *arg)
{
	struct pg_conn *conn = arg;

	if (conn->state == PG_CONN_CONNECTING) {
		poll_connect(conn);
		return;
	}
	conn->dispatching = true;
	if (what & EV_WRITE)
		pg_conn_flush(conn);
	if (!conn->broken && (what & EV_READ)) {
		if (PQconsumeInput(conn->pg))
			flow_input(conn);
		else
			conn->broken = true;
	}
	conn->dispatching = false;
	if (conn->broken)
		fail(conn, *conn->why ? conn->why : "the connection broke");
}

void
pg_conn_init(struct pg_conn *conn, struct event_base *base, struct evdns_base *dns, struct pg_target *target,
             const char *application, int deadline_ms, const struct pg_conn_events *events, void *arg)
{
	*conn = (struct pg_conn){ .base = base, .dns = dns, .target = target, .application = application,
		                  .deadline_ms = deadline_ms, .events = events, .arg = arg,
		                  .why = "still connecting" };
	conn->timer = event_new(base, -1, 0, on_timer, conn);
	if (!conn->timer)
		abort();
	pg_conn_arm(conn, 0);
}

void
pg_conn_fini(struct pg_conn *conn)
{
	conn->state = PG_CONN_DOWN;
	close_all(conn);
	flow_abort(conn, "berthd is leaving");
	event_free(conn->timer);
	sql_fini(&conn->sql);
}
