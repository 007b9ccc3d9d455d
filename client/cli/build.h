/* SPDX-License-Identifier: MIT */
/* Building a template: a command migrates in a lease, and what it made is sealed. */
#pragma once

#include "client/cli/command.h"
#include "client/lib/berth.h"

struct build {
	struct berth_client *client;     /* borrowed */
	const struct berth_lease *lease; /* borrowed; it builds its template */
	const struct texts *env;         /* of --env, checked */
	int argc;
	char **argv; /* NULL-terminated */
	int unsaid;  /* so many of its words are left out where it is named, as `sh -c` */
};

/*
 * Runs the command in the lease's environment and seals. Returns 0, or the command's or a
 * complaint's exit status once the build is given up and the others know how the command failed.
 * (One that was interrupted has not failed: the next of them builds.) Lease and environment are
 * other ones now.
 */
int build(const struct build *b);
/* What was sealed, and how long that took, in words. */
void build_describe(const struct berth_seal_report *report, char *text, size_t size);
