/* SPDX-License-Identifier: MIT */
/* The lease that the options of `acquire` and `exec` ask for, and waiting until it is there. */
#pragma once

#include "client/cli/command.h"
#include "client/lib/berth.h"

struct wish {
	const char *worker;
	const char *run; /* NULL: one of this invocation's own */
	const char *kind;
	const char *name;
	const char *redis;
	const char *label;
	long long ttl_ms; /* NO_TTL: the daemon's default */
	long long wait_ms;
	struct texts env;
	bool detach;
};

enum { NO_TTL = -1 };

#define WISH_DEFAULTS .worker = "master", .ttl_ms = NO_TTL, .wait_ms = 30000

/* clang-format off */
/* The rows for a command's table of options. */
#define WISH_OPTIONS(wish) \
	{ "worker", "W", OPTION_TEXT, &(wish).worker, "whose lease it is (default: master)" }, \
	{ "run", "R", OPTION_TEXT, &(wish).run, \
	  "of which test session (default: one of its own)" }, \
	{ "kind", "KIND", OPTION_TEXT, &(wish).kind, "schema (default) or database" }, \
	{ "name", "NAME", OPTION_TEXT, &(wish).name, "exactly this schema or database name" }, \
	{ "redis", "LEVEL", OPTION_TEXT, &(wish).redis, \
	  "index, acl, private or none (default: the daemon's)" }, \
	{ "ttl", "TIME", OPTION_DURATION, &(wish).ttl_ms, "how long it lives without a connection" }, \
	{ "wait", "TIME", OPTION_DURATION, &(wish).wait_ms, "how long to wait for it (default: 30s)" }, \
	{ "label", "TEXT", OPTION_TEXT, &(wish).label, "what `berth ls` shows beside it" }, \
	{ "env", "NAME=FORMAT", OPTION_TEXTS, &(wish).env, \
	  "one more variable, or another value for one (see below)" }

/* What --help says below the options. */
#define WISH_DETAILS \
	"The variables: BERTH_SOCKET BERTH_LEASE BERTH_FENCE BERTH_SCHEMA BERTH_RUN BERTH_WORKER\n" \
	"BERTH_REDIS_DB BERTH_REDIS_LEVEL DATABASE_URL REDIS_URL PGHOST PGPORT PGDATABASE PGUSER\n" \
	"PGPASSWORD. --env adds to them or replaces one; in its FORMAT these stand for the lease's\n" \
	"values: {dsn} {host} {port} {dbname} {user} {password} {schema} {role} {kind} {redis}\n" \
	"{redis_url} {redis_host} {redis_port} {redis_socket} {redis_db} {redis_user}\n" \
	"{redis_password} {lease} {fence} {run} {worker}; {{ and }} are braces.\n" \
	"Times are a number with ms, s, m, h or d; 0 needs none.\n"
/* clang-format on */

/* What the library is to be told for a --ttl: 0 for none given, or -1 with LIMIT. */
long long ttl_checked(long long ttl_ms, struct berth_error *e);
/*
 * Takes the lease, telling on stderr what is waited for: 0 with a held one in *ret, which the
 * caller frees, or the exit status after a complaint.
 */
int wish_acquire(const struct wish *wish, struct berth_client *client, struct berth_lease **ret);
