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
	const char *template; /* its key, or NULL */
	long long ttl_ms;     /* NO_TTL: the daemon's default */
	long long wait_ms;    /* USUAL_WAIT: see wish_wait() */
	struct texts env;
	bool detach;
};

enum { NO_TTL = -1, USUAL_WAIT = -1 };

#define WISH_DEFAULTS .worker = "master", .ttl_ms = NO_TTL, .wait_ms = USUAL_WAIT

/* clang-format off */
#define WISH_OPTION_KIND(wish) \
	{ "kind", "KIND", OPTION_TEXT, &(wish).kind, "schema (default) or database" }
#define WISH_OPTION_REDIS(wish) \
	{ "redis", "LEVEL", OPTION_TEXT, &(wish).redis, \
	  "index, acl, private or none (default: the daemon's)" }
#define WISH_OPTION_WAIT(wish) \
	{ "wait", "TIME", OPTION_DURATION, &(wish).wait_ms, \
	  "how long to wait for it (default: 30s, with a template 10m)" }
#define WISH_OPTION_ENV(wish) \
	{ "env", "NAME=FORMAT", OPTION_TEXTS, &(wish).env, \
	  "one more variable, or another value for one (see below)" }

/* The rows for a command's table of options. */
#define WISH_OPTIONS(wish) \
	{ "worker", "W", OPTION_TEXT, &(wish).worker, "whose lease it is (default: master)" }, \
	{ "run", "R", OPTION_TEXT, &(wish).run, \
	  "of which test session (default: one of its own)" }, \
	{ "template", "KEY", OPTION_TEXT, &(wish).template, "made from this template" }, \
	WISH_OPTION_KIND(wish), \
	{ "name", "NAME", OPTION_TEXT, &(wish).name, "exactly this schema or database name" }, \
	WISH_OPTION_REDIS(wish), \
	{ "ttl", "TIME", OPTION_DURATION, &(wish).ttl_ms, "how long it lives without a connection" }, \
	WISH_OPTION_WAIT(wish), \
	{ "label", "TEXT", OPTION_TEXT, &(wish).label, "what `berth ls` shows beside it" }, \
	WISH_OPTION_ENV(wish)

/* What --help says below the options. */
#define WISH_DETAILS \
	"The variables: BERTH_SOCKET BERTH_LEASE BERTH_FENCE BERTH_STATE BERTH_SCHEMA BERTH_RUN\n" \
	"BERTH_WORKER BERTH_REDIS_DB BERTH_REDIS_LEVEL DATABASE_URL REDIS_URL PGHOST PGPORT PGDATABASE\n" \
	"PGUSER PGPASSWORD PGOPTIONS. --env adds to them or replaces one; in its FORMAT these stand for\n" \
	"the lease's values: {dsn} {host} {port} {dbname} {user} {password} {options} {schema} {role} {kind}\n" \
	"{template} {redis} {redis_url} {redis_host} {redis_port} {redis_socket} {redis_db}\n" \
	"{redis_user} {redis_password} {lease} {fence} {state} {run} {worker}; {{ and }} are braces.\n" \
	"Times are a number with ms, s, m, h or d; 0 needs none.\n"
/* clang-format on */

/* What the library is to be told for a --ttl: 0 for none given, or -1 with LIMIT. */
long long ttl_checked(long long ttl_ms, struct berth_error *e);
/*
 * Takes the lease, telling on stderr what is waited for: 0 with one that is held or builds its
 * template in *ret, which the caller frees, or the exit status after a complaint.
 */
int wish_acquire(const struct wish *wish, struct berth_client *client, struct berth_lease **ret);
/*
 * The lease once more, when its template is sealed and everything in the map is another: 0 with a
 * held one in place of *lease, which is freed, or the exit status after a complaint.
 */
int wish_again(const struct wish *wish, struct berth_client *client, struct berth_lease **lease);
/* Gives it back. That this fails is only said: what was done in it counts. */
void wish_release(struct berth_client *client, const struct berth_lease *lease);
