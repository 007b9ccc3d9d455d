/* SPDX-License-Identifier: MIT */
/* One question to the catalog, as the lease's role, which owns all that it made. */
#include "client/cli/lint_look.h"

#include <string.h>

/*
 * pg_shdepend knows the owner of objects of every type, which no list of catalogs here would. What
 * came along with another object (a serial's sequence, an extension's functions, a partition) is
 * left out. Views, defaults and constraints hold no names, but code does: what it says of `public`
 * counts unless it means an extension's.
 */
static const char question[] =
	"WITH me AS (SELECT oid, pg_catalog.quote_ident(current_schema()) AS schema FROM pg_catalog.pg_roles WHERE rolname = current_user),\n"
	"others AS (\n" /* whose role is this one too, where all leases share one */
	" SELECT pg_catalog.quote_ident(nspname) AS schema FROM pg_catalog.pg_namespace n\n"
	"  WHERE nspname <> current_schema()\n"
	"  AND pg_catalog.obj_description(n.oid, 'pg_namespace') LIKE 'berth runner=%'),\n"
	"owned AS (\n"
	" SELECT d.classid, d.objid, i.type, i.schema, i.identity\n"
	" FROM pg_catalog.pg_shdepend d,\n"
	"  LATERAL pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid) i\n"
	" WHERE d.deptype = 'o' AND d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass\n"
	"  AND d.refobjid = (SELECT oid FROM me)\n"
	"  AND d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())\n"
	"  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend x\n"
	"   WHERE x.classid = d.classid AND x.objid = d.objid AND x.deptype IN ('i', 'a', 'e', 'P', 'S')\n"
	"    AND (x.refclassid, x.refobjid) <> (x.classid, x.objid))),\n"
	"code AS (\n"
	" SELECT o.type, pg_catalog.replace(o.identity, me.schema || '.', '') AS name,\n"
	"  p.prosrc AS body, p.prosrc || ' ' || coalesce(pg_catalog.array_to_string(p.proconfig, ' '), '') AS text\n"
	" FROM me, owned o JOIN pg_catalog.pg_proc p ON p.oid = o.objid\n"
	" WHERE o.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND o.schema = me.schema)\n"
	"SELECT 'inside', type, pg_catalog.replace(identity, me.schema || '.', ''), NULL\n"
	" FROM me, owned WHERE owned.schema = me.schema\n"
	"UNION SELECT 'outside', type, CASE type WHEN 'large object' THEN '' ELSE identity END, NULL\n"
	" FROM me, owned WHERE owned.schema IS DISTINCT FROM me.schema\n"
	"  AND (type, identity) <> ('schema', me.schema)\n"
	"  AND NOT EXISTS (SELECT FROM others o WHERE o.schema = owned.schema OR (type, identity) = ('schema', o.schema))\n"
	"UNION SELECT 'there', 'extension', pg_catalog.quote_ident(extname), NULL FROM pg_catalog.pg_extension\n"
	"UNION SELECT 'public', type, name, pg_catalog.string_agg(DISTINCT 'public.' || m[1], ', ')\n"
	" FROM code, pg_catalog.regexp_matches(text, '(?:^|[^\\w.])\"?public\"?\\s*\\.\\s*\"?(\\w+)', 'gi') m\n"
	" WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype = 'e' AND (e.classid, e.objid) IN (\n"
	"  SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid FROM pg_catalog.pg_proc WHERE proname = m[1]\n"
	"  UNION ALL\n"
	"  SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid FROM pg_catalog.pg_type WHERE typname = m[1]))\n"
	" GROUP BY type, name\n"
	"UNION SELECT 'public', type, name, substring(text, 'search_path=[^\"$]*') FROM code\n"
	" WHERE text ~ 'search_path=[^\"$]*\\mpublic\\M'\n"
	"UNION SELECT 'itself', type, name, me.schema FROM me, code\n"
	" WHERE pg_catalog.strpos(body, me.schema::text) > 0\n"
	"UNION SELECT 'channel', type, name, substring(text, '(?i)\\mpg_notify\\M|\\mnotify\\s+\\w+') FROM code\n"
	" WHERE text ~* '\\mpg_notify\\M|\\mnotify\\s+\\w+'\n"
	"UNION SELECT 'lock', type, name, substring(text, '(?i)\\mpg_(?:try_)?advisory\\w+') FROM code\n"
	" WHERE text ~* '\\mpg_(try_)?advisory\\w+'\n"
	"ORDER BY 1, 2, 3";

static int
failed(const PGconn *conn, enum berth_error_code code, struct berth_error *e)
{
	const char *message = PQerrorMessage(conn);

	return berth_error_set(e, code, "the lease cannot be looked at: %.*s", (int)strcspn(message, "\n"),
	                       message);
}

/* Connects, asks, and leaves: a session that stays would stand in the way of the lease's end. */
static int
ask(const struct berth_lease *lease, const char *sql, PGresult **ret, struct berth_error *e)
{
	PGconn *conn = PQconnectdb(lease->dsn);
	PGresult *result = NULL;
	ExecStatusType status;
	int n = 0;

	if (PQstatus(conn) != CONNECTION_OK) {
		n = failed(conn, BERTH_UNAVAILABLE, e);
	} else {
		result = PQexec(conn, sql);
		status = PQresultStatus(result);
		if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
			n = failed(conn, BERTH_PGERR, e);
	}
	PQfinish(conn);
	if (n == 0 && ret)
		*ret = result;
	else
		PQclear(result);
	return n;
}

int
look_prepare(const struct berth_lease *lease, struct berth_error *e)
{
	return ask(lease, "CREATE SCHEMA AUTHORIZATION CURRENT_USER", NULL, e);
}

int
look(const struct berth_lease *lease, PGresult **ret, struct berth_error *e)
{
	return ask(lease, question, ret, e);
}
