/* SPDX-License-Identifier: MIT */
/* The checks, one function each, in the order of the table at the end. */
#include "daemon/doctor.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/pool.h"

enum {
	WORKER_CONNECTIONS = 2,  /* a worker's own, and ours as its role for resets */
	KEEPER = 1,              /* connections of a berthd beside pg_connections */
	CHECKPOINTS_MANY = 10, CHECKPOINTS_SOON_S = 60,
	NAPTIME_LONG_S = 120,
	CATALOG_BLOAT_MB = 64,
	SKEW_SEEN_US = 1000000, SKEW_WRONG_US = 30000000,
	PREPARED_OLD_S = 60,
};

static void say(struct finding *finding, enum severity severity, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void mend(struct finding *finding, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
say(struct finding *finding, enum severity severity, const char *fmt, ...)
{
	va_list ap;

	finding->severity = severity;
	va_start(ap, fmt);
	vsnprintf(finding->text, sizeof finding->text, fmt, ap);
	va_end(ap);
}

static void
mend(struct finding *finding, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(finding->remedy, sizeof finding->remedy, fmt, ap);
	va_end(ap);
}

static int64_t
at_least_one(int64_t number)
{
	return number > 0 ? number : 1;
}

/* ---- is it there ---- */

static void
judge_postgresql(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->server) {
		say(finding, SEVERITY_OK, "PostgreSQL %d answers, database %s, role %s", facts->server_version / 10000,
		    facts->database, facts->user);
		return;
	}
	say(finding, SEVERITY_BAD, "no lease can be granted: %s", facts->server_why);
	mend(finding, "berthd --check; psql \"$BERTH_PG_DSN\"; then the setting pg_dsn or pg_hba.conf");
}

static void
judge_registry(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->registry) {
		say(finding, SEVERITY_OK, "the registry is there, with %" PRId64 " runners", facts->runners);
		return;
	}
	say(finding, SEVERITY_BAD, "no lease can be granted without the registry (schema berth): %s", facts->registry_why);
	mend(finding, "berth grants --role %s | psql -d %s", facts->user, facts->database);
}

/* ---- what the server can carry ---- */

static void
judge_connections(const struct doctor_facts *facts, struct finding *finding)
{
	int64_t there = facts->max_connections - facts->reserved, runners = at_least_one(facts->runners);
	int64_t berthd = facts->pg_connections + KEEPER, workers = (int64_t)facts->workers * WORKER_CONNECTIONS;
	int64_t all = runners * (berthd + workers);
	int64_t most = runners * berthd + runners * facts->workers * facts->role_connections;

	if (there < berthd + workers)
		say(finding, SEVERITY_BAD, "%" PRId64 " connections are too few for the %d workers of this runner alone",
		    there, facts->workers);
	else if (there < all)
		say(finding, SEVERITY_WARN, "%" PRId64 " connections are too few for %d workers on each of %" PRId64 " runners",
		    there, facts->workers, runners);
	else if (facts->sessions * 10 > there * 9)
		say(finding, SEVERITY_WARN, "%" PRId64 " of %" PRId64 " connections are taken", facts->sessions, there);
	else if (facts->role_connections < 0 || most > there)
		say(finding, SEVERITY_INFO, "%" PRId64 " connections are enough for %d workers, but not when each takes all that"
		    " role_connections allows it", there, facts->workers);
	else
		say(finding, SEVERITY_OK, "%" PRId64 " connections, %" PRId64 " taken", there, facts->sessions);
	if (finding->severity == SEVERITY_INFO)
		mend(finding, "role_connections = %" PRId64 " (berth.conf), or a greater max_connections",
		     at_least_one((there - runners * berthd) / at_least_one(runners * facts->workers)));
	else if (finding->severity > SEVERITY_INFO)
		mend(finding, "ALTER SYSTEM SET max_connections = %" PRId64 "; -- and restart PostgreSQL",
		     2 * (all > facts->sessions ? all : facts->sessions) + facts->reserved);
}

