/* SPDX-License-Identifier: MIT */
/* The connection of conn.h on hiredis (0.14 to 1.x) and libevent. */
#include "daemon/redis/conn.h"

#include <assert.h>
#include <fcntl.h>
#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/base/random.h"
#include "daemon/base/resolve.h"

enum conn_state {
	CONN_DOWN,       /* waiting for the next try */
	CONN_CONNECTING, /* resolving, connecting, authenticating */
	CONN_READY,
};

/* One request that hiredis has, or (orphan) has given back unanswered. */
struct request {
	struct conn *conn;
	conn_reply *fn;
	void *arg;
	int64_t sent; /* clock_now() */
	bool orphan;
	bool detached; /* no longer in conn->requests: only hiredis still knows it */
	struct request *prev, *next;
};

struct conn {
	struct event_base *base;
	struct evdns_base *dns;
	struct conn_config config;
	struct conn_events events;
	void *arg;

	enum conn_state state;
	redisAsyncContext *ac;   /* NULL unless connecting or ready */
	struct resolve *resolve; /* NULL unless a name is being looked up */
	struct event *retry;     /* the next try */
	struct event *deadline;  /* of the connect, or of the oldest request */
	int attempt;
	struct request *requests; /* oldest first, as Redis answers in order */
	char why[256];
};

static void conn_fail(struct conn *conn, const char *why);

static void
arm(struct event *timer, int64_t us)
{
	if (us < 0)
		us = 0;
	struct timeval tv = { .tv_sec = us / 1000000, .tv_usec = us % 1000000 };
	evtimer_add(timer, &tv);
}

/* Redis answers in order, so the oldest request's deadline is always the next one. */
static void
watch_oldest(struct conn *conn)
{
	if (conn->requests)
		arm(conn->deadline,
		    conn->requests->sent + clock_ms(conn->config.deadline_ms) - clock_now());
	else
		evtimer_del(conn->deadline);
}

/* The reply callback of every request. hiredis calls it with NULL when it gives up a connection. */
static void
on_reply(redisAsyncContext *ac, void *reply, void *privdata)
{
	struct request *request = privdata;
	struct conn *conn = request->conn;

	if (request->detached) {
		free(request);
		return;
	}
	if (!reply) { /* conn_fail() is on its way: it answers all of them in one place */
		request->orphan = true;
		return;
	}
	conn_reply *fn = request->fn;
	void *arg = request->arg;
	metrics_observe(METRIC_REDIS_TRIP, clock_now() - request->sent);
	DL_DELETE(conn->requests, request);
	free(request);
	watch_oldest(conn);
	if (fn)
		fn(arg, reply); /* may free the conn */
}

/* Answers every open request with NULL. hiredis may still hold some: those it frees later. */
static void
drain(struct conn *conn)
{
	for (struct request *request; (request = conn->requests);) {
		conn_reply *fn = request->fn;
		void *arg = request->arg;

		DL_DELETE(conn->requests, request);
		if (request->orphan)
			free(request);
		else
			request->detached = true;
		if (fn)
			fn(arg, NULL);
	}
}

static void
hang_up(struct conn *conn)
{
	redisAsyncContext *ac = conn->ac;

	resolve_cancel(conn->resolve);
	conn->resolve = NULL;
	evtimer_del(conn->deadline);
	conn->ac = NULL;
	conn->state = CONN_DOWN;
	if (ac) {
		ac->data = NULL;
		redisAsyncFree(ac);
	}
}

static void
conn_fail(struct conn *conn, const char *why)
{
	snprintf(conn->why, sizeof conn->why, "%s", why);
	hang_up(conn);
	arm(conn->retry, clock_ms(random_backoff_ms(conn->attempt, conn->config.retry_ms,
	                                            conn->config.retry_max_ms)));
	if (conn->attempt < 30)
		conn->attempt++;
	drain(conn);
	conn->events.lost(conn->arg, conn->why);
}

static void
on_pong(void *arg, const redisReply *reply)
{
	struct conn *conn = arg;

	if (!reply)
		return;
	if (reply->type == REDIS_REPLY_ERROR) {
		conn_fail(conn, reply->str);
		return;
	}
	conn->state = CONN_READY;
	conn->events.ready(conn->arg);
}

static void
on_auth(void *arg, const redisReply *reply)
{
	if (reply && reply->type == REDIS_REPLY_ERROR)
		conn_fail(arg, reply->str);
}

static struct request *
request_new(struct conn *conn, conn_reply *fn, void *arg)
{
	struct request *request = malloc(sizeof *request);

	if (!request)
		abort();
	*request = (struct request){ .conn = conn, .fn = fn, .arg = arg, .sent = clock_now() };
	DL_APPEND(conn->requests, request);
	return request;
}

/* What hiredis refused fails in the next turn, not inside the caller's call. */
static void
request_sent(struct request *request, int status)
{
	struct conn *conn = request->conn;

	if (status != REDIS_OK) {
		request->orphan = true;
		arm(conn->deadline, 0);
	} else if (conn->requests == request) {
		watch_oldest(conn);
	}
}

