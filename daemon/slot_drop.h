/* SPDX-License-Identifier: MIT */
/*
 * Dropping a slot, whatever its holder left behind: the role may not log in any more, its sessions are
 * ended until none is left, prepared transactions are rolled back, schema (or database) and role go
 * in one transaction with the registry's row, and one more sweep takes the session that outlived its
 * role. Every transaction checks the fence first: a runner that was declared dead touches nothing.
 */
#pragma once

#include "daemon/slot_build.h"

/* Exactly once. NULL: nothing of the slot is left. STALE: it is another runner's now, and so is what
 * is left of it. Anything else: try again later, it is safe to repeat. */
typedef void slot_drop_done(void *arg, struct slot *slot, const struct berth_error *e);

void slot_drop_start(const struct slot_site *site, struct event_base *base, struct slot *slot,
                     slot_drop_done *done, void *arg);
/* berthd is leaving: ends a drop that waits between two looks for survivors (one in a flow is ended by pg_fini()). */
void slot_drop_abandon(struct slot *slot);