/* Half of the lock table belongs to the holders, the other to all runners together (pool.c). */
static void
judge_locks(const struct doctor_facts *facts, struct finding *finding)
{
	int64_t locks = pool_locks((int)facts->template_tables), runners = at_least_one(facts->runners);
	int64_t budget = facts->lock_table / 2 / runners, wanted = locks * facts->builds;

	if (wanted <= budget) {
		say(finding, SEVERITY_OK, "%" PRId64 " locks, enough for %d at a time of the largest template (%" PRId64 " tables)",
		    facts->lock_table, facts->builds, facts->template_tables);
		return;
	}
	if (locks > facts->lock_table)
		say(finding, SEVERITY_BAD, "a template of %" PRId64 " tables takes about %" PRId64 " locks to build, the server has"
		    " %" PRId64, facts->template_tables, locks, facts->lock_table);
	else if (locks > budget)
		say(finding, SEVERITY_WARN, "a template of %" PRId64 " tables takes about %" PRId64 " locks to build, of this runner's"
		    " share of %" PRId64 ": others may fail meanwhile", facts->template_tables, locks, budget);
	else
		say(finding, SEVERITY_INFO, "%" PRId64 " instead of %d slots of the largest template (%" PRId64 " tables) are built at"
		    " a time", budget / locks, facts->builds, facts->template_tables);
	mend(finding, "ALTER SYSTEM SET max_locks_per_transaction = %" PRId64 "; -- and restart PostgreSQL",
	     (wanted * 2 * runners + facts->lock_rows - 1) / at_least_one(facts->lock_rows));
}

/* ---- how it writes ---- */

static void
judge_fsync(const struct doctor_facts *facts, struct finding *finding)
{
	if (!facts->fsync) {
		say(finding, SEVERITY_OK, "fsync is off, as is good for a server of tests");
		return;
	}
	say(finding, SEVERITY_INFO, "fsync is on: building and emptying take three to fifteen times as long");
	mend(finding, "ALTER SYSTEM SET fsync = off; SELECT pg_reload_conf(); -- only where everything may be lost");
}

static void
judge_checkpoints(const struct doctor_facts *facts, struct finding *finding)
{
	int64_t apart = facts->checkpoints_s / at_least_one(facts->checkpoints_forced);

	if (facts->checkpoints_forced < CHECKPOINTS_MANY || apart > CHECKPOINTS_SOON_S) {
		say(finding, SEVERITY_OK, "%" PRId64 " checkpoints were forced in %" PRId64 " s", facts->checkpoints_forced,
		    facts->checkpoints_s);
		return;
	}
	say(finding, SEVERITY_WARN, "a checkpoint is forced every %" PRId64 " s; each stalls what builds and drops", apart);
	mend(finding, "ALTER SYSTEM SET max_wal_size = '8GB'; SELECT pg_reload_conf(); -- and look for who says CHECKPOINT");
}

static void
judge_autovacuum(const struct doctor_facts *facts, struct finding *finding)
{
	if (!facts->autovacuum) {
		say(finding, SEVERITY_WARN, "autovacuum is off: every schema that is made and dropped bloats the catalogs");
		mend(finding, "ALTER SYSTEM SET autovacuum = on; ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf();");
	} else if (facts->catalog_mb > CATALOG_BLOAT_MB && facts->catalog_dead > facts->catalog_live) {
		say(finding, SEVERITY_WARN, "autovacuum does not keep up: pg_attribute is %" PRId64 " MB, most of it dead",
		    facts->catalog_mb);
		mend(finding, "VACUUM pg_catalog.pg_attribute; ALTER SYSTEM SET autovacuum_naptime = '5s'; SELECT pg_reload_conf();");
	} else if (facts->naptime_s > NAPTIME_LONG_S) {
		say(finding, SEVERITY_INFO, "autovacuum looks every %" PRId64 " s, too seldom for many schemas a minute",
		    facts->naptime_s);
		mend(finding, "ALTER SYSTEM SET autovacuum_naptime = '5s'; SELECT pg_reload_conf();");
	} else {
		say(finding, SEVERITY_OK, "autovacuum is on, pg_attribute is %" PRId64 " MB", facts->catalog_mb);
	}
}

/* ---- who may do what ---- */

