/* SPDX-License-Identifier: MIT */
/* Conditions, as text. */
#include "daemon/slot_sessions.h"

void
slot_write_own_role(const struct slot *slot, struct sql *sql)
{
	if (slot_is_shared(slot))
		sql_add(sql, "0::oid");
	else
		sql_add(sql, "%L::regrole::oid", slot->role); /* a name of ours needs no quotes, and this no look at a table */
}

static void
add_role(const struct slot *slot, int64_t role, struct sql *sql)
{
	if (role)
		sql_add(sql, "%l", role);
	else if (slot_is_shared(slot))
		sql_add(sql, "(SELECT oid FROM pg_catalog.pg_roles WHERE rolname = %L)", slot->role);
	else
		slot_write_own_role(slot, sql);
}

static void
add_database(const struct slot *slot, struct sql *sql)
{
	sql_add(sql, "(SELECT oid FROM pg_catalog.pg_database WHERE datname = ");
	sql_add(sql, slot->kind == SLOT_DATABASE ? "%L)" : "pg_catalog.current_database())", slot->name);
}

/* What is locked in the schema: relations that are there, and the schema itself by whoever makes some. */
static void
add_locks(const struct slot *slot, const char *column, struct sql *sql)
{
	sql_add(sql,
	        "(SELECT l.%s FROM pg_catalog.pg_locks l, pg_catalog.pg_namespace n WHERE n.nspname = %L AND l.database = ",
	        column, slot->name);
	add_database(slot, sql);
	sql_add(sql,
	        " AND (l.locktype = 'object' AND l.classid = 2615 AND l.objid = n.oid"
	        "  OR EXISTS (SELECT FROM pg_catalog.pg_class c WHERE c.oid = l.relation AND c.relnamespace = n.oid)))");
}

void
slot_write_sessions(const struct slot *slot, int64_t role, struct sql *sql)
{
	sql_add(sql, "usesysid = ");
	add_role(slot, role, sql);
	sql_add(sql, " AND pid <> pg_catalog.pg_backend_pid()");
	if (!slot_is_shared(slot))
		return;
	sql_add(sql, " AND application_name NOT LIKE 'berthd %%' AND datid = ");
	add_database(slot, sql);
	if (slot->kind == SLOT_DATABASE)
		return;
	sql_add(sql, " AND (application_name = %L OR pid IN ", slot->name);
	add_locks(slot, "pid", sql);
	sql_add(sql, ")");
}

void
slot_write_prepared(const struct slot *slot, int64_t role, struct sql *sql)
{
	sql_add(sql, "ownerid = ");
	add_role(slot, role, sql);
	if (!slot_is_shared(slot))
		return;
	sql_add(sql, " AND dbid = ");
	add_database(slot, sql);
	if (slot->kind == SLOT_DATABASE)
		return;
	/* its locks are nobody's, under a virtual transaction of which only the lock on its own id tells whose it is */
	sql_add(sql, " AND transaction IN (SELECT x.transactionid FROM pg_catalog.pg_locks x"
	             " WHERE x.locktype = 'transactionid' AND x.pid IS NULL AND x.virtualtransaction IN ");
	add_locks(slot, "virtualtransaction", sql);
	sql_add(sql, ")");
}
