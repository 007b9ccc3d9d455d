/* SPDX-License-Identifier: MIT */
/*
 * diff: which tables of a slot's schema hold something else than its baseline, for people.
 *
 * It changes nothing, waits for nobody's lock for long and sees what is committed. Rows are counted, not compared:
 * a row counts as written when another transaction than the baseline's wrote it.
 */
#pragma once

#include "daemon/slot_build.h"
#include "proto/errors.h"

struct diff_row {
	char *table;           /* as SQL writes it, quoted where it must be, without the schema */
	int64_t then, now;     /* rows; -1: no such table */
	int64_t written;       /* of those that are there now */
};

struct diff {
	struct diff_row *rows; /* those that differ */
	int count;
};

/* Once, never before diff_start() has returned. `diff` is the callee's to free; NULL: `e` says why. */
typedef void diff_done(void *arg, struct diff *diff, const struct berth_error *e);

/* The slot is a schema, and in no other conversation. */
void diff_start(const struct slot_site *site, struct slot *slot, diff_done *done, void *arg);
void diff_free(struct diff *diff); /* takes NULL */
