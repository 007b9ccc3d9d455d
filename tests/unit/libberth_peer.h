/* SPDX-License-Identifier: MIT */
/* The other end of a libberth client in a unit test: says replies beforehand, hears the requests.
 */
#pragma once

#include "client/lib/client.h"
#include "proto/reply.h"

/* A client and its peer. Zero it, then peer_open(); peer_close() closes both. */
struct peer {
	struct berth_client *client;
	int fd;
	struct reply reply; /* writes RESP2 to the client */
	char map[4096];     /* a map being put together: many small sends would fill the socket */
	size_t map_len;
};

void peer_open(struct peer *p);
void peer_close(struct peer *p);
/* Says these bytes (a C string) now; the client reads them with its next call. */
void peer_say(struct peer *p, const char *bytes);
/* Hangs up the peer's end. */
void peer_hang_up(struct peer *p);
/* Asserts that exactly this was asked since the last call: words separated by spaces, requests by
 * a bar. A word `?` stands for any. */
void peer_heard(struct peer *p, const char *requests);

/* One field of a lease map that a test wants otherwise; a NULL value is null. */
struct peer_field {
	const char *name;
	const char *value;
};
enum { PEER_LEASE_FIELDS = 28 };
/* The names of a lease map in their order, and the values of a held one. */
extern const struct peer_field peer_lease[PEER_LEASE_FIELDS];
/* Says a held lease, with up to one field changed (NULL: none); numbers are recognised as such. */
void peer_say_lease(struct peer *p, const struct peer_field *changed);
/* Says a held lease with this field missing, and another one that nobody knows. */
void peer_say_lease_without(struct peer *p, const char *name);
/* Says a lease that is empty and builds its template. */
void peer_say_builder(struct peer *p, const char *key);
/* Says a lease that waits at this position, everything about servers null. */
void peer_say_queued(struct peer *p, int position, const char *why);
