/* SPDX-License-Identifier: MIT */
/*
 * session: one client's connection; requests in, exactly one reply each out, in order.
 *
 * listener  owns every session
 * binding   ties leases to it: they live while it does
 *
 * A verb either replies before it returns, or calls session_wait() and replies from there, or
 * promises its reply: then requests that go along are looked at meanwhile (verb_goes_along()), and
 * whatever is written for them stays in the order of the requests.
 * Closing never happens under a verb's feet: only the session's own event handlers close it.
 */
#pragma once

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/lease.h"
#include "proto/reply.h"
#include "proto/request.h"

struct berthd;
struct promise;
TAILQ_HEAD(promises, promise);

struct session {
	struct berthd *berthd;      /* borrowed */
	uint64_t id;
	int fd;
	uid_t uid;
	pid_t pid;
	char name[64];              /* CLIENT SETNAME */
	bool privileged;            /* root, or the daemon's own user */

	struct event input, output; /* the socket's */
	struct event timer;         /* the first request, or the rest of a partial one, is due */
	struct event wait_timer;    /* WAIT is over */
	short watching;             /* what `input` stands for now: EV_READ or EV_CLOSED */
	char *in;                   /* bytes not yet understood; NULL when there are none */
	size_t in_len, in_size;
	struct evbuffer *out;
	size_t counted;             /* of it, in listener->unsent */
	struct request_parser parser;
	struct reply reply;

	struct binding_list bindings;
	struct lease *awaited;      /* borrowed; takes us out of its waiters before it goes */
	void (*answer)(struct session *session, struct lease *lease);
	struct promises promises;   /* owned: replies to come, in order; meanwhile the session is waiting */
	int promised;
	struct promise *keeping;    /* borrowed: what is written now is its reply */
	bool halted;                /* the next request does not go along with what is promised */
	bool waiting;               /* no further request is looked at until the reply is there */
	bool greeted;               /* a request was understood */
	bool choked;                /* too much unsent output: not reading */
	bool closing;               /* nothing more is read; closes when the output is sent */
	bool broken;                /* closes at once */
	TAILQ_ENTRY(session) of_lease;
	TAILQ_ENTRY(session) link;  /* listener's */
};

/* Takes `fd` (non-blocking). */
struct session *session_new(struct berthd *berthd, int fd, uint64_t id);
/* Unbinds its leases and closes; for the listener, and for the session's own handlers. */
void session_free(struct session *session);

/*
 * The reply to this request waits until the lease is held, has failed or ended, or `ms` are over;
 * then `answer` gives it.
 */
void session_wait(struct session *session, struct lease *lease, int64_t ms,
                  void (*answer)(struct session *session, struct lease *lease));
/* The reply waits for something else than a lease; session_resume() after it was written. */
void session_suspend(struct session *session);
void session_resume(struct session *session);
/*
 * The reply to this request comes later: what is written between session_keep() and session_kept().
 * The session owns the promise; it is gone with it, and after session_kept().
 */
struct promise *session_promise(struct session *session);
void session_keep(struct session *session, struct promise *promise);
void session_kept(struct session *session);
/* The lease's news: answers, and goes on with the next request in the next turn of the loop. */
void session_answer(struct session *session);

/* Shorthands for verbs. */
void session_error(struct session *session, enum berth_error_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
