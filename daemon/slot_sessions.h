/* SPDX-License-Identifier: MIT */
/*
 * Which sessions are at work in a slot: those of its role. Where others have that role too: those that are
 * connected to its database, or that hold locks in its schema, or that bear its name, as the options of its
 * lease make them. Connections of berthd's are none.
 */
#pragma once

#include <stdint.h>

#include "daemon/pg/sql.h"
#include "daemon/slot.h"

/* The OID of the slot's role; or, where that may have things of other slots, 0. */
void slot_write_own_role(const struct slot *slot, struct sql *sql);
/* A condition on a row of pg_stat_get_activity(). `role` is the role's OID, which may be gone by now; 0: look it up. */
void slot_write_sessions(const struct slot *slot, int64_t role, struct sql *sql);
/* The same on a row of pg_prepared_xact(). */
void slot_write_prepared(const struct slot *slot, int64_t role, struct sql *sql);
