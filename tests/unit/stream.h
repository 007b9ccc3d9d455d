/* SPDX-License-Identifier: MIT */
/*
 * A session reduced to its parser: takes bytes in pieces, writes down every request and the end.
 *
 * Whatever the bytes are, it asserts what request.h promises: nothing beyond the bytes is used or
 * looked at (each call gets a copy of exactly the bytes there are, for the sanitizers to guard),
 * arguments lie inside the buffer, outputs stay untouched when there is no request.
 */
#pragma once

#include "proto/request.h"

struct text {
	char *data;
	size_t len;
	size_t cap;
};

void text_add(struct text *text, const void *data, size_t len);
void text_addf(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

struct stream {
	struct request_parser parser;
	struct text buf;  /* bytes that are not consumed yet */
	bool dead;        /* a request was bad; further bytes are ignored */
	int requests;     /* that were read */
	struct text said; /* "req 2 4:ECHO 2:hi\n" for each request; "bad CODE message\n" */
};

void stream_init(struct stream *s);
void stream_fini(struct stream *s);
void stream_feed(struct stream *s, const void *data, size_t len);
/* Ends the stream: writes down "more\n" if an incomplete request remains. */
void stream_end(struct stream *s);

/* One request, written down as stream does. */
void stream_say_request(struct text *said, const struct request *request);
