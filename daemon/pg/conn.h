/* SPDX-License-Identifier: MIT */
/*
 * pg_conn: one asynchronous connection, which comes back by itself (backoff, jitter) unless it is
 * there for once.
 *
 *     DOWN → LOOKUP → CONNECTING → GREETING → IDLE ⇄ BUSY
 *       ↑__________________________________________|
 *
 * It knows flows, not what they are for.
 */
#pragma once

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>

#include "daemon/pg/flow.h"
#include "proto/errors.h"

struct evdns_base;
struct pg_lookup;
struct pg_target;

enum pg_conn_state {
	PG_CONN_DOWN,       /* waiting to try again */
	PG_CONN_LOOKUP,     /* resolving host names */
	PG_CONN_CONNECTING,
	PG_CONN_GREETING,   /* session settings */
	PG_CONN_IDLE,
	PG_CONN_BUSY,       /* a flow is running */
};

/* What the server is; known in IDLE and BUSY. */
struct pg_facts {
	int version;    /* 150020 */
	bool superuser;
	bool fsync;
	int64_t locks;  /* slots of its lock table */
	char database[64];
	char user[64];
	char host[256]; /* as a client of ours must say it: a name, an address or a directory */
	char port[8];
};

struct pg_conn_events {
	void (*up)(void *arg, struct pg_conn *conn);   /* greeted, and idle now */
	void (*idle)(void *arg, struct pg_conn *conn); /* a flow has ended; after its done() */
	void (*down)(void *arg, struct pg_conn *conn); /* was up, and is not any more; see why. With
	                                                * `once` also when it never was */
};

struct pg_conn {
	struct event_base *base;    /* borrowed */
	struct evdns_base *dns;     /* borrowed, may be NULL */
	struct pg_target *target;   /* borrowed */
	const char *application;    /* borrowed; "berthd 3fa9c1 keeper" */
	int deadline_ms;
	const struct pg_conn_events *events;
	void *arg;
	bool once;            /* what goes down stays down */

	enum pg_conn_state state;
	PGconn *pg;
	struct event *io;     /* what libpq waits for */
	struct event *out;    /* libpq's buffer did not fit into the socket */
	struct event *timer;  /* a deadline, a reconnect or a retry, by state */
	struct pg_lookup *lookup;
	struct flow *flow;    /* borrowed while BUSY or GREETING */
	bool sent[FLOW_STEPS_MAX]; /* which steps of the run in flight wrote a statement */
	int64_t sent_at;      /* clock_now() when that was sent */
	int next;             /* the step whose result comes next */
	struct flow greeting;
	struct sql sql;
	struct pg_facts facts;
	int attempt;
	bool retrying;        /* the timer stands for flow_again() */
	bool dispatching;     /* inside flow_input(): do not destroy under it */
	bool broken;          /* destroy as soon as it is not */
	char why[256];        /* of the last failure; one line, no secret */
};

/* Starts connecting on the next turn of the loop. The caller owns the memory. */
void pg_conn_init(struct pg_conn *conn, struct event_base *base, struct evdns_base *dns,
                  struct pg_target *target, const char *application, int deadline_ms,
                  const struct pg_conn_events *events, void *arg);
/* Closes; a running flow's done() is called with UNAVAILABLE. */
void pg_conn_fini(struct pg_conn *conn);
/* Closes and reconnects; `why` is for people. A running flow fails with UNAVAILABLE. */
void pg_conn_drop(struct pg_conn *conn, const char *why);
bool pg_conn_up(const struct pg_conn *conn);

/* For flow.c. */
void pg_conn_break(struct pg_conn *conn); /* it will be closed, but not under the caller's feet */
void pg_conn_flush(struct pg_conn *conn);
void pg_conn_arm(struct pg_conn *conn, int ms);
void pg_conn_flow_ended(struct pg_conn *conn);
