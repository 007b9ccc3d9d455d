/* SPDX-License-Identifier: MIT */
/* Bytes to requests, replies to bytes, and the deadlines of a session. */
#include "daemon/session.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/berthd.h"
#include "daemon/book.h"
#include "daemon/listener.h"
#include "daemon/verb.h"

enum { INPUT_MAX = LIMIT_REQUEST_BYTES + LIMIT_READ_BYTES, PROMISES_MAX = 64 };

static char scratch[LIMIT_READ_BYTES]; /* what is read before it is known to be more than one turn's */

/* A reply that is not there yet, or one that is and waits for those before it. */
struct promise {
	struct evbuffer *reply;
	bool kept;
	TAILQ_ENTRY(promise) link;
};

static void on_input(evutil_socket_t fd, short what, void *arg);

/* ---- output ---- */

static void
put(void *sink, const void *data, size_t len)
{
	struct session *session = sink;

	if (evbuffer_add(session->keeping ? session->keeping->reply : session->out, data, len) < 0)
		abort();
}

/* Sends what the socket takes now; the rest goes when it can. */
static void
flush(struct session *session)
{
	while (evbuffer_get_length(session->out) > 0 && !session->broken) {
		if (evbuffer_write(session->out, session->fd) < 0) {
			if (errno != EAGAIN && errno != EINTR)
				session->broken = true;
			break;
		}
	}
	if (evbuffer_get_length(session->out) > 0 && !session->broken)
		event_add(&session->output, NULL);
}

static void
count_output(struct session *session, size_t unsent)
{
	session->berthd->listener.unsent += unsent - session->counted;
	session->counted = unsent;
}

/* So that many who do not read take no more memory than a few may. */
static size_t
output_limit(const struct session *session)
{
	return session->berthd->listener.unsent > LIMIT_OUTPUT_ALL_BYTES ? LIMIT_OUTPUT_FEW_BYTES : LIMIT_OUTPUT_BYTES;
}

void
session_error(struct session *session, enum berth_error_code code, const char *fmt, ...)
{
	struct berth_error e;
	va_list ap;

	va_start(ap, fmt);
	berth_error_vset(&e, code, fmt, ap);
	va_end(ap);
	session->berthd->errors[code]++;
	reply_error(&session->reply, &e);
}

/* ---- what to watch for ---- */

static void
watch(struct session *session)
{
	short want = session->choked || session->closing || session->in_len >= INPUT_MAX ? EV_CLOSED : EV_READ;

	if (want == session->watching)
		return;
	session->watching = want;
	event_del(&session->input);
	event_assign(&session->input, session->berthd->base, session->fd, (short)(want | EV_PERSIST), on_input,
	             session);
	event_add(&session->input, NULL);
}

static void
set_timer(struct session *session, int ms)
{
	struct timeval delay = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	event_add(&session->timer, &delay);
}

/* A session that holds a lease and is silent is not timed out; one that stops inside a request is. */
static void
mind_deadline(struct session *session)
{
	if (session->in_len > 0 && !session->waiting && !session->choked) {
		if (!event_pending(&session->timer, EV_TIMEOUT, NULL))
			set_timer(session, LIMIT_PARTIAL_REQUEST_MS);
	} else if (session->greeted) {
		event_del(&session->timer);
	}
}

/* ---- requests ---- */

static void
refuse_stream(struct session *session, const struct berth_error *e)
{
	session->berthd->errors[e->code]++;
	reply_error(&session->reply, e);
	log_debug("session.refuse", LOG_N("session", session->id), LOG_T("why", e->message));
	session->closing = true;
}

static bool
looks_on(const struct session *session)
{
	bool may = !session->waiting
	           || (session->promised > 0 && session->promised < PROMISES_MAX && !session->halted);

	return may && !session->choked && !session->closing;
}

