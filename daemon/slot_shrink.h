/* SPDX-License-Identifier: MIT */
/*
 * Emptying a schema of many tables in batches: a dropped table holds about 24 slots of the lock table
 * until its transaction ends, and 64 × max_connections is all there is by default.
 */
#pragma once

#include "daemon/slot_build.h"

enum { SHRINK_TABLES = 40 }; /* at once */

/* A condition: the registry's row is ours. Without a fence (the answer to the claim was lost) by name and runner. */
void slot_write_ours(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* The same as a statement: SQLSTATE BE001 when the row is not ours; it is locked until the end of the transaction. */
void slot_write_check(const struct slot_site *site, const struct slot *slot, struct sql *sql);
/* Drops as many tables as fit into one transaction, if there are that many; SQLSTATE BE001 when the row is not
 * ours. Then: how many tables are left. `role` is the OID of the schema's owner. */
void slot_write_shrink(const struct slot_site *site, const struct slot *slot, int64_t role, struct sql *sql);
/* Drops the schema, if it is there and that role's: only a schema that the slot's own role owns is the slot's. */
void slot_write_drop_schema(const struct slot *slot, int64_t role, struct sql *sql);
void slot_write_table_count(const struct slot *slot, int64_t role, struct sql *sql);
