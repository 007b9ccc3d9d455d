/* SPDX-License-Identifier: MIT */
/*
 * reset: brings a slot's schema back to its image, in place.
 *
 * One look tells what has changed, one transaction mends it; what cannot be mended for certain is built
 * anew under the same name, role and password. Everything inside is touched by the slot's own role,
 * over a connection that is kept for the next reset.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/slot_build.h"
#include "proto/errors.h"

struct reset;

struct reset_result {
	int tables, sequences;
	int64_t rows;
	bool rebuilt;
	int64_t us;
};

/* Once, never before reset_start() has returned. e: BUSY (who is in the way), UNAVAILABLE, PGERR. After
 * an error the slot may be half-way: it must be reset again before it is trusted (slot->doubt). */
typedef void reset_done(void *arg, const struct reset_result *result, const struct berth_error *e);

/* The slot is a schema, and in no other conversation. `force` ends the role's other sessions where they are
 * in a transaction, and rolls its prepared ones back. */
void reset_start(const struct slot_site *site, struct event_base *base, struct slot *slot, bool force,
                 reset_done *done, void *arg);
/* berthd is leaving: ends one that waits for sessions to end (one in a flow is ended by guests_fini() and
 * pg_fini()). */
void reset_abandon(struct slot *slot);
