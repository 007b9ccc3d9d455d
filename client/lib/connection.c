/* SPDX-License-Identifier: MIT */
/* One connection to the daemon: sends requests and receives replies, each with a deadline. */
#include "client/lib/client.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 10000, RECEIVE_BYTES = 16384 };

int64_t
libberth_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int
libberth_oom(struct berth_error *e)
{
	return berth_error_set(e, BERTH_LIMIT, "out of memory");
}

int
libberth_client_new(int fd, const char *path, struct berth_client **ret, struct berth_error *e)
{
	struct berth_client *c = calloc(1, sizeof *c);

	if (!c) {
		close(fd);
		return libberth_oom(e);
	}
	c->fd = fd;
	c->timeout_ms = TIMEOUT_MS;
	c->path = strdup(path);
	c->reader = libberth_reader_new(&c->budget);
	if (!c->path || !c->reader) {
		berth_close(c);
		return libberth_oom(e);
	}
	*ret = c;
	return 0;
}

void
berth_close(struct berth_client *c)
{
	if (!c)
		return;
	if (c->fd >= 0)
		close(c->fd);
	if (c->reader)
		redisReaderFree(c->reader);
	libberth_let_all_go(c);
	free(c->path);
	free(c);
}

const char *
berth_path(const struct berth_client *c)
{
	return c->path;
}

int
berth_fd(const struct berth_client *c)
{
	return c->fd;
}

bool
berth_connected(const struct berth_client *c)
{
	return c->fd >= 0;
}

void
berth_set_timeout(struct berth_client *c, int timeout_ms)
{
	c->timeout_ms = timeout_ms;
}

int
libberth_lose(struct berth_client *c, struct berth_error *e, const char *fmt, ...)
{
	char reason[BERTH_ERROR_MESSAGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof reason, fmt, ap);
	va_end(ap);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	return berth_error_set(e, BERTH_UNAVAILABLE, "the connection to %s is lost: %s", c->path,
	                       reason);
}

bool
libberth_is_over(const struct berth_client *c)
{
	char byte;
	ssize_t n = recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

/* Until the socket can be read or written: 1; 0 at the deadline, -1 with errno. */
static int
wait_for(int fd, short events, int64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		int64_t left = deadline - libberth_now_ms();
		int n = poll(&p, 1, left <= 0 ? 0 : left > 1000000 ? 1000000 : (int)left);

		if (n > 0 || (n < 0 && errno != EINTR))
			return n;
		if (left <= 0)
			return 0;
	}
}

int
libberth_send(struct berth_client *c, const void *data, size_t len, int64_t deadline,
              struct berth_error *e)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(c->fd, at, len, MSG_NOSIGNAL);

		if (n >= 0) {
			at += n;
			len -= n;
		} else if (errno == EAGAIN) {
			int ready = wait_for(c->fd, POLLOUT, deadline);

			if (ready <= 0)
				return libberth_lose(c, e, "%s",
				                     ready ? strerror(errno)
				                           : "it takes no request");
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return 0; /* closed: what it said before, if anything, is the better error
			           */
		} else if (errno != EINTR) {
			return libberth_lose(c, e, "%s", strerror(errno));
		}
	}
	return 0;
}

int
libberth_hung_up(struct berth_client *c, struct berth_error *e)
{
	c->adrift = c->held != NULL;
	return libberth_lose(c, e, "the daemon closed it");
}

/* Reads what has come into the reader: 0, or -1 with the connection lost. */
static int
fill(struct berth_client *c, struct berth_error *e)
{
	char buf[RECEIVE_BYTES];
	ssize_t n = recv(c->fd, buf, sizeof buf, 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0 || (n < 0 && errno == ECONNRESET))
		return libberth_hung_up(c, e);
	if (n < 0)
		return libberth_lose(c, e, "%s", strerror(errno));
	if ((size_t)n > c->budget.bytes)
		return libberth_lose(c, e, "a reply larger than %d bytes", REPLY_BYTES_MAX);
	c->budget.bytes -= n;
	if (redisReaderFeed(c->reader, buf, n) != REDIS_OK)
		return libberth_lose(c, e, "out of memory");
	return 0;
}

/* Takes a whole reply out of the reader, if there is one: 1, 0, or -1 with the connection lost. */
static int
take(struct berth_client *c, struct berth_reply **ret, struct berth_error *e)
{
	void *reply = NULL;

	if (redisReaderGetReply(c->reader, &reply) != REDIS_OK) {
		if (c->budget.exceeded)
			return libberth_lose(c, e, "a reply with too many elements, or not RESP2");
		return libberth_lose(c, e, "%s", c->reader->errstr);
	}
	if (!reply)
		return 0;
	libberth_budget_start(&c->budget);
	*ret = reply;
	return 1;
}

static int
receive_one(struct berth_client *c, int64_t deadline, struct berth_reply **ret,
            struct berth_error *e)
{
	for (;;) {
		int n = take(c, ret, e);

		if (n != 0)
			return n < 0 ? -1 : 0;
		n = wait_for(c->fd, POLLIN, deadline);
		if (n == 0)
			return berth_error_set(e, BERTH_TIMEOUT,
			                       "the daemon at %s did not answer in time", c->path);
		if (n < 0)
			return libberth_lose(c, e, "%s", strerror(errno));
		if (fill(c, e) < 0)
			return -1;
	}
}

int
libberth_receive(struct berth_client *c, int64_t deadline, struct berth_reply **ret,
                 struct berth_error *e)
{
	for (;;) {
		struct berth_reply *reply = NULL;

		if (receive_one(c, deadline, &reply, e) < 0) {
			c->late++;
			return -1;
		}
		if (c->late == 0) {
			*ret = reply;
			return 0;
		}
		c->late--;
		berth_reply_free(reply);
	}
}
