/* SPDX-License-Identifier: MIT */
/* LEAKS: what a lease's role has outside of its schema, and what it holds on to. */
#include "daemon/berthd.h"
#include "daemon/inquiry.h"
#include "daemon/slot_sessions.h"
#include "daemon/verb.h"

enum { LEAKS_FIELDS = 4, LEAKS_MOST = 200 };

/* Of a database of its own the objects are elsewhere, where we cannot look. */
static void
ask_objects(const struct slot *slot, struct sql *sql)
{
	sql_add(sql, "WITH me AS (SELECT ");
	slot_write_own_role(slot, sql);
	sql_add(sql,
	        " AS role, (SELECT oid FROM pg_namespace WHERE nspname = %L) AS ns),"
	        " sessions AS MATERIALIZED (SELECT pid, state, query, application_name FROM pg_stat_get_activity(NULL) WHERE ",
	        slot->name);
	slot_write_sessions(slot, 0, sql);
	sql_add(sql,
	        ")"
	        " SELECT 'object', pg_describe_object(classid, objid, objsubid), NULL::int, NULL::text FROM me, pg_shdepend d"
	        " WHERE refclassid = 1260 AND refobjid = role AND deptype = 'o'"
	        " AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())"
	        " AND CASE classid WHEN 2615 THEN objid <> ns"
	        "  WHEN 1259 THEN NOT EXISTS (SELECT FROM pg_class WHERE oid = objid"
	        "   AND (relnamespace = ns OR relpersistence = 't'))"
	        "  WHEN 1247 THEN NOT EXISTS (SELECT FROM pg_type t JOIN pg_namespace n ON n.oid = typnamespace"
	        "   WHERE t.oid = objid AND (n.oid = ns OR nspname LIKE 'pg\\_temp%%'))"
	        "  WHEN 1255 THEN NOT EXISTS (SELECT FROM pg_proc WHERE oid = objid AND pronamespace = ns)"
	        "  WHEN 826 THEN NOT EXISTS (SELECT FROM pg_default_acl WHERE oid = objid AND defaclnamespace = ns)"
	        "  ELSE coalesce((pg_identify_object(classid, objid, objsubid)).schema, '') NOT IN (%L, 'pg_temp') END",
	        slot->name);
}

/* Our own guest in there is no session of the holder's. */
static void
ask_holds(const struct slot *slot, struct sql *sql)
{
	sql_add(sql, " UNION ALL SELECT 'prepared', gid, NULL, NULL FROM pg_prepared_xact() WHERE ");
	slot_write_prepared(slot, 0, sql);
	sql_add(sql,
	        " UNION ALL SELECT 'advisory', CASE objsubid WHEN 1 THEN (l.classid::int8 << 32 | l.objid::int8)::text"
	        "  ELSE format('%%s, %%s', l.classid, l.objid) END, l.pid, NULL FROM sessions"
	        "  JOIN pg_locks l USING (pid) WHERE locktype = 'advisory' AND granted");
	sql_add(sql,
	        " UNION ALL SELECT 'session', left(translate(query, E'\\n\\r\\t', '   '), 120), pid, state"
	        " FROM sessions WHERE application_name NOT LIKE 'berthd %%' LIMIT %d",
	        LEAKS_MOST);
}

static void
ask_leaks(void *ctx, struct sql *sql)
{
	const struct inquiry *inquiry = ctx;
	const struct slot *slot = pool_find(&inquiry->berthd->pool, inquiry->about);

	if (!slot) { /* it was dropped meanwhile, and all that it had */
		sql_add(sql, "SELECT NULL, NULL, NULL, NULL WHERE false");
		return;
	}
	ask_objects(slot, sql);
	ask_holds(slot, sql);
}

static void
reply_leaks(struct session *session, const PGresult *result)
{
	struct reply *reply = &session->reply;

	reply_array(reply, (size_t)PQntuples(result));
	for (int row = 0; row < PQntuples(result); row++) {
		reply_map(reply, LEAKS_FIELDS);
		reply_field_text(reply, "kind", flow_cell(result, row, 0));
		reply_field_text(reply, "what", flow_cell(result, row, 1));
		reply_text(reply, "pid");
		if (PQgetisnull(result, row, 2))
			reply_null(reply);
		else
			reply_int(reply, flow_cell_int(result, row, 2));
		reply_field_text(reply, "state", PQgetisnull(result, row, 3) ? NULL : flow_cell(result, row, 3));
	}
}

void
verb_leaks(struct session *session, const struct request *request)
{
	struct lease *lease = verb_lease_arg(session, request);

	if (!lease)
		return;
	if (lease->state != LEASE_HELD)
		session_error(session, BERTH_BUSY, "lease %s is not held yet; ask LEASE %s WAIT ms first", lease->id, lease->id);
	else
		inquire_about(session, lease->slot->name, ask_leaks, reply_leaks);
}
