/* SPDX-License-Identifier: MIT */
/*
 * The query behind ORPHANS. It leaves out what is none at a glance; orphan_judge() decides.
 *
 * What is in a schema is found through pg_depend, which has an index for that; pg_class has none by
 * schema, and where 5,000 schemas have leaked it has a million rows.
 */
#include "daemon/orphans_look.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/pg/flow.h"
#include "daemon/pg/pg.h"
#include "daemon/redis/redis.h"
#include "daemon/registry.h"

/* The runner in a stamp; NULL where the text is none. */
#define MARK "substring(%s from '^berth runner=([0-9a-f]{6}) fence=[0-9]+(?: |$)')"

/* Every thing there is: rank (the kind), oid, name, owner, stamp, system; of Redis: what it told. */
static void
add_things(const struct orphans_look *look, struct sql *sql)
{
	sql_add(sql,
	        "SELECT 0 AS rank, d.oid, d.datname::text COLLATE \"C\" AS name, d.datdba AS owner,"
	        "  coalesce(c.description, o.description) AS stamp,"
	        "  d.datistemplate OR d.datname IN (current_database(), %L) AS system, NULL AS claimant,"
	        "  NULL::bigint AS keys, NULL::bigint AS claim_age, NULL::bigint AS clients"
	        " FROM pg_database d"
	        " LEFT JOIN pg_shdescription c ON c.objoid = d.oid AND c.classoid = 'pg_database'::regclass"
	        " LEFT JOIN pg_roles r ON r.oid = d.datdba AND r.rolname = d.datname"
	        " LEFT JOIN pg_shdescription o ON o.objoid = r.oid AND o.classoid = 'pg_authid'::regclass"
	        " UNION ALL SELECT 1, n.oid, n.nspname::text, n.nspowner, c.description,"
	        "  n.nspname = %L OR EXISTS (SELECT FROM pg_depend e WHERE e.classid = 'pg_namespace'::regclass"
	        "   AND e.objid = n.oid AND e.deptype = 'e'), NULL, NULL, NULL, NULL"
	        " FROM pg_namespace n LEFT JOIN pg_description c"
	        "  ON c.objoid = n.oid AND c.classoid = 'pg_namespace'::regclass AND c.objsubid = 0"
	        " UNION ALL SELECT 2, r.oid, r.rolname::text, r.oid, c.description, r.rolsuper OR r.rolcreaterole"
	        "  OR r.rolcreatedb OR r.rolreplication OR r.rolbypassrls OR r.rolname IN (current_user, %L)"
	        "  OR EXISTS (SELECT FROM berth.slot l WHERE l.role = r.rolname),"
	        "  NULL, NULL, NULL, NULL"
	        " FROM pg_roles r LEFT JOIN pg_shdescription c"
	        "  ON c.objoid = r.oid AND c.classoid = 'pg_authid'::regclass",
	        look->config->database_template, look->config->enum_schema, look->config->lease_role);
	for (int i = 0; i < look->redis_count; i++) {
		const struct redis_orphan *one = &look->redis[i];

		sql_add(sql, " UNION ALL SELECT 3, 0::oid, '%d', 0::oid, NULL, false, nullif(%L, ''), %l, %l, %l", one->db,
		        one->runner, one->keys, one->age_ms, (int64_t)one->sessions);
	}
}

/* The page: what may be an orphan, with what the registry knows of it. */
static void
add_page(const struct orphans_look *look, struct sql *sql)
{
	const struct orphans_ask *ask = look->ask;
	char home[200];

	stamp_encode(look->facts->database, home, sizeof home);
	sql_add(sql,
	        "SELECT t.*, s.name IS NOT NULL AS registered, s.state IN ('dropping', 'inherited') AS dropping,"
	        "  coalesce(s.runner, t.claimant) AS runner, coalesce(s.runner, t.claimant, t.marked) AS whose,"
	        "  s.created, r.host, r.heartbeat, r.grace"
	        " FROM (SELECT *, " MARK " AS marked, substring(stamp from ' db=(\\S+)') AS home FROM things) t"
	        " LEFT JOIN berth.slot s ON s.name = t.name AND t.rank < 3"
	        " LEFT JOIN berth.runner r ON r.id = coalesce(s.runner, t.claimant, t.marked)"
	        " WHERE (t.rank, t.name) > (%d, %L) AND t.name !~ '[[:cntrl:]]' AND CASE"
	        "  WHEN t.rank = 0 AND EXISTS (SELECT FROM berth.template m WHERE m.schema = t.name) THEN false"
	        "  WHEN t.rank = 3 THEN t.claimant IS NOT NULL OR %s"
	        "  WHEN s.name IS NOT NULL THEN r.heartbeat < clock_timestamp() - r.grace AND r.id <> %L"
	        "   OR s.state IN ('dropping', 'inherited') AND t.marked <> s.runner"
	        "  WHEN t.marked IS NOT NULL THEN t.rank = 1 OR t.home IS NULL OR t.home = %L"
	        "   OR NOT t.home LIKE '%%\\%%%%' AND NOT EXISTS (SELECT FROM pg_database WHERE datname = t.home)"
	        "  ELSE %s AND NOT t.system END",
	        "stamp", *ask->after ? (int)ask->after_kind : -1, ask->after, ask->foreign ? "true" : "false", look->runner, home,
	        ask->foreign ? "true" : "false");
	if (*ask->like)
		sql_add(sql, " AND t.name LIKE %L", ask->like);
	sql_add(sql, " ORDER BY t.rank, t.name LIMIT %d", ORPHANS_PAGE);
}

