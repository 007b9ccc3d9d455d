/* SPDX-License-Identifier: MIT */
/*
 * Every setting, one row each: the configuration file, the environment, the command line, what a
 * reload takes, `berthd --help`, `berthd --sample` and CONFIG GET all come from here, and a test
 * holds berth.conf(5) against it.
 *
 *     GROUP(title)                                     what follows belongs together
 *     TEXT(key, default, check, flags, help)           check: what it must be (config.c)
 *     WORD(key, default, words, flags, help)           one of these words
 *     NUMBER(key, default, least, most, flags, help)
 *     SECRET(key, check, flags, help)                  also key_file, which names a file that holds it
 */
#pragma once

#include "proto/limits.h"

enum config_flags {
	CONFIG_RELOAD = 1 << 0, /* a running daemon takes a new value; else it needs a restart */
	CONFIG_HIDDEN = 1 << 1, /* shown as ***, set by SECRET alone */
	CONFIG_FILE   = 1 << 2, /* the row before it, as a file; set by SECRET alone */
};

/* clang-format off */
#define CONFIG_KEYS(GROUP, TEXT, WORD, NUMBER, SECRET)                                               \
	GROUP("Where it listens")                                                                    \
	TEXT(socket, "", any, 0,                                                                     \
	     "the Unix socket to listen on; one that systemd hands over goes before it")             \
	TEXT(socket_group, "berth", any, 0, "group of the socket, where there is such a group")      \
	NUMBER(max_connections, LIMIT_CONNECTIONS, 1, 65536, CONFIG_RELOAD, "sessions")              \
	NUMBER(max_connections_uid, LIMIT_CONNECTIONS_UID, 1, 65536, CONFIG_RELOAD,                  \
	       "sessions of one uid")                                                                \
	GROUP("PostgreSQL")                                                                          \
	SECRET(pg_dsn, dsn, 0, "a URI or key=value pairs; libpq's environment fills the gaps")       \
	NUMBER(pg_connections, 4, 2, 32, 0, "connections for building and dropping")                 \
	NUMBER(pg_deadline_ms, 60000, 100, 3600000, 0, "ms for one transaction or connect")          \
	TEXT(pg_dump, "", any, CONFIG_RELOAD,                                                        \
	     "the pg_dump that templates are taken with (empty: one no older than the server is looked for)") \
	GROUP("Redis")                                                                               \
	SECRET(redis_url, redis_url, 0,                                                              \
	       "redis://[user:password@]host[:port] or unix:///path; empty for none")                \
	NUMBER(redis_meta_db, 15, 1, 1000000, 0, "the database that holds the registry; never leased") \
	WORD(redis_default, "acl", "acl index private none", 0, "level of a lease that asks for none") \
	TEXT(redis_server, "redis-server", any, 0, "the program behind private Redis servers")       \
	TEXT(redis_private_dir, "", any, 0,                                                          \
	     "where private Redis servers keep their sockets (empty: beside the socket)")            \
	GROUP("Pools: what is made ahead of demand")                                                 \
	TEXT(prefix, "test_", prefix, CONFIG_RELOAD, "what generated names begin with")              \
	NUMBER(pool_schemas, 8, 0, 1024, CONFIG_RELOAD, "schemas built ahead of demand")             \
	NUMBER(pool_databases, 0, 0, 256, CONFIG_RELOAD, "databases built ahead of demand")          \
	NUMBER(pool_redis, 4, 0, 256, CONFIG_RELOAD,                                                 \
	       "Redis databases claimed ahead of demand (at most an eighth of all)")                 \
	NUMBER(builds, 4, 1, 64, CONFIG_RELOAD, "slots being built at a time")                       \
	NUMBER(drops, 2, 1, 64, CONFIG_RELOAD, "slots being dropped at a time")                      \
	NUMBER(reset_connections, 64, 0, 4096, CONFIG_RELOAD,                                        \
	       "connections kept for the next RESET of a lease; more are made when needed")          \
	TEXT(database_template, "template1", any, CONFIG_RELOAD, "what KIND database copies")        \
	GROUP("Leases")                                                                              \
	NUMBER(max_leases, LIMIT_LEASES, 1, 100000, CONFIG_RELOAD, "leases, waiting ones too")       \
	NUMBER(max_leases_uid, LIMIT_LEASES_UID, 1, 100000, CONFIG_RELOAD,                           \
	       "leases of one uid, waiting ones too")                                                \
	NUMBER(ttl_ms, 300000, 1, 2147483647, CONFIG_RELOAD,                                         \
	       "ms that a detached lease lives without RENEW")                                       \
	NUMBER(ttl_max_ms, 86400000, 1, 2147483647, CONFIG_RELOAD, "ms that any lease lives")        \
	NUMBER(grace_ms, 0, 0, 3600000, CONFIG_RELOAD,                                               \
	       "ms between a holder's last connection closing and the lease's end")                  \
	NUMBER(reattach_ms, 30000, 0, 3600000, CONFIG_RELOAD,                                        \
	       "ms that the holders of a berthd that died or was replaced have to come back")        \
	TEXT(lease_host, "", any, CONFIG_RELOAD,                                                     \
	     "where leases find PostgreSQL: a name, an address, a socket's directory (empty: as berthd does)") \
	NUMBER(lease_port, 0, 0, 65535, CONFIG_RELOAD, "the port beside it; 0 for berthd's own")     \
	NUMBER(drain_ms, 30000, 0, 3600000, CONFIG_RELOAD,                                           \
	       "ms that SHUTDOWN waits for leases, and then for their ends")                         \
	GROUP("Roles of leases")                                                                     \
	TEXT(lease_role, "", name, 0,                                                                \
	     "a login role that all leases share, for a berthd that may make no roles (empty: each has its own)") \
	SECRET(lease_role_password, password, 0, "its password, for the DSNs of leases")             \
	NUMBER(role_connections, 64, -1, 100000, CONFIG_RELOAD, "CONNECTION LIMIT; -1 for none")     \
	NUMBER(statement_timeout_ms, 60000, 0, 2147483647, CONFIG_RELOAD,                            \
	       "statement_timeout; 0 for none")                                                      \
	NUMBER(idle_in_transaction_ms, 60000, 0, 2147483647, CONFIG_RELOAD,                          \
	       "idle_in_transaction_session_timeout; 0 for none")                                    \
	NUMBER(scram_iterations, 1, 1, 1000000, CONFIG_RELOAD,                                       \
	       "SCRAM iterations (passwords are random; some Java drivers want 4096)")               \
	GROUP("Templates")                                                                           \
	NUMBER(template_build_ms, 600000, 100, 86400000, CONFIG_RELOAD,                              \
	       "ms that a builder has to migrate and seal a template")                               \
	NUMBER(template_mb, 64, 1, 512, CONFIG_RELOAD,                                               \
	       "MB of definitions and rows that a template of a schema may have")                    \
	NUMBER(template_age_h, 336, 1, 1000000, CONFIG_RELOAD,                                       \
	       "hours without use after which a template is dropped")                                \
	NUMBER(templates_mb, 8192, 1, 2147483647, CONFIG_RELOAD,                                     \
	       "MB that all templates may have; beyond it the least used are dropped")               \
	GROUP("Shared enum types; those of section [enums] are there before the first lease")        \
	TEXT(enum_schema, "public", any, 0, "schema of the shared enum types")                       \
	NUMBER(enum_lock, 12345, -2147483647, 2147483647, 0,                                         \
	       "advisory lock under which enums are made")                                           \
	NUMBER(enum_wait_ms, 30000, 100, 3600000, CONFIG_RELOAD, "ms to wait for that lock")         \
	NUMBER(enum_check_ms, 5000, 100, 86400000, CONFIG_RELOAD,                                    \
	       "ms between two looks whether the configured enums are there")                        \
	GROUP("Among other runners")                                                                 \
	NUMBER(runner_grace_ms, 15000, 200, 3600000, 0,                                              \
	       "ms without a heartbeat after which a runner is dead")                                \
	NUMBER(heartbeat_ms, 2000, 50, 600000, 0, "ms between two heartbeats")                       \
	GROUP("What is seen of it")                                                                  \
	TEXT(metrics, "", metrics, 0,                                                                \
	     "where metrics and the status page are: a loopback address and port, or a socket's path; empty for nowhere") \
	WORD(log_level, "info", "error warn info debug", CONFIG_RELOAD, "the least that is logged")  \
	NUMBER(log_priorities, 0, 0, 1, CONFIG_RELOAD, "1: the journal's <n> in front of each line")
/* clang-format on */