static void
judge_public_connect(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->open_databases == 0) {
		say(finding, SEVERITY_OK, "leases can connect to no other database");
		return;
	}
	say(finding, facts->open_other ? SEVERITY_WARN : SEVERITY_INFO,
	    "every lease can connect to %" PRId64 " other databases, as PUBLIC may", facts->open_databases);
	mend(finding, "%s", facts->open_close);
}

static void
judge_public_create(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->public_create == 0) {
		say(finding, SEVERITY_OK, "leases cannot create in the schema public");
		return;
	}
	say(finding, SEVERITY_WARN, "every lease can create in the schema public, where all others would see it");
	mend(finding, "REVOKE CREATE ON SCHEMA public FROM PUBLIC; -- in database %s", facts->database);
}

static void
judge_superuser(const struct doctor_facts *facts, struct finding *finding)
{
	bool close = facts->server_version < 160000;

	if (facts->superuser) {
		say(finding, SEVERITY_WARN, "berthd's role %s is a superuser, which berth does not need", facts->user);
		mend(finding, "berth grants --role berthd | psql -d %s; and pg_dsn with that role (berth.conf)", facts->database);
	} else if (close && facts->createrole) {
		say(finding, SEVERITY_INFO, "before PostgreSQL 16 CREATEROLE is close to superuser: %s may join any role that is"
		    " none", facts->user);
		mend(finding, "a server of PostgreSQL 16 or later, or one that holds nothing but tests");
	} else {
		say(finding, SEVERITY_OK, "berthd's role %s is no superuser", facts->user);
	}
}

static void
judge_createrole(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->createrole) {
		say(finding, SEVERITY_OK, "berthd's role may make roles");
	} else if (*facts->lease_role) {
		say(finding, SEVERITY_INFO, "berthd's role %s may make no roles; all leases share one, %s", facts->user,
		    facts->lease_role);
		mend(finding, "ALTER ROLE \"%s\" CREATEROLE; and no lease_role (berth.conf)", facts->user);
	} else {
		say(finding, SEVERITY_BAD, "berthd's role %s may make no roles, and each lease has one", facts->user);
		mend(finding, "ALTER ROLE \"%s\" CREATEROLE; or a login role that all leases share: lease_role (berth.conf)",
		     facts->user);
	}
}

/* It is there, and all leases are sessions of it: what is missing then. */
static void
judge_sharing(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->lease_super)
		say(finding, SEVERITY_BAD, "all leases share the role %s, a superuser: each test may do anything to the server",
		    facts->lease_role);
	else if (strcmp(facts->lease_role, facts->user) == 0)
		say(finding, SEVERITY_WARN, "all leases share berthd's own role %s: each test can reach the schemas of all others,"
		    " and the registry; nobody is locked out when a lease ends", facts->lease_role);
	else
		say(finding, SEVERITY_WARN, "all leases share the role %s: each test can reach the schemas of all others; nobody"
		    " is locked out when a lease ends", facts->lease_role);
	mend(finding, "berth grants --role \"%s\" | psql -d %s; and no lease_role (berth.conf)", facts->user, facts->database);
}

static void
judge_lease_role(const struct doctor_facts *facts, struct finding *finding)
{
	if (!*facts->lease_role) {
		say(finding, SEVERITY_OK, "each lease has a role of its own");
	} else if (!facts->lease_there) {
		say(finding, SEVERITY_BAD, "there is no role %s that may log in, which lease_role says that all leases share",
		    facts->lease_role);
		mend(finding, "CREATE ROLE \"%s\" LOGIN; -- and what berth grants --lease-role \"%s\" says", facts->lease_role,
		     facts->lease_role);
	} else if (!facts->lease_acts) {
		say(finding, SEVERITY_BAD, "berthd's role %s may not act for %s, which lease_role says that all leases share",
		    facts->user, facts->lease_role);
		mend(finding, "GRANT \"%s\" TO \"%s\"%s;", facts->lease_role, facts->user,
		     facts->server_version >= 160000 ? " WITH INHERIT TRUE, SET TRUE" : "");
	} else {
		judge_sharing(facts, finding);
	}
}

