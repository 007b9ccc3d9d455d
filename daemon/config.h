/* SPDX-License-Identifier: MIT */
/*
 * The settings of settings.h in force, and where they come from.
 *
 * The command line (--pool-schemas 8) goes over the environment (BERTH_POOL_SCHEMAS=8), which goes
 * over the file (pool_schemas = 8), which goes over the default. A secret that none of them says is
 * looked for among systemd's credentials ($CREDENTIALS_DIRECTORY/pg_dsn).
 */
#pragma once

#include <stdbool.h>

#include "daemon/enum_def.h"
#include "daemon/settings.h"
#include "proto/errors.h"

/* Owns its texts; borrows argv. */
enum config_flags {
	CONFIG_SECRET = 1 << 0, /* shown as *** */
};

/*  TEXT(key, default, flags, help)      NUMBER(key, default, least, most, help) */
#define CONFIG_KEYS(TEXT, NUMBER)                                                                      \
	TEXT(socket, "", 0, "the Unix socket to listen on")                                            \
	TEXT(socket_group, "berth", 0, "group of the socket, where there is such a group")             \
	TEXT(pg_dsn, "", CONFIG_SECRET, "PostgreSQL: a URI or key=value pairs; libpq's environment fills the gaps") \
	TEXT(redis_url, "", CONFIG_SECRET, "Redis: redis://[user:password@]host[:port] or unix:///path; empty for none") \
	NUMBER(redis_meta_db, 15, 1, 1000000, "Redis database that holds the registry; never leased")  \
	TEXT(redis_default, "acl", 0, "Redis level of a lease that asks for none: acl, index, private, none") \
	TEXT(redis_server, "redis-server", 0, "the program behind private Redis servers")              \
	TEXT(redis_private_dir, "", 0, "where private Redis servers keep their sockets (beside the socket)") \
	TEXT(prefix, "test_", 0, "what generated names begin with")                                    \
	NUMBER(pool_schemas, 8, 0, 1024, "schemas built ahead of demand")                              \
	NUMBER(pool_databases, 0, 0, 256, "databases built ahead of demand")                           \
	NUMBER(pool_redis, 4, 0, 256, "Redis databases claimed ahead of demand (at most an eighth of all)") \
	NUMBER(builds, 4, 1, 64, "slots being built at a time")                                        \
	NUMBER(drops, 2, 1, 64, "slots being dropped at a time")                                       \
	NUMBER(pg_connections, 4, 2, 32, "connections to PostgreSQL for building and dropping")        \
	NUMBER(pg_deadline_ms, 60000, 100, 3600000, "ms for one transaction or connect")               \
	NUMBER(max_leases, LIMIT_LEASES, 1, 100000, "leases, waiting ones too")                        \
	NUMBER(max_leases_uid, LIMIT_LEASES_UID, 1, 100000, "leases of one uid, waiting ones too")     \
	NUMBER(max_connections, LIMIT_CONNECTIONS, 1, 65536, "sessions")                               \
	NUMBER(max_connections_uid, LIMIT_CONNECTIONS_UID, 1, 65536, "sessions of one uid")            \
	NUMBER(ttl_ms, 300000, 1, 2147483647, "ms that a detached lease lives without RENEW")          \
	NUMBER(ttl_max_ms, 86400000, 1, 2147483647, "ms that any lease lives")                         \
	NUMBER(grace_ms, 0, 0, 3600000, "ms between a holder's last connection closing and the lease's end") \
	NUMBER(reattach_ms, 30000, 0, 3600000, "ms that the holders of a berthd that died or was replaced have to come back") \
	NUMBER(runner_grace_ms, 15000, 200, 3600000, "ms without a heartbeat after which a runner is dead") \
	NUMBER(heartbeat_ms, 2000, 50, 600000, "ms between two heartbeats")                            \
	NUMBER(role_connections, 64, -1, 100000, "CONNECTION LIMIT of a lease's role; -1 for none")    \
	NUMBER(statement_timeout_ms, 60000, 0, 2147483647, "statement_timeout of a lease's role; 0 for none") \
	NUMBER(idle_in_transaction_ms, 60000, 0, 2147483647, "idle_in_transaction_session_timeout of a lease's role") \
	NUMBER(scram_iterations, 1, 1, 1000000, "SCRAM iterations (passwords are random; some Java drivers want 4096)") \
	TEXT(database_template, "template1", 0, "what KIND database copies")                           \
	TEXT(pg_dump, "", 0, "the pg_dump that templates are taken with (empty: one no older than the server is looked for)") \
	NUMBER(reset_connections, 64, 0, 4096, "connections kept for the next RESET of a lease; more are made when needed") \
	NUMBER(template_build_ms, 600000, 100, 86400000, "ms that a builder has to migrate and seal a template") \
	NUMBER(template_mb, 64, 1, 512, "MB of definitions and rows that a template of a schema may have") \
	NUMBER(template_age_h, 336, 1, 1000000, "hours without use after which a template is dropped") \
	NUMBER(templates_mb, 8192, 1, 2147483647, "MB that all templates may have; beyond it the least used are dropped") \
	TEXT(enum_schema, "public", 0, "schema of the shared enum types")                             \
	NUMBER(enum_lock, 12345, -2147483647, 2147483647, "advisory lock under which enums are made")  \
	NUMBER(enum_wait_ms, 30000, 100, 3600000, "ms to wait for that lock")                          \
	NUMBER(enum_check_ms, 5000, 100, 86400000, "ms between two looks whether the configured enums are there") \
	NUMBER(drain_ms, 30000, 0, 3600000, "ms that SHUTDOWN waits for leases, and then for their ends") \
	TEXT(metrics, "", 0, "where metrics and the status page are: a loopback address and port, or a socket's path; empty for nowhere") \
	TEXT(log_level, "info", 0, "error, warn, info or debug")                                       \
	NUMBER(log_priorities, 0, 0, 1, "1: the journal's <n> in front of each line")

