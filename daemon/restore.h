/* SPDX-License-Identifier: MIT */
/*
 * restore: RESET or BASELINE of a held lease, schema and Redis database together.
 *
 * lease    points to its restore while that is under way; whoever asks for the same meanwhile joins
 * restore  frees itself
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "daemon/reset.h"

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

/* Once; `result` is NULL for a BASELINE, and with `e`. */
typedef void restore_done(void *arg, const struct reset_result *result, const struct berth_error *e);

/* The lease is held and neither is being sealed nor has a restore of the other sort under way: see lease->restore. */
void restore_start(const struct restore_site *site, struct lease *lease, bool force);
void restore_baseline_start(const struct restore_site *site, struct lease *lease);
void restore_join(struct restore *restore, restore_done *done, void *arg);
bool restore_is_baseline(const struct restore *restore);
/* The lease ends: it is told of no more. */
void restore_orphan(struct lease *lease);
/* berthd is leaving: after guests_fini() and pg_fini(). */
void restore_abandon(struct restore *restore);