static void
judge_createdb(const struct doctor_facts *facts, struct finding *finding)
{
	if (!facts->createdb) {
		say(finding, facts->pool_databases ? SEVERITY_BAD : SEVERITY_INFO,
		    "berthd's role %s may make no databases: KIND database will be refused", facts->user);
		mend(finding, "ALTER ROLE \"%s\" CREATEDB;", facts->user);
	} else if (!facts->template_copies) {
		say(finding, facts->pool_databases ? SEVERITY_BAD : SEVERITY_WARN,
		    "berthd's role %s may not copy database %s (database_template): KIND database will be refused", facts->user,
		    facts->database_template);
		mend(finding, "ALTER DATABASE \"%s\" IS_TEMPLATE true;", facts->database_template);
	} else {
		say(finding, SEVERITY_OK, "berthd's role may make databases");
	}
}

static void
judge_create(const struct doctor_facts *facts, struct finding *finding)
{
	if (!facts->database_create) {
		say(finding, SEVERITY_BAD, "berthd's role %s may make no schemas in database %s", facts->user, facts->database);
		mend(finding, "GRANT CONNECT, CREATE ON DATABASE \"%s\" TO \"%s\";", facts->database, facts->user);
	} else if (!facts->enum_create) {
		say(finding, facts->enums ? SEVERITY_BAD : SEVERITY_INFO,
		    "berthd's role %s may make no shared enums in schema %s", facts->user, facts->enum_schema);
		mend(finding, "GRANT USAGE, CREATE ON SCHEMA \"%s\" TO \"%s\";", facts->enum_schema, facts->user);
	} else {
		say(finding, SEVERITY_OK, "berthd's role may make schemas and shared enums");
	}
}

/* ---- what stands in the way ---- */

static void
judge_clock(const struct doctor_facts *facts, struct finding *finding)
{
	int64_t middle = facts->asked_us + (facts->answered_us - facts->asked_us) / 2;
	int64_t skew = facts->clock_us - middle, sure = llabs(skew) - (facts->answered_us - facts->asked_us) / 2;

	if (sure < SKEW_SEEN_US) {
		say(finding, SEVERITY_OK, "the clocks of berthd and the database agree");
		return;
	}
	say(finding, sure < SKEW_WRONG_US ? SEVERITY_INFO : SEVERITY_WARN,
	    "berthd's clock is %" PRId64 " s %s the database's, which alone counts for leases: their logs tell of other times",
	    ((int64_t)llabs(skew) + 500000) / 1000000, skew > 0 ? "behind" : "before");
	mend(finding, "timedatectl set-ntp true # on whichever is wrong");
}

static void
judge_templates(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->template_mb * 10 > facts->templates_mb * 9) {
		say(finding, SEVERITY_WARN, "the templates' %" PRId64 " MB are nearly all of templates_mb: what is used least goes",
		    facts->template_mb);
		mend(finding, "berth template ls; berth template drop KEY; or a greater templates_mb (berth.conf)");
	} else if (facts->template_stale > 0) {
		say(finding, SEVERITY_INFO, "%" PRId64 " of %" PRId64 " templates were not used for %" PRId64 " hours; they go by"
		    " themselves after as many again", facts->template_stale, facts->templates, facts->template_age_h / 2);
		mend(finding, "berth template drop '%s'", facts->template_oldest);
	} else {
		say(finding, SEVERITY_OK, "%" PRId64 " templates, %" PRId64 " MB", facts->templates, facts->template_mb);
	}
}

static void
judge_prepared(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->prepared == 0 || facts->prepared_age_s < PREPARED_OLD_S) {
		say(finding, facts->prepared ? SEVERITY_INFO : SEVERITY_OK, "%" PRId64 " prepared transactions", facts->prepared);
	} else {
		say(finding, SEVERITY_WARN, "%" PRId64 " prepared transactions, the oldest for %" PRId64 " s: they hold locks, and"
		    " autovacuum back, until somebody ends them", facts->prepared, facts->prepared_age_s);
	}
	mend(finding, "%s", facts->prepared_end);
}

