/* SPDX-License-Identifier: MIT */
/*
 * The ACL user of a redis slot: it can do what applications do, in its own database, and nothing
 * else.
 *
 * The list of ACL tokens fits Redis 6.2, 7, 8 and Valkey only in part (commands come and go), so
 * the list is tried on a user nobody can log in as, and what a server does not know is dropped,
 * unless it is one of those without which the fence would leak: then there are no users on that
 * server.
 *
 * What it cannot do: a connection begins in database 0 and Redis' ACLs know no databases, so a
 * client that never says SELECT works in database 0. AUTH and RESET cannot be forbidden either:
 * where the default user has no password, the fence stops accidents, not intent. Channels (pub/sub)
 * and functions are the whole server's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/redis/args.h"

/* What the server did not know; zeroed: nothing so far. */
struct acl {
	uint64_t dropped;
};

/* Appends ACL SETUSER for `user`, fenced into `db`; with password NULL nobody can log in as it. */
void acl_setuser(const struct acl *acl, struct args *args, const char *user, const char *password,
                 int db);
/* Drops the token that the server's error names; false when it names none that may go. */
bool acl_drop(struct acl *acl, const char *error);