/* Understands as many requests of data[0..len) as it may now; returns how many bytes are done with. */
static size_t
work_through(struct session *session, const char *data, size_t len)
{
	struct request request;
	struct berth_error e;
	size_t done = 0, used = 0;

	while (looks_on(session)) {
		switch (request_parse(&session->parser, data + done, len - done, &request, &used, &e)) {
		case REQUEST_MORE:
			return done + used;
		case REQUEST_BAD:
			refuse_stream(session, &e);
			return len;
		case REQUEST_READY:
			if (session->promised > 0 && !verb_goes_along(&request)) {
				session->halted = true; /* it is read again when the promises are kept */
				return done;
			}
			session->greeted = true;
			event_del(&session->timer);
			verb_dispatch(session, &request);
			done += used;
		}
		session->choked = evbuffer_get_length(session->out) > output_limit(session);
	}
	return done;
}

static void
keep_rest(struct session *session, const char *data, size_t len)
{
	if (len > session->in_size) {
		session->in_size = len < 1024 ? 1024 : INPUT_MAX;
		session->in = realloc(session->in, session->in_size);
		if (!session->in)
			abort();
	}
	memmove(session->in, data, len);
	session->in_len = len;
}

static void
drop_rest(struct session *session)
{
	free(session->in);
	session->in = NULL;
	session->in_len = session->in_size = 0;
}

static void
consume(struct session *session, const char *data, size_t len)
{
	size_t done = work_through(session, data, len);

	if (session->closing || done == len)
		drop_rest(session);
	else
		keep_rest(session, data + done, len - done);
}

/* Reads into the rest of an unfinished request, or into the scratch of all sessions. */
static ssize_t
receive(struct session *session, const char **ret_data, size_t *ret_len)
{
	ssize_t got;

	if (session->in_len == 0) {
		got = recv(session->fd, scratch, sizeof scratch, 0);
		*ret_data = scratch;
		*ret_len = got > 0 ? (size_t)got : 0;
		return got;
	}
	if (session->in_size < INPUT_MAX) {
		session->in_size = INPUT_MAX;
		session->in = realloc(session->in, session->in_size);
		if (!session->in)
			abort();
	}
	size_t room = session->in_size - session->in_len;

	got = recv(session->fd, session->in + session->in_len, room < LIMIT_READ_BYTES ? room : LIMIT_READ_BYTES, 0);
	if (got > 0)
		session->in_len += (size_t)got;
	*ret_data = session->in;
	*ret_len = session->in_len;
	return got;
}

/* ---- handlers ---- */

static void
settle(struct session *session)
{
	flush(session);
	count_output(session, evbuffer_get_length(session->out));
	if (session->choked && evbuffer_get_length(session->out) < output_limit(session) / 2) {
		session->choked = false;
		event_active(&session->input, EV_TIMEOUT, 0);
	}
	if (session->broken || (session->closing && evbuffer_get_length(session->out) == 0)) {
		listener_remove(&session->berthd->listener, session);
		session_free(session);
		return;
	}
	watch(session);
	mind_deadline(session);
}

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;
	const char *data = session->in;
	size_t len = session->in_len;
	ssize_t got = -1;

	errno = EAGAIN;
	if (what & EV_READ)
		got = receive(session, &data, &len);
	else if (what & EV_CLOSED)
		got = 0;
	if (got < 0 && errno != EAGAIN && errno != EINTR)
		session->broken = true;
	else if (len > 0)
		consume(session, data, len);
	if (got == 0) {
		session->closing = true; /* the other end is gone, or will say nothing more */
		session->broken = session->waiting || what & EV_CLOSED;
	}
	settle(session);
}