static void
judge_pinned(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->pinned == 0) {
		say(finding, SEVERITY_OK, "nobody is connected to database %s, which KIND database copies",
		    facts->database_template);
		return;
	}
	say(finding, SEVERITY_WARN, "CREATE DATABASE waits and fails while somebody is connected to what it copies, %s: %.300s",
	    facts->database_template, facts->pinned_by);
	mend(finding, "%s -- a background worker comes back: see shared_preload_libraries, or set database_template to a"
	     " database that it does not know", facts->pinned_pids);
}

/* ---- Redis ---- */

static void
judge_redis(const struct doctor_facts *facts, struct finding *finding)
{
	if (!facts->redis_wanted) {
		say(finding, SEVERITY_INFO, "no Redis is configured: leases have none, or a private one");
		mend(finding, "redis_url = redis://127.0.0.1 (berth.conf)");
	} else if (!facts->redis) {
		say(finding, SEVERITY_BAD, "no lease with Redis can be granted: %s", facts->redis_why);
		mend(finding, "redis-cli ping; then the setting redis_url");
	} else {
		say(finding, SEVERITY_OK, "Redis %s answers", facts->redis_version);
	}
}

static void
judge_redis_databases(const struct doctor_facts *facts, struct finding *finding)
{
	int64_t wanted = facts->workers * at_least_one(facts->runners);

	if (facts->redis_leasable >= wanted) {
		say(finding, SEVERITY_OK, "%d Redis databases can be leased", facts->redis_leasable);
		return;
	}
	say(finding, facts->redis_leasable >= facts->workers ? SEVERITY_INFO : SEVERITY_WARN,
	    "%d Redis databases can be leased, for %" PRId64 " workers of all runners: those that find none wait",
	    facts->redis_leasable, wanted);
	mend(finding, "databases %" PRId64 " # in redis.conf, and restart Redis: it cannot be changed while it runs",
	     2 * wanted + 2);
}

static void
judge_redis_acl(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->redis_acl || strcmp(facts->redis_default, "acl") != 0) {
		say(finding, SEVERITY_OK, facts->redis_acl ? "Redis lets berthd make users" : "no users are asked of Redis");
		return;
	}
	say(finding, SEVERITY_WARN, "Redis lets berthd make no users: leases get an index, and nothing keeps them in it");
	mend(finding, "ACL SETUSER berthd +acl # Redis 6 or later; or redis_default = index (berth.conf) if that is meant");
}

/* ---- this machine ---- */

static void
judge_socket(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->dir_mode & S_IWOTH && !(facts->dir_mode & S_ISVTX)) {
		say(finding, SEVERITY_BAD, "anybody may put a socket of their own in place of %s", facts->socket);
		mend(finding, "chmod o-w \"$(dirname %s)\"", facts->socket);
	} else if (!S_ISSOCK(facts->socket_mode)) {
		say(finding, SEVERITY_BAD, "%s is gone: nobody new can connect", facts->socket);
		mend(finding, "restart berthd, and find out who removes it (a cleaner of temporary files?)");
	} else if (facts->socket_mode & S_IWOTH) {
		say(finding, SEVERITY_WARN, "anybody on this machine may take leases through %s", facts->socket);
		mend(finding, "chmod 0660 %s", facts->socket);
	} else if (!facts->group_there) {
		say(finding, SEVERITY_INFO, "there is no group %s: only root and berthd's own user can connect", facts->group);
		mend(finding, "groupadd --system %s; usermod -aG %s USER; and restart berthd", facts->group, facts->group);
	} else {
		say(finding, SEVERITY_OK, "%s is for the group %s", facts->socket, facts->group);
	}
}

static void
judge_descriptors(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->sessions_most >= facts->sessions_wanted) {
		say(finding, SEVERITY_OK, "descriptors for %d sessions", facts->sessions_most);
		return;
	}
	say(finding, SEVERITY_WARN, "the descriptors that berthd may have are enough for %d of max_connections = %d sessions",
	    facts->sessions_most, facts->sessions_wanted);
	mend(finding, "LimitNOFILE=%d in the unit (systemctl edit berthd), or ulimit -n", facts->sessions_wanted * 2);
}

