/* SPDX-License-Identifier: MIT */
/*
 * target: where PostgreSQL is, out of a conninfo string and libpq's own environment.
 *
 * Hosts are resolved here, without blocking, and handed to libpq as `hostaddr`: inside
 * PQconnectPoll() it would call getaddrinfo(3) and stall every lease.
 */
#pragma once

#include <stdbool.h>

#include "proto/errors.h"

struct evdns_base;
struct pg_target;

/* Parses `conninfo` (URI or key=value; "" for the environment alone). NULL and USAGE when libpq
 * does not understand it; the message never holds the password. */
struct pg_target *pg_target_new(const char *conninfo, struct berth_error *e);
/* Both ends give a connection up when nothing has come over the network for `ms`, unless the conninfo
 * says otherwise. */
void pg_target_keepalive(struct pg_target *target, int ms);
/* The same server, another database; and another login too. Owned by the caller. */
struct pg_target *pg_target_in(const struct pg_target *target, const char *database);
struct pg_target *pg_target_as(const struct pg_target *target, const char *user, const char *password,
                               const char *database);
void pg_target_free(struct pg_target *target);

/* The value that a connection will use, or "" ("host", "port", "dbname", "user"). Borrowed. */
const char *pg_target_value(const struct pg_target *target, const char *keyword);

/* Resolves every host name in turn, then calls `done` once, possibly before it returns. */
typedef void pg_target_done(void *arg, const char *why); /* why NULL: ready to connect */
struct pg_lookup;
struct pg_lookup *pg_target_lookup(struct pg_target *target, struct evdns_base *dns, pg_target_done *done,
                                   void *arg);
void pg_lookup_cancel(struct pg_lookup *lookup); /* takes NULL */

/* The same as "PGHOST=…" for a program of PostgreSQL's, ended by NULL; `options` go behind its own. Owned by the
 * caller, like its texts. */
char **pg_target_environment(const struct pg_target *target, const char *options);

/* For PQconnectStartParams(): arrays that end in NULL, owned by the target, valid until the next call. */
void pg_target_params(struct pg_target *target, const char *application, const char *const **ret_keywords,
                      const char *const **ret_values);
