/* SPDX-License-Identifier: MIT */
/*
 * dump: pg_dump as a child process, over one section of one schema, as the schema's own role.
 *
 * pg_dump knows how to write down what a schema holds in every version of PostgreSQL, and it takes a
 * third of a second: it runs when an image is taken, never when a slot is built.
 */
#pragma once

#include <event2/event.h>

#include "proto/errors.h"

struct dump;
struct pg_target;

/*
 * The pg_dump to take: `program`, or for "" one that is no older than the server (`version`, as 150020),
 * where distributions put it, else the one in PATH. malloc()ed; NULL: there is none.
 */
char *dump_find(const char *program, int version);

/* Once, never before dump_start() has returned. `text` is the callee's to free(); NULL: `e` says why. */
typedef void dump_done(void *arg, char *text, const struct berth_error *e);

/* program, version: as above. section: "pre-data" or "post-data". More than `most` bytes are LIMIT. */
struct dump *dump_start(struct event_base *base, const char *program, int version, const struct pg_target *target,
                        const char *schema, const char *section, size_t most, dump_done *done, void *arg);
/* Kills it; done() is not called. Takes NULL. */
void dump_free(struct dump *dump);
