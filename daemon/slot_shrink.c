/* SPDX-License-Identifier: MIT */
/* Statements that slot_drop.c and slot_rebuild.c have in common. */
#include "daemon/slot_shrink.h"

#include "daemon/pg/sql.h"
#include "daemon/slot.h"

void
slot_write_ours(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	sql_add(sql, "name = %L AND runner = %L", slot->name, site->runner);
	if (slot->fence)
		sql_add(sql, " AND fence = %l", slot->fence);
}

void
slot_write_check(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	struct sql body = { 0 };

	sql_add(&body, "BEGIN PERFORM FROM berth.slot WHERE ");
	slot_write_ours(site, slot, &body);
	sql_add(&body, " FOR UPDATE; IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'BE001'; END IF; END");
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

void
slot_write_shrink(const struct slot_site *site, const struct slot *slot, int64_t role, struct sql *sql)
{
	struct sql body = { 0 };

	sql_add(&body, "DECLARE doomed text; n int; BEGIN PERFORM FROM berth.slot WHERE ");
	slot_write_ours(site, slot, &body);
	sql_add(&body,
	        " FOR UPDATE; IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'BE001'; END IF;"
	        " SELECT string_agg(t.oid::regclass::text, ', '), count(*) INTO doomed, n FROM ("
	        " SELECT c.oid FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace"
	        " WHERE s.nspname = %L AND s.nspowner = %l AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
	        " LIMIT %d) t;"
	        " IF n >= %d THEN EXECUTE 'DROP TABLE ' || doomed || ' CASCADE'; END IF; END",
	        slot->name, role, SHRINK_TABLES, SHRINK_TABLES);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

void
slot_write_table_count(const struct slot *slot, int64_t role, struct sql *sql)
{
	sql_add(sql,
	        "SELECT count(*) FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace"
	        " WHERE s.nspname = %L AND s.nspowner = %l AND c.relkind IN ('r', 'p') AND NOT c.relispartition",
	        slot->name, role);
}

void
slot_write_drop_schema(const struct slot *slot, int64_t role, struct sql *sql)
{
	struct sql body = { 0 };

	sql_add(&body,
	        "BEGIN IF EXISTS (SELECT FROM pg_namespace WHERE nspname = %L AND nspowner = %l)"
	        " THEN DROP SCHEMA %I CASCADE; END IF; END",
	        slot->name, role, slot->name);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}
