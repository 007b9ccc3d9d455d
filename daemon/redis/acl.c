/* SPDX-License-Identifier: MIT */
/* The table of ACL tokens. */
#include "daemon/redis/acl.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct token {
	const char *text;
	bool optional; /* a server that does not know it has nothing to forbid, or to allow, by it
	                */
};

enum { MAY_GO = true };

/* clang-format off */

/* In this order: Redis applies them one after the other. */
static const struct token tokens[] = {
	{ "~*" },
	{ "&*" },
	{ "+@all" },
	/* The server itself, replication, persistence, other clients; and what stalls or reveals it. */
	{ "-@admin" },
	{ "-@dangerous" },
	/* What @dangerous takes away although it stays inside the database, or only looks. */
	{ "+flushdb" },
	{ "+keys" },
	{ "+sort" },
	{ "+sort_ro", MAY_GO }, /* 7.0 */
	{ "+restore" },
	{ "+info" },
	{ "+role", MAY_GO },
	/* Ways into another database that are in neither category. */
	{ "-select" },
	{ "-move" },
	{ "-copy" },
	{ "-swapdb" },
	{ "-flushall" },
	{ "-migrate" },
	/* Containers: all of it off, then what applications need. No `-command|sub`: 6.2 refuses it. */
	{ "-acl" },
	{ "+acl|whoami" },
	{ "-client" },
	{ "+client|id" },
	{ "+client|info" },
	{ "+client|list" }, /* job queues look for their workers there */
	{ "+client|getname" },
	{ "+client|setname" },
	{ "+client|setinfo", MAY_GO }, /* 7.2 */
	{ "+client|reply" },
	{ "+client|tracking" },
	{ "+client|trackinginfo" },
	{ "+client|caching" },
	{ "+client|getredir" },
	{ "+client|no-touch", MAY_GO }, /* 7.2 */
	{ "+client|capa", MAY_GO },     /* Valkey 8 */
	{ "+client|help" },
	{ "-script" },
	{ "+script|load" },
	{ "+script|exists" },
	{ "+script|help" },
	{ "-memory" },
	{ "+memory|usage" },
	{ "-function", MAY_GO }, /* 7.0; FCALL stays */
	{ "+function|list", MAY_GO },
	{ "+function|dump", MAY_GO },
	{ "-@search", MAY_GO }, /* 8.0: search indexes live in database 0 whoever asks */
};

/* clang-format on */

enum { TOKENS = sizeof tokens / sizeof *tokens };
_Static_assert(TOKENS <= 64, "acl.dropped has a bit for each");

void
acl_setuser(const struct acl *acl, struct args *args, const char *user, const char *password,
            int db)
{
	args_add(args, "ACL");
	args_add(args, "SETUSER");
	args_add(args, user);
	args_add(args, "reset");
	for (int i = 0; i < TOKENS; i++)
		if (!(acl->dropped & UINT64_C(1) << i))
			args_add(args, tokens[i].text);
	args_addf(args, "+select|%d", db);
	if (password) {
		args_addf(args, ">%s", password);
		args_add(args, "on");
	}
}

/* "… modifier '+client|capa': Unknown command …" names tokens[i]. */
static bool
names(const char *error, int i)
{
	char quoted[64];

	snprintf(quoted, sizeof quoted, "'%s'", tokens[i].text);
	return strstr(error, quoted) != NULL;
}

bool
acl_drop(struct acl *acl, const char *error)
{
	if (!strstr(error, "nknown "))
		return false;
	for (int i = 0; i < TOKENS; i++) {
		if (!tokens[i].optional || acl->dropped & UINT64_C(1) << i || !names(error, i))
			continue;
		acl->dropped |= UINT64_C(1) << i;
		return true;
	}
	return false;
}