/* When a file of it was written last is the least that is known of a foreign one's age. */
static void
add_age(const struct orphans_look *look, struct sql *sql)
{
	sql_add(sql,
	        "coalesce(p.claim_age::numeric, extract(epoch FROM clock_timestamp() - p.created)::numeric * 1000,"
	        " extract(epoch FROM clock_timestamp())::numeric * 1000"
	        "  - substring(p.stamp from ' made=([0-9]{1,11})')::numeric * 1000");
	if (look->facts->superuser)
		sql_add(sql,
		        ", extract(epoch FROM clock_timestamp() - CASE p.rank WHEN 0 THEN"
		        "  (pg_stat_file('base/' || p.oid || '/PG_VERSION', true)).modification ELSE inside.touched END)"
		        "  ::numeric * 1000");
	sql_add(sql, ")::bigint");
}

/* pg_relation_size() waits for whoever holds a table exclusively: those are left out. */
static void
add_inside(const struct orphans_look *look, struct sql *sql)
{
	sql_add(sql, "SELECT count(*) FILTER (WHERE c.relkind IN ('r', 'p')) AS tables, ");
	if (!look->ask->brief)
		sql_add(sql, "coalesce(sum(pg_total_relation_size(c.oid)) FILTER (WHERE c.relkind IN ('r', 'm') AND NOT EXISTS"
		             " (SELECT FROM locks l WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock')), 0)");
	else
		sql_add(sql, "NULL::bigint");
	sql_add(sql,
	        " AS bytes, max(%s) AS touched"
	        " FROM pg_depend d JOIN pg_class c ON c.oid = d.objid"
	        " WHERE p.rank = 1 AND d.refclassid = 'pg_namespace'::regclass AND d.refobjid = p.oid"
	        "  AND d.classid = 'pg_class'::regclass",
	        look->facts->superuser ? "CASE WHEN p.marked IS NULL THEN (pg_stat_file(pg_relation_filepath(c.oid), true)).modification END"
	                               : "NULL::timestamptz");
}

/* Of a schema: its namesake's, those that bear its name (where leases share a role), those that hold locks in it, and
 * of a foreign one its owner's; a prepared transaction is no session where it is rolled back (orphan_drop.c). */
static const char sessions[] =
	"SELECT count(DISTINCT holder) AS sessions FROM ("
	" SELECT a.pid::text AS holder FROM activity a WHERE CASE p.rank"
	"  WHEN 0 THEN a.datid = p.oid WHEN 2 THEN a.usesysid = p.oid"
	"  WHEN 1 THEN a.here AND NOT a.berthd AND (p.name IN (a.usename, a.application_name)"
	"   OR p.marked IS NULL AND a.usesysid = p.owner) END"
	" UNION ALL SELECT i.holder FROM inside_locks i WHERE p.rank = 1 AND i.relnamespace = p.oid"
	"  AND (i.pid IS NOT NULL OR p.marked IS NULL)) h";

