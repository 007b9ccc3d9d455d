/* SPDX-License-Identifier: MIT */
/*
 * shelf: one make of slots: empty schemas, empty databases, or those of one template.
 *
 * It says what they are built from and how many are wanted; the slots themselves stand in the pool's
 * lists.
 *
 * pool      owns the two shelves of empty slots
 * template  owns its own
 * slot      borrows its shelf; a template with slots is not freed
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/slot.h"

struct image;

struct shelf {
	enum slot_kind kind;
	const char *key;          /* of the template; NULL: empty slots */
	struct image *image;      /* what a schema is filled from; NULL: nothing */
	const char *database;     /* what a database is copied from; NULL: the setting database_template */
	int keep;                 /* how many shall be free when nobody waits, at least */
	int count[SLOT_STATE_COUNT];
	int wanted;               /* scratch of whoever counts the demand */
	int demand;               /* leases that wait for one of anybody's; set by pool_demand() */
	int high;                 /* so many were wanted at once lately */
	int failures;             /* builds that failed in a row */
	struct berth_error why;   /* the last of them */
	struct event *retry;      /* builds go on then */
	bool trusted;             /* its template is sealed */
	bool closed;              /* no more are built, and the free ones go */
	TAILQ_ENTRY(shelf) link;
};
TAILQ_HEAD(shelf_list, shelf);
