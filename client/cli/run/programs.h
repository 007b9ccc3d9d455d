/* SPDX-License-Identifier: MIT */
/* Where the programs are that `berth run` starts. */
#pragma once

#include <limits.h>

#include "client/cli/run/user.h"
#include "proto/errors.h"

/* Absolute paths. */
struct programs {
	char postgres[PATH_MAX];
	char initdb[PATH_MAX];
	char redis[PATH_MAX]; /* redis-server or valkey-server */
	char berthd[PATH_MAX];
};

/*
 * Finds all of them, as files that the servers' user can run; `pg_bindir` (NULL: search) is where
 * PostgreSQL's must be. What is missing is said with where it was looked for and what brings it.
 */
int programs_find(struct programs *programs, const char *pg_bindir, const struct user *servers,
                  struct berth_error *e);
