/* SPDX-License-Identifier: MIT */
/* Writes replies as RESP2 or RESP3; reply.h says what each of them means. */
#include "proto/reply.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A type byte and a number, the beginning of almost everything: "*3", "$5", ":-1". */
static void
put_header(struct reply *r, char type, int64_t value)
{
	char line[32];

	assert(r->resp == 2 || r->resp == 3);
	r->put(r->sink, line, snprintf(line, sizeof line, "%c%" PRId64 "\r\n", type, value));
}

/* Text that must stay on its line: control bytes become spaces. */
static void
put_line_text(struct reply *r, const char *text)
{
	char clean[256];

	while (*text) {
		size_t n = 0;

		for (; n < sizeof clean && *text; text++)
			clean[n++] = (unsigned char)*text < ' ' || *text == 127 ? ' ' : *text;
		r->put(r->sink, clean, n);
	}
}

void
reply_ok(struct reply *r)
{
	reply_simple(r, "OK");
}

void
reply_simple(struct reply *r, const char *text)
{
	r->put(r->sink, "+", 1);
	put_line_text(r, text);
	r->put(r->sink, "\r\n", 2);
}

void
reply_int(struct reply *r, int64_t value)
{
	put_header(r, ':', value);
}

void
reply_bulk(struct reply *r, const void *data, size_t len)
{
	put_header(r, '$', len);
	if (len)
		r->put(r->sink, data, len);
	r->put(r->sink, "\r\n", 2);
}

void
reply_text(struct reply *r, const char *text)
{
	if (text)
		reply_bulk(r, text, strlen(text));
	else
		reply_null(r);
}

void
reply_null(struct reply *r)
{
	if (r->resp == 3)
		r->put(r->sink, "_\r\n", 3);
	else
		put_header(r, '$', -1);
}

void
reply_array(struct reply *r, size_t items)
{
	put_header(r, '*', items);
}

void
reply_map(struct reply *r, size_t pairs)
{
	if (r->resp == 3)
		put_header(r, '%', pairs);
	else
		put_header(r, '*', 2 * pairs);
}

void
reply_push(struct reply *r, size_t items)
{
	assert(r->resp == 3);
	put_header(r, '>', items);
}

void
reply_error(struct reply *r, const struct berth_error *e)
{
	const char *name = berth_error_name(e->code);

	assert(e->code != BERTH_OK);
	r->put(r->sink, "-", 1);
	r->put(r->sink, name, strlen(name));
	r->put(r->sink, " ", 1);
	put_line_text(r, e->message);
	r->put(r->sink, "\r\n", 2);
}

void
reply_field_text(struct reply *r, const char *name, const char *value)
{
	reply_text(r, name);
	reply_text(r, value);
}

void
reply_field_int(struct reply *r, const char *name, int64_t value)
{
	reply_text(r, name);
	reply_int(r, value);
}
