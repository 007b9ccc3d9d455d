/* SPDX-License-Identifier: MIT */
/*
 * stamp: the comment on everything that berth makes, which tells whose it is without the registry.
 *
 *     berth runner=3fa9c1 fence=17 host=ci-7 db=app made=1763726400
 *
 * What bears no stamp was not made by berth. Bytes of host and db that might be mistaken stand as %20.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { STAMP_TEXT = 1024, STAMP_RUNNER = 6 };

struct stamp {
	char runner[STAMP_RUNNER + 1];
	int64_t fence;
	char host[256];
	char db[64];  /* the database whose registry knows of it; "" in stamps that do not tell */
	int64_t made; /* seconds since 1970 by the server's clock; 0: not told */
};

/* Writes it, with this host's name. `made` 0: not told. */
void stamp_write(const char *runner, int64_t fence, const char *db, int64_t made, char out[STAMP_TEXT]);
/* False when the text is no stamp. Words that it does not know are left out. */
bool stamp_read(const char *text, struct stamp *ret);
/* Writes `text` as a stamp would hold it (of a host or a db), at most size - 1 bytes. */
void stamp_encode(const char *text, char *out, int size);
