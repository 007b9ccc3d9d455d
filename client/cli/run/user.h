/* SPDX-License-Identifier: MIT */
/* The user the servers run as: ourselves, or, as PostgreSQL refuses root, an unprivileged one. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "proto/errors.h"

struct user {
	uid_t uid;
	gid_t gid;
	char name[64];
	bool other; /* not ourselves: we are root, and it is `postgres` or `nobody` */
};

int user_of_servers(struct user *user, struct berth_error *e);
/* In a child before exec: becomes the user for good. */
int user_become(const struct user *user);
/* Whether the user may do `mode` (R_OK, W_OK, X_OK as for access()) with `path`. */
bool user_can(const struct user *user, const char *path, int mode);
