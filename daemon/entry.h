/* SPDX-License-Identifier: MIT */
/*
 * entry: what the journal knows of a lease, and of a slot that is free.
 *
 * Which fields, and in which order, is said once, for writing and for reading.
 */
#pragma once

#include <stdbool.h>

#include "daemon/redis/redis.h"
#include "proto/limits.h"

struct journal;
struct lease;
struct request;
struct slot;

#define ENTRY_LEASE "lease/"
#define ENTRY_SLOT  "slot/"

/* A lease that is held, as it is now. One that builds its template, or has a private Redis server, does not
 * outlive its berthd: then nothing is written. */
void entry_put_lease(struct journal *journal, const struct lease *lease);
void entry_drop_lease(struct journal *journal, const struct lease *lease);
/* A slot that is free, and anybody's. */
void entry_put_slot(struct journal *journal, const struct slot *slot);
void entry_drop_slot(struct journal *journal, const struct slot *slot);

/* What is not in lease or slot itself. */
struct entry_rest {
	char template[LIMIT_TEMPLATE_KEY_BYTES + 1]; /* "": none */
	bool declared;               /* a BASELINE was declared, which died with its berthd */
	struct redis_slot redis;     /* mode REDIS_NONE: without one; else mode, db, fence, and of an ACL user its name and password */
};

/* Fill in what was put; false: it is not what this berthd writes. */
bool entry_read_lease(const struct request *record, struct lease *lease, struct slot *slot, struct entry_rest *rest);
bool entry_read_slot(const struct request *record, struct slot *slot, struct entry_rest *rest);