void
orphans_look_write(const struct orphans_look *look, struct sql *sql)
{
	sql_add(sql,
	        "WITH locks AS MATERIALIZED (SELECT locktype, relation, mode, classid, objid, objsubid, pid,"
	        "  coalesce(pid::text, virtualtransaction) AS holder FROM pg_locks WHERE granted AND database ="
	        "  (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid IS DISTINCT FROM pg_backend_pid()),"
	        " keepers AS MATERIALIZED (SELECT objid::bigint AS runner, min(pid) AS pid FROM locks WHERE"
	        "  locktype = 'advisory' AND classid = %d AND objsubid = 2 GROUP BY 1),"
	        " activity AS MATERIALIZED (SELECT pid, datid, usesysid, usename, datname = current_database() AS here,"
	        "  application_name, application_name ~ '^berthd [0-9a-f]{6} ' AS berthd"
	        "  FROM pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL),"
	        " inside_locks AS MATERIALIZED (SELECT DISTINCT c.relnamespace, l.holder, l.pid FROM locks l"
	        "  JOIN pg_class c ON c.oid = l.relation WHERE c.relnamespace <> 'pg_catalog'::regnamespace),"
	        " things AS (",
	        REGISTRY_LOCK_CLASS);
	add_things(look, sql);
	sql_add(sql, "), page AS MATERIALIZED (");
	add_page(look, sql);
	sql_add(sql,
	        ") SELECT p.rank, p.name, p.oid, p.owner, CASE WHEN p.marked IS NOT NULL THEN p.stamp END, p.system,"
	        " p.registered, coalesce(p.dropping, false), p.runner,"
	        " (extract(epoch FROM clock_timestamp() - p.heartbeat) * 1000)::bigint,"
	        " (extract(epoch FROM p.grace) * 1000)::bigint, keepers.pid,"
	        " EXISTS (SELECT FROM pg_prepared_xacts x WHERE x.owner = p.name AND x.database = current_database()),"
	        " pg_postmaster_start_time() < clock_timestamp() - interval '%d ms',"
	        " p.host, l.run, l.worker, l.uid, ",
	        look->config->runner_grace_ms);
	add_age(look, sql);
	sql_add(sql,
	        ", CASE p.rank WHEN 1 THEN inside.tables WHEN 3 THEN p.keys END,"
	        " CASE p.rank WHEN 1 THEN inside.bytes"
	        "  WHEN 0 THEN CASE WHEN %s AND has_database_privilege(p.oid, 'CONNECT') THEN pg_database_size(p.oid) END END,"
	        " CASE p.rank WHEN 3 THEN nullif(p.clients, -1) ELSE s.sessions END"
	        " FROM page p LEFT JOIN keepers ON keepers.runner = ('x' || lpad(p.whose, 8, '0'))::bit(32)::bigint"
	        " LEFT JOIN LATERAL (SELECT l.* FROM berth.lease l JOIN berth.slot o ON o.name = l.slot WHERE CASE p.rank"
	        "  WHEN 3 THEN o.runner = p.claimant AND l.redis_db = p.name::int ELSE l.slot = p.name END"
	        "  ORDER BY l.granted DESC LIMIT 1) l ON true"
	        " LEFT JOIN LATERAL (",
	        look->ask->brief ? "false" : "true");
	add_inside(look, sql);
	sql_add(sql, ") inside ON true LEFT JOIN LATERAL (%s) s ON true ORDER BY p.rank, p.name", sessions);
}

/* ---- reading ---- */

static void
take_text(const PGresult *result, int row, int column, char *out, size_t size)
{
	snprintf(out, size, "%s", flow_cell(result, row, column));
}

static int64_t
take_number(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? -1 : flow_cell_int(result, row, column);
}

/* A stamp of a server whose clock was ahead is of now. */
static int64_t
take_age(const PGresult *result, int row, int column)
{
	int64_t age = flow_cell_int(result, row, column);

	return PQgetisnull(result, row, column) ? -1 : age < 0 ? 0 : age;
}

static bool
take_flag(const PGresult *result, int row, int column)
{
	return flow_cell(result, row, column)[0] == 't';
}

void
orphans_look_read(const PGresult *result, int row, struct orphan *o)
{
	int c = 0;

	*o = (struct orphan){ .kind = (enum orphan_kind)flow_cell_int(result, row, c++) };
	take_text(result, row, c++, o->name, sizeof o->name);
	o->oid = flow_cell_int(result, row, c++);
	o->owner = flow_cell_int(result, row, c++);
	take_text(result, row, c++, o->stamp_text, sizeof o->stamp_text);
	o->system = take_flag(result, row, c++);
	o->registered = take_flag(result, row, c++);
	o->dropping = take_flag(result, row, c++);
	take_text(result, row, c++, o->runner, sizeof o->runner);
	o->silent_ms = take_number(result, row, c++);
	o->grace_ms = take_number(result, row, c++);
	o->lock_pid = (int)flow_cell_int(result, row, c++);
	o->prepared = take_flag(result, row, c++);
	o->calm = take_flag(result, row, c++);
	take_text(result, row, c++, o->host, sizeof o->host);
	take_text(result, row, c++, o->run, sizeof o->run);
	take_text(result, row, c++, o->worker, sizeof o->worker);
	o->uid = take_number(result, row, c++);
	o->age_ms = take_age(result, row, c++);
	o->tables = take_number(result, row, c++);
	o->bytes = take_number(result, row, c++);
	o->sessions = take_number(result, row, c++);
	if (*o->stamp_text && !stamp_read(o->stamp_text, &o->stamp))
		o->stamp_text[0] = '\0';
	if (!*o->host)
		snprintf(o->host, sizeof o->host, "%s", o->stamp.host);
}
