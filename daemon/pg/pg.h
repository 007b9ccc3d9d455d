/* SPDX-License-Identifier: MIT */
/*
 * pg: the daemon's working connections to PostgreSQL, and the queue of flows in front of them.
 *
 * Flows start in the order in which they were given, each on whichever connection is idle. While
 * PostgreSQL is away they wait; a flow that was running fails with UNAVAILABLE.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "daemon/pg/conn.h"
#include "daemon/pg/flow.h"

struct pg_target;

enum { PG_CONNECTIONS_MAX = 32 };

struct pg_config {
	struct pg_target *target; /* borrowed */
	const char *runner;       /* borrowed; in application_name */
	int connections;          /* 1..PG_CONNECTIONS_MAX */
	int deadline_ms;          /* for one run of a flow, or a connect */
};

struct pg_events {
	void (*up)(void *arg);   /* the first connection is up */
	void (*down)(void *arg); /* the last one is gone */
};

struct pg {
	struct pg_conn conns[PG_CONNECTIONS_MAX];
	char names[PG_CONNECTIONS_MAX][64];
	int connections;
	struct flow_list queue;
	struct event *later; /* hands the queue out behind whatever is being answered now */
	int queued;
	const struct pg_events *events;
	void *arg;
};

void pg_init(struct pg *pg, struct event_base *base, struct evdns_base *dns, const struct pg_config *config,
             const struct pg_events *events, void *arg);
/* Every flow that was given and has not ended ends with UNAVAILABLE. */
void pg_fini(struct pg *pg);

/* Runs `flow` as soon as a connection is free, but not before the handler that asks has returned: what
 * it answers to a client goes first. Never calls done() before it returns. */
void pg_run(struct pg *pg, struct flow *flow);
/* The same, before all others that wait. */
void pg_run_first(struct pg *pg, struct flow *flow);
/* Whether at least one connection is up; false sets `why` (UNAVAILABLE, with the reason). */
bool pg_up(const struct pg *pg, struct berth_error *why);
/* What the server is, as last seen; NULL before the first connection. */
const struct pg_facts *pg_facts(const struct pg *pg);
