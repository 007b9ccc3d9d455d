/* SPDX-License-Identifier: MIT */
/*
 * Replies: writes RESP2, or RESP3 once the client has said HELLO 3, into a sink of the caller's.
 *
 * Exactly one reply a request: the session asserts it. Maps are flat arrays in RESP2. CR and LF (and
 * other control bytes) never reach simple strings or errors: they are written as spaces.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/errors.h"

struct reply {
	int resp;                                               /* 2 or 3 */
	void (*put)(void *sink, const void *data, size_t len);  /* must take all of it */
	void *sink;                                             /* borrowed */
};

void reply_ok(struct reply *r);
void reply_simple(struct reply *r, const char *text);
void reply_int(struct reply *r, int64_t value);
void reply_bulk(struct reply *r, const void *data, size_t len);
void reply_text(struct reply *r, const char *text); /* a bulk; NULL writes null */
void reply_null(struct reply *r);                    /* $-1 in RESP2, _ in RESP3 */
void reply_array(struct reply *r, size_t items);
void reply_map(struct reply *r, size_t pairs); /* %n, or *2n in RESP2 */
void reply_push(struct reply *r, size_t items); /* RESP3 only: asserts it */
void reply_error(struct reply *r, const struct berth_error *e); /* -CODE message */

/* One pair of a map. */
void reply_field_text(struct reply *r, const char *name, const char *value);
void reply_field_int(struct reply *r, const char *name, int64_t value);