/* Owns its texts. */
struct config {
#define GROUP(title)
#define TEXT(key, default_, check, flags, help) char *key;
#define WORD(key, default_, words, flags, help) char *key;
#define NUMBER(key, default_, least, most, flags, help) int key;
#define SECRET(key, check, flags, help) char *key, *key##_file;
	CONFIG_KEYS(GROUP, TEXT, WORD, NUMBER, SECRET)
#undef GROUP
#undef TEXT
#undef WORD
#undef NUMBER
#undef SECRET
	struct enum_def *enums; /* section [enums] of the file: what must be there before the first lease */
	int enum_count;
	int argc;               /* for a reload */
	char **argv;
};

enum config_asked { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION, CONFIG_CHECK, CONFIG_SAMPLE };

/*
 * Defaults, then the file (--config FILE, or BERTH_CONFIG, or /etc/berth/berth.conf if it is there),
 * the environment and the command line. A key that is unknown or a value that is out of range is
 * USAGE, and the message says where it stands (file and line, variable, option).
 */
int config_load(struct config *config, int argc, char **argv, enum config_asked *ret_asked,
                struct berth_error *e);
void config_fini(struct config *config);

/* Calls `each` for every key that the pattern (fnmatch) matches, secrets as "***". */
void config_each(const struct config *config, const char *pattern,
                 void (*each)(void *arg, const char *key, const char *value), void *arg);

/* A key whose value is another one now: in force (`taken`), or not before a restart. */
struct config_change {
	const char *key; /* static; "[enums]" for that section */
	bool taken;
};
/* Owns its list. */
struct config_changes {
	struct config_change *list;
	int count;
};

/*
 * Reads everything again and takes what can be taken while running; `ret` lists all that differs
 * from what was in force. -1 (USAGE, as config_load()): nothing has changed.
 */
int config_reload(struct config *config, struct config_changes *ret, struct berth_error *e);
void config_changes_fini(struct config_changes *changes);

/* Prints the options for a person, and berth.conf with every key commented out. */
void config_help(void);
void config_sample(void);
