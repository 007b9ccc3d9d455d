/* SPDX-License-Identifier: MIT */
/*
 * restore: what a verb does with the slot of a held lease, one thing at a time: RESET (with the Redis database),
 * BASELINE, DIFF, and the two halves of COPY.
 *
 * lease    points to its restore while that is under way; whoever asks for the same meanwhile joins
 * restore  frees itself
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "daemon/reset.h"

struct diff;
struct image;
struct lease;
struct pool;
struct redis;
struct restore;
struct slow;

struct restore_site {
	const struct slot_site *slots;
	struct event_base *base;
	struct pool *pool;
	struct redis *redis;
	struct slow *slow;
};

/*      kind              what it is called */
#define RESTORES(X)                            \
	X(RESTORE_RESET,    "a RESET")         \
	X(RESTORE_BASELINE, "a BASELINE")      \
	X(RESTORE_DIFF,     "a DIFF")          \
	X(RESTORE_IMAGE,    "a COPY")          \
	X(RESTORE_FILL,     "a COPY into it")

enum restore_kind {
#define X(kind, words) kind,
	RESTORES(X)
#undef X
};

/* What came of it; borrowed, and of the kind at hand alone. */
struct restore_result {
	struct reset_result reset;
	struct diff *diff;
	struct image *image;
};

/* Once; `result` is NULL with `e`. */
typedef void restore_done(void *arg, const struct restore_result *result, const struct berth_error *e);

/* The lease is held and neither is being sealed nor has a restore under way: see lease->restore. All but the first are
 * of schemas. */
void restore_start(const struct restore_site *site, struct lease *lease, bool force);
void restore_baseline_start(const struct restore_site *site, struct lease *lease);
void restore_diff_start(const struct restore_site *site, struct lease *lease);
void restore_image_start(const struct restore_site *site, struct lease *lease);
/* The schema is empty and of no template; the image becomes its baseline. */
void restore_fill_start(const struct restore_site *site, struct lease *lease, struct image *image);
void restore_join(struct restore *restore, restore_done *done, void *arg);
enum restore_kind restore_kind(const struct restore *restore);
const char *restore_words(enum restore_kind kind);
/* The lease ends: it is told of no more. */
void restore_orphan(struct lease *lease);
/* berthd is leaving: after guests_fini() and pg_fini(). */
void restore_abandon(struct restore *restore);
