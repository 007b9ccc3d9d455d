/* SPDX-License-Identifier: MIT */
/* The parser driven as a session drives it, with every promise asserted; see stream.h. */
#include "tests/unit/stream.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
text_add(struct text *text, const void *data, size_t len)
{
	if (text->len + len > text->cap) {
		text->cap = 2 * (text->len + len);
		text->data = realloc(text->data, text->cap);
		assert(text->data);
	}
	if (len)
		memcpy(text->data + text->len, data, len);
	text->len += len;
}

void
text_addf(struct text *text, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	assert(len >= 0 && (size_t)len < sizeof line);
	text_add(text, line, len);
}

void
stream_init(struct stream *s)
{
	memset(s, 0, sizeof *s);
}

void
stream_fini(struct stream *s)
{
	free(s->buf.data);
	free(s->said.data);
}

void
stream_say_request(struct text *said, const struct request *request)
{
	text_addf(said, "req %d", request->argc);
	for (int i = 0; i < request->argc; i++) {
		text_addf(said, " %zu:", request->argv[i].len);
		text_add(said, request->argv[i].ptr, request->argv[i].len);
	}
	text_add(said, "\n", 1);
}

static void
check_request(const struct request *request, const char *buf, size_t used)
{
	const char *after = buf;

	assert(request->argc >= 1 && request->argc <= LIMIT_REQUEST_ARGS);
	for (int i = 0; i < request->argc; i++) {
		const struct request_arg *arg = &request->argv[i];

		assert(arg->ptr >= after && arg->ptr + arg->len < buf + used);
		after = arg->ptr + arg->len;
	}
}

static bool
is_zero(const void *data, size_t len)
{
	const char *bytes = data;

	while (len > 0 && bytes[len - 1] == 0)
		len--;
	return len == 0;
}

/* One call; returns how many bytes it consumed. `buf` has exactly the bytes there are. */
static size_t
parse_once(struct stream *s, const char *buf, size_t len, enum request_result *result)
{
	struct berth_error e = { .code = BERTH_OK };
	struct request request = { .argc = -7 };
	size_t used = SIZE_MAX;

	*result = request_parse(&s->parser, buf, len, &request, &used, &e);
	assert(used <= len);
	assert((*result == REQUEST_BAD) == (e.code != BERTH_OK));
	assert(*result == REQUEST_READY || request.argc == -7);
	assert(used == 0 || is_zero(&s->parser, sizeof s->parser));
	if (*result == REQUEST_READY) {
		assert(used > 0);
		check_request(&request, buf, used);
		stream_say_request(&s->said, &request);
		s->requests++;
	} else if (*result == REQUEST_BAD) {
		assert(used == 0 && (e.code == BERTH_LIMIT || e.code == BERTH_ERR));
		text_addf(&s->said, "bad %s %s\n", berth_error_name(e.code), e.message);
		s->dead = true;
	} else {
		assert(s->parser.at + s->parser.scanned <= len - used);
		assert(len - used < LIMIT_REQUEST_BYTES);
	}
	return used;
}

void
stream_feed(struct stream *s, const void *data, size_t len)
{
	enum request_result result = REQUEST_READY;

	text_add(&s->buf, data, len);
	while (!s->dead && s->buf.len && result == REQUEST_READY) {
		char *exact = malloc(s->buf.len);
		size_t used;

		assert(exact);
		memcpy(exact, s->buf.data, s->buf.len);
		used = parse_once(s, exact, s->buf.len, &result);
		free(exact);
		s->buf.len -= used;
		memmove(s->buf.data, s->buf.data + used, s->buf.len);
	}
}

void
stream_end(struct stream *s)
{
	if (!s->dead && s->buf.len)
		text_addf(&s->said, "more\n");
}
