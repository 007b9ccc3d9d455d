/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes the request parser: whatever the bytes are and however they arrive, the same is read.
 *
 * The input is a stream as a client would send it. It is read whole, in pieces that the input
 * itself decides on, and (if it is short) byte by byte; stream.c asserts the parser's promises.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/stream.h"

enum { SHORT = 1024 };

static uint32_t
next_piece(uint32_t *state)
{
	*state = *state * 1664525 + 1013904223;
	return 1 + (*state >> 16) % ((*state >> 8) % 4 ? 16 : 4096);
}

/* Pieces of `piece` bytes, or of any length that follows from `piece` being 0 and the bytes. */
static void
feed(struct stream *s, const uint8_t *data, size_t size, size_t piece)
{
	uint32_t state = 0;

	for (size_t i = 0; i < size; i++)
		state = state * 31 + data[i];
	stream_init(s);
	for (size_t at = 0, n; at < size; at += n) {
		n = piece ? piece : next_piece(&state);
		n = n < size - at ? n : size - at;
		stream_feed(s, data + at, n);
	}
	stream_end(s);
}

static void
check_same(const struct stream *whole, const uint8_t *data, size_t size, size_t piece)
{
	struct stream s;

	feed(&s, data, size, piece);
	assert(s.said.len == whole->said.len);
	assert(s.said.len == 0 || memcmp(s.said.data, whole->said.data, s.said.len) == 0);
	stream_fini(&s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct stream whole;

	feed(&whole, data, size, size + 1);
	check_same(&whole, data, size, 0);
	if (size <= SHORT)
		check_same(&whole, data, size, 1);
	stream_fini(&whole);
	return 0;
}
