/* SPDX-License-Identifier: MIT */
/*
 * orphans: finds what nobody who lives owns, in PostgreSQL and Redis, and drops it on request.
 *
 * One answer is bounded: so many rows, and when dropping about a second. Whoever wants all asks again
 * behind the last one until there is none. Stopping at any moment leaves nothing half-done that the
 * next time would not finish.
 */
#pragma once

#include "daemon/orphan.h"

struct berthd;

enum { ORPHANS_MOST = 250 }; /* rows in an answer, each of 1.5 KiB at most */

/* Exactly once, never before the call returned. `list` is borrowed for the call. */
typedef void orphans_done(void *arg, const struct orphan *list, int count, const struct berth_error *e);
/* Whether somebody still waits for the answer. */
typedef bool orphans_wanted(void *arg);

/* Copies `ask`, which orphans_check() has seen. */
void orphans_start(struct berthd *berthd, const struct orphans_ask *ask, orphans_wanted *wanted, orphans_done *done,
                   void *arg);
