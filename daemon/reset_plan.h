/* SPDX-License-Identifier: MIT */
/*
 * reset_plan: what must be done to bring a slot back, decided from what a look has found. Plain data; no
 * server.
 */
#pragma once

#include <stdbool.h>

#include "daemon/baseline.h"

enum reset_way {
	RESET_NOTHING, /* it is as it was */
	RESET_FIX,     /* what the plan lists brings it back exactly */
	RESET_REBUILD, /* that cannot be said of anything but building it anew */
};

enum reset_deed {
	DEED_NONE,
	DEED_DELETE,   /* all rows go, those of the image come */
	DEED_TRUNCATE, /* the same */
};

struct reset_plan {
	enum reset_way way;
	const char *why;        /* of a rebuild; static */
	enum reset_deed *deeds; /* of each table of the image */
	int tables, sequences, views; /* how many of each */
};

/* The look's counts of the catalog have been dealt with before. */
void reset_plan_make(const struct baseline *baseline, const struct look *look, struct reset_plan *ret);
void reset_plan_fini(struct reset_plan *plan);

/* The statements of a fix, in this order, in one transaction of the slot's role; nothing where nothing is to do. */
void reset_write_hush(const struct baseline *baseline, const struct reset_plan *plan, const char *slot, struct sql *sql);
void reset_write_delete(const struct baseline *baseline, const struct reset_plan *plan, const char *slot,
                        struct sql *sql); /* answers the number of rows */
void reset_write_truncate(const struct baseline *baseline, const struct reset_plan *plan, const char *slot,
                          struct sql *sql);
void reset_write_restore(const struct baseline *baseline, const struct reset_plan *plan, const char *slot,
                         struct sql *sql);
void reset_write_rewind(const struct baseline *baseline, const struct look *look, const char *slot, struct sql *sql);
void reset_write_refresh(const struct baseline *baseline, const struct look *look, const char *slot, struct sql *sql);
void reset_write_unhush(const struct baseline *baseline, const struct reset_plan *plan, const char *slot,
                        struct sql *sql);
