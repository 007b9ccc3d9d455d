/* SPDX-License-Identifier: MIT */
/*
 * Building a slot: claim its row in the registry, then make role, schema and stamp in one transaction; of a
 * template's slot the schema is filled after that, by its own role.
 *
 * The row says `built` in the transaction that makes the role. So whoever finds a row that is not
 * built knows that nothing by that name is ours, and never drops what somebody else made.
 */
#pragma once

#include "daemon/slot.h"
#include "proto/errors.h"

struct config;
struct guests;
struct pg;
struct sql;

/* What building needs to know of the world. Borrowed until done. */
struct slot_site {
	struct pg *pg;
	struct guests *guests;
	const struct config *config;
	const char *runner;
};

/* Exactly once. On success slot->fence is set. On failure `claimed` tells whether there may be
 * something to drop; INUSE: the name is taken, by whom the message says. */
typedef void slot_build_done(void *arg, struct slot *slot, const struct berth_error *e);

/* The stamp as a COMMENT ON `what` ("SCHEMA", "ROLE", "DATABASE"). */
void slot_write_stamp(const struct slot_site *site, const struct slot *slot, const char *what, struct sql *sql);

void slot_write_stamp_text(const struct slot_site *site, const struct slot *slot, struct sql *sql); /* as a literal */
/* Makes the slot's database, as a copy of what its shelf says. */
void slot_write_database(const struct slot_site *site, const struct slot *slot, struct sql *sql);

void slot_build_start(const struct slot_site *site, struct slot *slot, slot_build_done *done, void *arg);
/* Of one that was built and filled in an earlier life, and handed to nobody: only its baseline is learned. */
void slot_build_resume(const struct slot_site *site, struct slot *slot, slot_build_done *done, void *arg);
