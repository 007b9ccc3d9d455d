/* SPDX-License-Identifier: MIT */
/*
 * doctor: what is misconfigured around berthd, what that means, and what mends it.
 *
 * Facts come in (doctor_look.c asks for them), findings go out. One row a check; each is a plain
 * function on plain facts.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum severity { SEVERITY_OK, SEVERITY_INFO, SEVERITY_WARN, SEVERITY_BAD };

/*
 * What the server is asked, in one row: N a number, T a text. `a` is (enum_schema, database_template, lease_role), the
 * settings; `me` is our role.
 */
/*  name, SQL */
#define DOCTOR_SERVER(N, T)                                                                                       \
	N(max_connections, "current_setting('max_connections')::int8")                                            \
	N(reserved, "current_setting('superuser_reserved_connections')::int8"                                     \
	  " + coalesce(current_setting('reserved_connections', true)::int8, 0)")                                  \
	N(sessions, "(SELECT sum(numbackends)::int8 FROM pg_stat_database)")                                      \
	N(lock_rows, "current_setting('max_connections')::int8 + current_setting('max_prepared_transactions')::int8") \
	N(lock_table, "current_setting('max_locks_per_transaction')::int8 * (current_setting('max_connections')::int8" \
	  " + current_setting('max_prepared_transactions')::int8)")                                               \
	N(fsync, "(current_setting('fsync') = 'on')::int")                                                        \
	N(autovacuum, "(current_setting('autovacuum') = 'on' AND current_setting('track_counts') = 'on')::int")   \
	N(naptime_s, "(SELECT setting::int8 FROM pg_settings WHERE name = 'autovacuum_naptime')")                 \
	N(catalog_mb, "pg_relation_size('pg_attribute') / 1048576")                                               \
	N(catalog_dead, "pg_stat_get_dead_tuples('pg_attribute'::regclass)")                                      \
	N(catalog_live, "(SELECT greatest(reltuples, 0)::int8 FROM pg_class WHERE oid = 'pg_attribute'::regclass)") \
	N(open_databases, "(SELECT count(*) FROM pg_database d WHERE datallowconn AND datname <> current_database()" \
	  " AND EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) x"                      \
	  "  WHERE x.grantee = 0 AND x.privilege_type = 'CONNECT'))")                                             \
	N(open_other, "(SELECT count(*) FROM pg_database d WHERE datallowconn AND datname <> current_database()"  \
	  " AND datname NOT IN ('postgres', 'template1')"                                                         \
	  " AND EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) x"                      \
	  "  WHERE x.grantee = 0 AND x.privilege_type = 'CONNECT'))")                                             \
	T(open_close, "(SELECT string_agg(format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC;', datname), ' ')"    \
	  " FROM (SELECT datname FROM pg_database WHERE datallowconn AND datname <> current_database()"           \
	  "  AND EXISTS (SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) x"                     \
	  "   WHERE x.grantee = 0 AND x.privilege_type = 'CONNECT')"                                              \
	  "  ORDER BY datname IN ('postgres', 'template1'), datname LIMIT 4) d)")                                 \
	T(user, "current_user")                                                                                   \
	T(database, "current_database()")                                                                         \
	N(superuser, "me.rolsuper::int")                                                                          \
	N(createrole, "(me.rolsuper OR me.rolcreaterole)::int")                                                   \
	N(lease_there, "(SELECT count(*) FROM pg_roles WHERE rolname = a.lease_role AND rolcanlogin)")              \
	N(lease_super, "coalesce((SELECT rolsuper FROM pg_roles WHERE rolname = a.lease_role), false)::int")      \
	N(lease_acts, "coalesce((SELECT pg_has_role(oid, 'USAGE') AND pg_has_role(oid,"                            \
	  " CASE WHEN current_setting('server_version_num')::int >= 160000 THEN 'SET' ELSE 'MEMBER' END)"          \
	  " FROM pg_roles WHERE rolname = a.lease_role AND rolcanlogin), false)::int")                            \
	N(createdb, "(me.rolsuper OR me.rolcreatedb)::int")                                                       \
	N(template_copies, "coalesce((SELECT me.rolsuper OR datistemplate OR pg_has_role(datdba, 'USAGE')"          \
	  " FROM pg_database WHERE datname = a.database_template), false)::int")                                  \
	N(database_create, "has_database_privilege(current_database(), 'CREATE')::int")                           \
	N(enum_create, "coalesce((SELECT has_schema_privilege(oid, 'CREATE') FROM pg_namespace"                   \
	  " WHERE nspname = a.enum_schema), has_database_privilege(current_database(), 'CREATE'))::int")               \
	N(public_create, "(SELECT count(*) FROM pg_namespace n, aclexplode(nspacl) x"                             \
	  " WHERE nspname = 'public' AND x.grantee = 0 AND x.privilege_type = 'CREATE')")                         \
	N(clock_us, "(extract(epoch FROM clock_timestamp()) * 1000000)::int8")                                    \
	N(prepared, "(SELECT count(*) FROM pg_prepared_xacts)")                                                   \
	N(prepared_age_s, "(SELECT extract(epoch FROM clock_timestamp() - min(prepared))::int8 FROM pg_prepared_xacts)") \
	T(prepared_end, "(SELECT string_agg(format('ROLLBACK PREPARED %L;', gid), ' ')"                           \
	  " FROM (SELECT gid FROM pg_prepared_xacts ORDER BY prepared LIMIT 3) p)")                               \
	N(pinned, "(SELECT count(*) FROM pg_stat_activity WHERE datname = a.database_template"                    \
	  " AND datname <> current_database() AND backend_type IS DISTINCT FROM 'autovacuum worker')")            \
	T(pinned_by, "(SELECT string_agg(format('%s (pid %s)', coalesce(nullif(backend_type, 'client backend'),"  \
	  " usename, 'a session'), pid), ', ') FROM (SELECT * FROM pg_stat_activity WHERE datname = a.database_template" \
	  " AND datname <> current_database() AND backend_type IS DISTINCT FROM 'autovacuum worker' LIMIT 4) s)") \
	T(pinned_pids, "(SELECT string_agg(format('SELECT pg_terminate_backend(%s);', pid), ' ')"                 \
	  " FROM (SELECT pid FROM pg_stat_activity WHERE datname = a.database_template"                           \
	  " AND datname <> current_database() AND backend_type IS DISTINCT FROM 'autovacuum worker' LIMIT 4) s)")

