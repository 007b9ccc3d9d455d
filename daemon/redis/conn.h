/* SPDX-License-Identifier: MIT */
/*
 * conn: one asynchronous connection to a Redis server, which comes back by itself.
 *
 * It connects (host names go through base/resolve.h, so that nothing blocks), says AUTH and PING,
 * and is then ready. Every request has a deadline; one that is not answered in time ends the
 * connection. After a loss it tries again, with a backoff that only conn_good() resets: whoever
 * sets the connection up says when that worked.
 *
 * The process ignores SIGPIPE: hiredis writes to sockets whose other end may be gone.
 *
 * conn     owns the hiredis context, its timers and the requests that are not answered yet
 * caller   owns the conn, and what its requests' `arg` point to
 */
#pragma once

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/redis/url.h"

struct conn;
struct evdns_base;

struct conn_config {
	struct redis_url url;
	int deadline_ms; /* for connecting, and for each request */
	int retry_ms;    /* the first wait before another try; doubles, with jitter, up to … */
	int retry_max_ms;
};

struct conn_events {
	/* Requests may be sent. May free the conn. */
	void (*ready)(void *arg);
	/* A try failed or the connection broke (its requests have been answered with NULL by then);
	 * the next try is under way already. May free the conn. */
	void (*lost)(void *arg, const char *why);
};

/* Called exactly once, never before conn_send() has returned. `reply` is borrowed for the call and
 * NULL when the connection was lost first: then nobody knows whether the request was carried out,
 * and the conn must not be freed from within. */
typedef void conn_reply(void *arg, const redisReply *reply);

/* Connects as soon as the loop runs. Copies config and events; borrows dns until it is freed. */
struct conn *
conn_new(struct event_base *base, struct evdns_base *dns, const struct conn_config *config,
         const struct conn_events *events, void *arg);
/* Closes at once; open requests are answered with NULL, `lost` is not called. Takes NULL. */
void conn_free(struct conn *conn);

/* Whether conn_send() may be called. */
bool conn_is_ready(const struct conn *conn);
/* Why it is not ready; "" before the first failure. Borrowed. */
const char *conn_why(const struct conn *conn);
/* Whatever made it fail before is over: the next loss is tried again quickly. */
void conn_good(struct conn *conn);
/* Gives this connection up and makes another one after the backoff; `lost` is called. */
void conn_reset(struct conn *conn, const char *why);

/* Sends a request of argc NUL-terminated arguments (copied); fn may be NULL. Must be ready. */
void conn_sendv(struct conn *conn, conn_reply *fn, void *arg, int argc, const char *const *argv);
/* The same, written as hiredis' format: words apart by spaces, of which %s and %d stand for one
 * each whatever they contain. */
void conn_send(struct conn *conn, conn_reply *fn, void *arg, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
