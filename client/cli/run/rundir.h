/* SPDX-License-Identifier: MIT */
/*
 * The private directory of one run, on tmpfs where that has room:
 *
 *     berth-run-XXXXXX/     0700; when servers are other users than we, 0711: they pass through
 *       berth.sock          berthd's, 0660
 *       data/ pg/ redis/    the servers' user's, 0700: data, socket, socket
 *       *.log               0600
 *       kept                with --keep: never to be swept
 *
 * It is locked (flock) for as long as main or the keeper lives: an unlocked one is nobody's.
 */
#pragma once

#include <stdbool.h>

#include "client/cli/run/user.h"
#include "proto/errors.h"

enum { RUNDIR_PATH_MAX = 64 }; /* leaves room for the sockets' names in a socket address */

struct rundir {
	char path[RUNDIR_PATH_MAX + 1];
	int fd; /* and its lock */
	bool keep;
};

/* Removes what earlier runs left, and makes a directory. Says so when it is not on tmpfs. */
int rundir_open(struct rundir *dir, const struct user *servers, bool keep, struct berth_error *e);
/* Removes the directory (not with `keep`) and what its PostgreSQL left in shared memory. */
void rundir_remove(const struct rundir *dir);