/* What the registry is asked, in one row; `template_age_h` is (hours). */
#define DOCTOR_REGISTRY(N, T)                                                                                     \
	N(runners, "(SELECT count(*) FROM berth.runner)")                                                         \
	N(versions, "(SELECT count(DISTINCT version) FROM berth.runner)")                                         \
	T(version_list, "(SELECT string_agg(format('%s on %s', version, hosts), ', ') FROM (SELECT version,"      \
	  " string_agg(DISTINCT host, ' ') AS hosts FROM berth.runner GROUP BY version ORDER BY version) v)")     \
	N(templates, "(SELECT count(*) FROM berth.template WHERE state = 'sealed')")                              \
	N(template_tables, "(SELECT max(tables) FROM berth.template WHERE state = 'sealed' AND kind = 'schema')") \
	N(template_mb, "(SELECT sum(bytes)::int8 / 1048576 FROM berth.template WHERE state = 'sealed')")          \
	N(template_stale, "(SELECT count(*) FROM berth.template t WHERE state = 'sealed'"                         \
	  " AND used < clock_timestamp() - a.template_age / 2"                                                    \
	  " AND NOT EXISTS (SELECT FROM berth.slot s WHERE s.template = t.key))")                                 \
	T(template_oldest, "(SELECT key FROM berth.template WHERE state = 'sealed' ORDER BY used LIMIT 1)")

enum { DOCTOR_TEXT = 512 };

struct doctor_facts {
	/* PostgreSQL's; all 0 and "" unless `server`, `registry` */
	bool server, registry;
	char server_why[DOCTOR_TEXT], registry_why[DOCTOR_TEXT]; /* why not */
#define N(name, sql) int64_t name;
#define T(name, sql) char name[DOCTOR_TEXT];
	DOCTOR_SERVER(N, T)
	DOCTOR_REGISTRY(N, T)
#undef N
#undef T
	int server_version;               /* 150020 */
	int64_t checkpoints_forced, checkpoints_s; /* so many in so many seconds */
	int64_t asked_us, answered_us;    /* our clock around the question */

	/* Redis' */
	bool redis_wanted, redis;         /* configured; up */
	char redis_why[DOCTOR_TEXT], redis_version[32], redis_default[16];
	bool redis_acl;
	int redis_leasable;

	/* berthd's own */
	int workers;                      /* as many as there were at a time, or are built ahead */
	int builds, pg_connections, role_connections, enums, pool_databases;
	int64_t template_age_h, templates_mb;
	char enum_schema[64], database_template[64], lease_role[64];
	int sessions_most, sessions_wanted;
	char socket[128], group[64];
	uint32_t socket_mode, dir_mode;   /* st_mode; 0: not there */
	bool group_there;
	char pg_dump[256];                /* "": there is none */
	int pg_dump_version;              /* major; 0: it does not say */
};

struct finding {
	enum severity severity;
	char text[DOCTOR_TEXT];
	char remedy[DOCTOR_TEXT * 2]; /* "" when there is nothing to mend */
};

enum { DOCTOR_CHECKS = 25 };

struct doctor_check {
	const char *key;
	enum doctor_needs { NEEDS_NOTHING, NEEDS_SERVER, NEEDS_REGISTRY, NEEDS_REDIS } needs;
	void (*judge)(const struct doctor_facts *facts, struct finding *finding);
};
extern const struct doctor_check doctor_checks[DOCTOR_CHECKS];

/* Whether the check can be made on these facts; `ret` says what it found. */
bool doctor_judge(const struct doctor_check *check, const struct doctor_facts *facts, struct finding *ret);
const char *severity_word(enum severity severity); /* "ok" … */
