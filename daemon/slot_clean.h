/* SPDX-License-Identifier: MIT */
/*
 * Cleaning: a slot that was given back gets a new fence and a new password, its sessions are ended, and it
 * is reset; then it is as good as a new one.
 */
#pragma once

#include <event2/event.h>

#include "daemon/slot_build.h"

/* Once, never before the start has returned. STALE: it is another runner's now. Any other error: drop it. */
typedef void slot_clean_done(void *arg, struct slot *slot, const struct berth_error *e);

void slot_clean_start(const struct slot_site *site, struct event_base *base, struct slot *slot,
                      slot_clean_done *done, void *arg);
/* berthd is leaving: ends one that waits (one in a flow is ended by guests_fini() and pg_fini()). */
void slot_clean_abandon(struct slot *slot);