static void
on_output(evutil_socket_t fd, short what, void *arg)
{
	settle(arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct session *session = arg;
	struct berth_error e;

	berth_error_set(&e, BERTH_TIMEOUT, "no complete request within %d ms of %s",
	                session->greeted ? LIMIT_PARTIAL_REQUEST_MS : LIMIT_FIRST_REQUEST_MS,
	                session->greeted ? "its first byte" : "connecting");
	refuse_stream(session, &e);
	flush(session);
	session->broken = true; /* one that does not even take its error is not waited for */
	settle(session);
}

/* ---- waiting ---- */

void
session_suspend(struct session *session)
{
	session->waiting = true;
}

void
session_resume(struct session *session)
{
	session->waiting = false;
	event_active(&session->input, EV_TIMEOUT, 0);
}

struct promise *
session_promise(struct session *session)
{
	struct promise *promise = calloc(1, sizeof *promise);

	if (!promise || !(promise->reply = evbuffer_new()))
		abort();
	TAILQ_INSERT_TAIL(&session->promises, promise, link);
	session->promised++;
	session->waiting = true;
	return promise;
}

static void
forget_promise(struct session *session, struct promise *promise)
{
	TAILQ_REMOVE(&session->promises, promise, link);
	session->promised--;
	evbuffer_free(promise->reply);
	free(promise);
}

void
session_keep(struct session *session, struct promise *promise)
{
	assert(!session->keeping && !promise->kept);
	session->keeping = promise;
}

void
session_kept(struct session *session)
{
	struct promise *promise = session->keeping;

	assert(evbuffer_get_length(promise->reply) > 0);
	promise->kept = true;
	session->keeping = NULL;
	while ((promise = TAILQ_FIRST(&session->promises)) && promise->kept) {
		if (evbuffer_add_buffer(session->out, promise->reply) < 0)
			abort();
		forget_promise(session, promise);
	}
	if (session->promised == 0) {
		session->halted = false;
		session->waiting = false;
	}
	event_active(&session->input, EV_TIMEOUT, 0);
}

static void
leave_lease(struct session *session)
{
	if (session->awaited)
		TAILQ_REMOVE(&session->awaited->waiters, session, of_lease);
	session->awaited = NULL;
	event_del(&session->wait_timer);
}

void
session_answer(struct session *session)
{
	struct lease *lease = session->awaited;

	leave_lease(session);
	session->answer(session, lease);
	session_resume(session);
}

static void
on_wait_over(evutil_socket_t fd, short what, void *arg)
{
	session_answer(arg);
}

void
session_wait(struct session *session, struct lease *lease, int64_t ms,
             void (*answer)(struct session *session, struct lease *lease))
{
	struct timeval delay = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	/* libevent counts from the beginning of this turn of the loop: a WAIT must not end early. */
	event_base_update_cache_time(session->berthd->base);
	session_suspend(session);
	session->awaited = lease;
	session->answer = answer;
	TAILQ_INSERT_TAIL(&lease->waiters, session, of_lease);
	event_add(&session->wait_timer, &delay);
}

/* ---- life ---- */

static void
learn_peer(struct session *session)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof peer;

	if (getsockopt(session->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		session->broken = true;
	session->uid = peer.uid;
	session->pid = peer.pid;
	session->privileged = peer.uid == 0 || peer.uid == geteuid();
}

struct session *
session_new(struct berthd *berthd, int fd, uint64_t id)
{
	struct session *session = calloc(1, sizeof *session);

	if (!session || !(session->out = evbuffer_new()))
		abort();
	session->berthd = berthd;
	session->fd = fd;
	session->id = id;
	session->reply = (struct reply){ .resp = 2, .put = put, .sink = session };
	session->watching = EV_READ;
	TAILQ_INIT(&session->promises);
	learn_peer(session);
	event_assign(&session->input, berthd->base, fd, EV_READ | EV_PERSIST, on_input, session);
	event_assign(&session->output, berthd->base, fd, EV_WRITE, on_output, session);
	event_assign(&session->timer, berthd->base, -1, 0, on_timer, session);
	event_assign(&session->wait_timer, berthd->base, -1, 0, on_wait_over, session);
	event_add(&session->input, NULL);
	set_timer(session, LIMIT_FIRST_REQUEST_MS);
	return session;
}

void
session_free(struct session *session)
{
	leave_lease(session);
	event_del(&session->input);
	event_del(&session->output);
	event_del(&session->timer);
	close(session->fd);
	gate_session_gone(&session->berthd->gate, session->id);
	book_unbind_all(&session->berthd->book, &session->bindings);
	while (!TAILQ_EMPTY(&session->promises))
		forget_promise(session, TAILQ_FIRST(&session->promises));
	count_output(session, 0);
	evbuffer_free(session->out);
	free(session->in);
	free(session);
}
