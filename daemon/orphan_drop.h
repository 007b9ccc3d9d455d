/* SPDX-License-Identifier: MIT */
/*
 * Dropping one orphan, so that nothing live ever goes: every transaction first claims the name in the
 * registry (nobody else can then make or register it), holds the lock of the runner that made it (so
 * that one does not come back meanwhile), and looks whether it is still what was looked at: oid, name,
 * owner, stamp, no sessions. What would take something outside with it is kept.
 *
 * A schema goes in batches that fit the lock table; one that is emptied stays with what is granted on it. A database is renamed after its oid in the
 * transaction that looks, and dropped under that name: DROP DATABASE cannot be in a transaction.
 */
#pragma once

#include "daemon/orphan.h"
#include "daemon/slot_build.h"

/* Exactly once, never before the call returned. `e` NULL: orphan->action and why are decided. With `e`
 * PostgreSQL is away, or this runner was fenced: nothing more can be done now. */
typedef void orphan_drop_done(void *arg, struct orphan *orphan, const struct berth_error *e);

/* Drops, or empties, what orphan_judge() found WOULD_DROP. When `until` (clock_now()) is over between two
 * batches, the action is DROPPING. Borrows site and orphan until done. */
void orphan_drop_start(const struct slot_site *site, struct orphan *orphan, const struct orphans_ask *ask, int64_t until,
                       orphan_drop_done *done, void *arg);