static void
judge_versions(const struct doctor_facts *facts, struct finding *finding)
{
	if (facts->versions <= 1) {
		say(finding, SEVERITY_OK, "all runners are berthd %s", BERTH_VERSION);
		return;
	}
	say(finding, SEVERITY_WARN, "runners of %" PRId64 " versions share the registry: %.400s", facts->versions,
	    facts->version_list);
	mend(finding, "upgrade the older ones; SHUTDOWN lets each end what it has (berth shutdown)");
}

static void
judge_pg_dump(const struct doctor_facts *facts, struct finding *finding)
{
	int server = facts->server_version / 10000;

	if (facts->pg_dump_version >= server) {
		say(finding, SEVERITY_OK, "%s is of PostgreSQL %d", facts->pg_dump, facts->pg_dump_version);
		return;
	}
	if (!*facts->pg_dump)
		say(finding, SEVERITY_BAD, "there is no pg_dump, which sealing a template needs");
	else if (facts->pg_dump_version == 0)
		say(finding, SEVERITY_BAD, "%s does not say its version: it cannot be run, or is something else", facts->pg_dump);
	else
		say(finding, SEVERITY_BAD, "%s is of PostgreSQL %d, the server of %d: it refuses to dump what is newer",
		    facts->pg_dump, facts->pg_dump_version, server);
	mend(finding, "apt-get install postgresql-client-%d; or pg_dump = /path/to/it (berth.conf)", server);
}

/* ---- */

const struct doctor_check doctor_checks[DOCTOR_CHECKS] = {
	{ "postgresql",      NEEDS_NOTHING,  judge_postgresql },
	{ "registry",        NEEDS_SERVER,   judge_registry },
	{ "connections",     NEEDS_SERVER,   judge_connections },
	{ "locks",           NEEDS_REGISTRY, judge_locks },
	{ "fsync",           NEEDS_SERVER,   judge_fsync },
	{ "checkpoints",     NEEDS_SERVER,   judge_checkpoints },
	{ "autovacuum",      NEEDS_SERVER,   judge_autovacuum },
	{ "public_connect",  NEEDS_SERVER,   judge_public_connect },
	{ "public_create",   NEEDS_SERVER,   judge_public_create },
	{ "superuser",       NEEDS_SERVER,   judge_superuser },
	{ "createrole",      NEEDS_SERVER,   judge_createrole },
	{ "lease_role",      NEEDS_SERVER,   judge_lease_role },
	{ "createdb",        NEEDS_SERVER,   judge_createdb },
	{ "create",          NEEDS_SERVER,   judge_create },
	{ "clock",           NEEDS_SERVER,   judge_clock },
	{ "templates",       NEEDS_REGISTRY, judge_templates },
	{ "prepared",        NEEDS_SERVER,   judge_prepared },
	{ "pinned",          NEEDS_SERVER,   judge_pinned },
	{ "pg_dump",         NEEDS_SERVER,   judge_pg_dump },
	{ "redis",           NEEDS_NOTHING,  judge_redis },
	{ "redis_databases", NEEDS_REDIS,    judge_redis_databases },
	{ "redis_acl",       NEEDS_REDIS,    judge_redis_acl },
	{ "socket",          NEEDS_NOTHING,  judge_socket },
	{ "descriptors",     NEEDS_NOTHING,  judge_descriptors },
	{ "versions",        NEEDS_REGISTRY, judge_versions },
};

static bool
is_known(enum doctor_needs needs, const struct doctor_facts *facts)
{
	switch (needs) {
	case NEEDS_SERVER: return facts->server;
	case NEEDS_REGISTRY: return facts->server && facts->registry;
	case NEEDS_REDIS: return facts->redis;
	case NEEDS_NOTHING: break;
	}
	return true;
}

bool
doctor_judge(const struct doctor_check *check, const struct doctor_facts *facts, struct finding *ret)
{
	*ret = (struct finding){ 0 };
	if (!is_known(check->needs, facts))
		return false;
	check->judge(facts, ret);
	return true;
}

const char *
severity_word(enum severity severity)
{
	static const char *const words[] = { "ok", "info", "warn", "bad" };

	return words[severity];
}
