/* SPDX-License-Identifier: MIT */
/* One verb, one reply: writes the request, turns error replies into errors, checks the type. */
#include "client/lib/client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proto/limits.h"

enum { HEADER_BYTES_MAX = 24 };

static int
request_size(int argc, const char *const argv[], size_t *ret, struct berth_error *e)
{
	size_t size = HEADER_BYTES_MAX;

	if (argc < 1 || argc > LIMIT_REQUEST_ARGS)
		return berth_error_set(e, BERTH_LIMIT, "%d arguments; a request has 1 to %d", argc,
		                       LIMIT_REQUEST_ARGS);
	for (int i = 0; i < argc; i++) {
		if (!argv[i])
			return berth_error_set(e, BERTH_USAGE, "%s: argument %d is missing",
			                       argv[0], i);
		size += HEADER_BYTES_MAX + strlen(argv[i]);
	}
	if (size > LIMIT_REQUEST_BYTES)
		return berth_error_set(e, BERTH_LIMIT, "a request of %zu bytes; %d is the most",
		                       size, LIMIT_REQUEST_BYTES);
	*ret = size;
	return 0;
}

/* The request in `size` bytes of memory, which request_size() made large enough. */
static size_t
request_write(char *buf, size_t size, int argc, const char *const argv[])
{
	size_t at = snprintf(buf, size, "*%d\r\n", argc);

	for (int i = 0; i < argc; i++)
		at += snprintf(buf + at, size - at, "$%zu\r\n%s\r\n", strlen(argv[i]), argv[i]);
	return at;
}

static int
request_send(struct berth_client *c, int64_t deadline, int argc, const char *const argv[],
             struct berth_error *e)
{
	size_t size = 0;
	char *buf;
	int n;

	if (request_size(argc, argv, &size, e) < 0)
		return -1;
	buf = malloc(size);
	if (!buf)
		return libberth_oom(e);
	n = libberth_send(c, buf, request_write(buf, size, argc, argv), deadline, e);
	free(buf);
	return n;
}

/* "-CODE message" becomes an error; a code that is not in the list stays in the message. */
static int
error_from(const struct berth_reply *reply, struct berth_error *e)
{
	size_t word = strcspn(reply->text, " ");
	enum berth_error_code code = berth_error_code(reply->text, word);
	bool known = strlen(berth_error_name(code)) == word
	             && strncmp(berth_error_name(code), reply->text, word) == 0;
	const char *message = reply->text + (known ? word : 0);

	return berth_error_set(e, code, "%s", message + strspn(message, " "));
}

static int64_t
deadline_after(const struct berth_client *c, long long wait_ms)
{
	long long now = libberth_now_ms(), at;

	if (wait_ms < 0 || __builtin_add_overflow(now + c->timeout_ms, wait_ms, &at))
		return INT64_MAX;
	return at;
}

int
libberth_exchange(struct berth_client *c, int64_t deadline, int argc, const char *const argv[],
                  struct berth_reply **ret, struct berth_error *e)
{
	struct berth_reply *reply = NULL;

	if (request_send(c, deadline, argc, argv, e) < 0
	    || libberth_receive(c, deadline, &reply, e) < 0)
		return -1;
	if (reply->type == BERTH_REPLY_ERROR) {
		error_from(reply, e);
		berth_reply_free(reply);
		return -1;
	}
	*ret = reply;
	return 0;
}

/* A daemon that ended may be meant to; every other verb may be said twice. */
static bool
may_be_said_again(const char *verb)
{
	return strcasecmp(verb, "SHUTDOWN") != 0;
}

int
berth_command(struct berth_client *c, long long wait_ms, int argc, const char *const argv[],
              struct berth_reply **ret, struct berth_error *e)
{
	int64_t deadline = deadline_after(c, wait_ms), patience = libberth_now_ms() + c->timeout_ms;
	struct berth_error error;

	if (!berth_connected(c) && !c->adrift)
		return libberth_lose(c, e, "it broke before this call");
	for (;;) {
		/* A lease that is gone is for the request to find out. */
		if (c->adrift && libberth_come_back(c, patience, &error) < 0 && c->adrift)
			break;
		if (libberth_exchange(c, deadline, argc, argv, ret, &error) == 0)
			return 0;
		if (!c->adrift || berth_connected(c) || !may_be_said_again(argv[0])
		    || libberth_now_ms() >= patience)
			break;
	}
	if (e)
		*e = error;
	return -1;
}

int
libberth_ask(struct berth_client *c, long long wait_ms, int argc, const char *const argv[],
             enum berth_reply_type type, struct berth_reply **ret, struct berth_error *e)
{
	struct berth_reply *reply = NULL;

	if (berth_command(c, wait_ms, argc, argv, &reply, e) < 0)
		return -1;
	assert(reply);
	if (reply->type != type) {
		berth_reply_free(reply);
		return berth_error_set(
			e, BERTH_ERR,
			"%s: an answer of another type than expected; is %s berthd's?", argv[0],
			c->path);
	}
	*ret = reply;
	return 0;
}

int
libberth_tell(struct berth_client *c, long long wait_ms, int argc, const char *const argv[],
              struct berth_error *e)
{
	struct berth_reply *reply = NULL;
	int n = libberth_ask(c, wait_ms, argc, argv, BERTH_REPLY_TEXT, &reply, e);

	if (n == 0)
		berth_reply_free(reply);
	return n;
}
