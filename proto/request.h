/* SPDX-License-Identifier: MIT */
/*
 * Requests: RESP arrays of bulk strings, or an inline line, out of a byte buffer.
 *
 * The parser allocates nothing and copies nothing: arguments point into the caller's buffer. It is
 * resumable and linear: bytes that were looked at are not looked at again when more arrive. It
 * refuses at the header: a bulk that will not fit is refused by its announced length, not by
 * reading it. hiredis' reader can do none of these (it reserves 16 GB for "*2147483647").
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/errors.h"
#include "proto/limits.h"

struct request_arg {
	const char *ptr; /* borrows the buffer given to request_parse(), until its bytes are consumed */
	size_t len;
};

struct request {
	int argc; /* 1..LIMIT_REQUEST_ARGS */
	struct request_arg argv[LIMIT_REQUEST_ARGS];
};

enum request_result {
	REQUEST_MORE,  /* incomplete: call again with the same bytes and more */
	REQUEST_READY, /* `out` holds a request; `used` bytes belong to it */
	REQUEST_BAD,   /* the stream cannot be followed any further: answer `e` and close */
};

/* Where the parser is inside the request that begins at the buffer's first byte. Zero it to start.
 * Offsets, not pointers: the buffer may move between calls. */
struct request_parser {
	size_t at;       /* bytes already understood */
	size_t scanned;  /* bytes of the line at `at` already searched for its end */
	int expected;    /* arguments announced by the array header; 0 before it */
	int have;        /* arguments understood */
	bool in_bulk;    /* the bulk header was read; `bulk_len` bytes and CRLF must follow */
	size_t bulk_len;
	uint32_t offset[LIMIT_REQUEST_ARGS];
	uint32_t length[LIMIT_REQUEST_ARGS];
};

/*
 * Understands as much of buf[0..len) as there is. On REQUEST_READY the parser is zeroed for the
 * next request, which begins at buf + *used; `out` borrows buf. Empty requests ("*0", an empty
 * line) are skipped as Redis does: they count into *used of the request that follows, or, when
 * nothing follows, REQUEST_MORE is returned with *used set to what may be thrown away (and the
 * parser is zeroed). *used is 0 in every other case.
 */
enum request_result request_parse(struct request_parser *p, const char *buf, size_t len,
                                  struct request *out, size_t *used, struct berth_error *e);

/* Whether an argument is this word, ignoring ASCII case. */
bool request_arg_is(const struct request_arg *arg, const char *word);
/* The argument as a decimal integer without sign tricks, spaces or overflow; false if it is none. */
bool request_arg_int(const struct request_arg *arg, int64_t *ret);