static void
push(struct conn *conn, conn_reply *fn, void *arg, int argc, const char *const *argv)
{
	struct request *request = request_new(conn, fn, arg);

	request_sent(request, redisAsyncCommandArgv(conn->ac, on_reply, request, argc,
	                                            (const char **)argv, NULL));
}

/* hiredis frees the context itself after this said ERR. */
static void
on_connect(const redisAsyncContext *ac, int status)
{
	struct conn *conn = ac->data;
	const struct redis_url *url;

	if (!conn)
		return;
	if (status != REDIS_OK) {
		char why[128];
		snprintf(why, sizeof why, "%s", ac->errstr);
		((redisAsyncContext *)ac)->data = NULL;
		conn->ac = NULL;
		conn_fail(conn, why);
		return;
	}
	url = &conn->config.url;
	if (url->password[0] && url->user[0])
		push(conn, on_auth, conn, 3, (const char *[]){ "AUTH", url->user, url->password });
	else if (url->password[0])
		push(conn, on_auth, conn, 2, (const char *[]){ "AUTH", url->password });
	push(conn, on_pong, conn, 1, (const char *[]){ "PING" });
}

static void
on_disconnect(const redisAsyncContext *ac, int status)
{
	struct conn *conn = ac->data;
	char why[128];

	if (!conn)
		return;
	snprintf(why, sizeof why, "%s",
	         ac->errstr && ac->errstr[0] ? ac->errstr : "closed by the server");
	conn->ac = NULL;
	conn_fail(conn, why);
}

static void
dial(struct conn *conn, const char *address)
{
	redisAsyncContext *ac = address ? redisAsyncConnect(address, conn->config.url.port)
	                                : redisAsyncConnectUnix(conn->config.url.socket);
	char why[128];

	if (!ac)
		abort();
	if (ac->err) {
		snprintf(why, sizeof why, "%s", ac->errstr);
		redisAsyncFree(ac);
		conn_fail(conn, why);
		return;
	}
	conn->ac = ac;
	ac->data = conn;
	fcntl(ac->c.fd, F_SETFD, FD_CLOEXEC);
	redisLibeventAttach(ac, conn->base);
	redisAsyncSetConnectCallback(ac, on_connect);
	redisAsyncSetDisconnectCallback(ac, on_disconnect);
}

static void
on_resolved(void *arg, const char *address, const char *why)
{
	struct conn *conn = arg;
	char text[512];

	conn->resolve = NULL;
	if (address) {
		dial(conn, address);
		return;
	}
	snprintf(text, sizeof text, "cannot look up %s: %s", conn->config.url.host, why);
	conn_fail(conn, text);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;
	struct resolve *resolve;

	assert(conn->state == CONN_DOWN);
	conn->state = CONN_CONNECTING;
	arm(conn->deadline, clock_ms(conn->config.deadline_ms));
	if (conn->config.url.socket[0]) {
		dial(conn, NULL);
		return;
	}
	/* Answered at once, the conn may be down (or gone) again by now: then NULL is returned. */
	resolve = resolve_start(conn->dns, conn->config.url.host, on_resolved, conn);
	if (resolve)
		conn->resolve = resolve;
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct conn *conn = arg;
	char why[64];

	snprintf(why, sizeof why, "no answer within %d ms", conn->config.deadline_ms);
	conn_fail(conn, why);
}

struct conn *
conn_new(struct event_base *base, struct evdns_base *dns, const struct conn_config *config,
         const struct conn_events *events, void *arg)
{
	struct conn *conn = malloc(sizeof *conn);

	if (!conn)
		abort();
	*conn = (struct conn){
		.base = base, .dns = dns, .config = *config, .events = *events, .arg = arg
	};
	conn->retry = evtimer_new(base, on_retry, conn);
	conn->deadline = evtimer_new(base, on_deadline, conn);
	if (!conn->retry || !conn->deadline)
		abort();
	arm(conn->retry, 0);
	return conn;
}

void
conn_free(struct conn *conn)
{
	if (!conn)
		return;
	hang_up(conn);
	drain(conn);
	event_free(conn->retry);
	event_free(conn->deadline);
	explicit_bzero(&conn->config.url, sizeof conn->config.url);
	free(conn);
}

bool
conn_is_ready(const struct conn *conn)
{
	return conn->state == CONN_READY;
}

const char *
conn_why(const struct conn *conn)
{
	return conn->why;
}

void
conn_good(struct conn *conn)
{
	conn->attempt = 0;
}

void
conn_reset(struct conn *conn, const char *why)
{
	conn_fail(conn, why);
}

void
conn_sendv(struct conn *conn, conn_reply *fn, void *arg, int argc, const char *const *argv)
{
	assert(conn->state == CONN_READY);
	push(conn, fn, arg, argc, argv);
}

void
conn_send(struct conn *conn, conn_reply *fn, void *arg, const char *fmt, ...)
{
	struct request *request;
	va_list ap;

	assert(conn->state == CONN_READY);
	request = request_new(conn, fn, arg);
	va_start(ap, fmt);
	request_sent(request, redisvAsyncCommand(conn->ac, on_reply, request, fmt, ap));
	va_end(ap);
}
