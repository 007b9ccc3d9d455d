/* SPDX-License-Identifier: MIT */
/* local: a Unix socket that is listened on at a path of its own. */
#pragma once

#include "proto/errors.h"

/*
 * The descriptor, or -1. A socket at `path` that nobody listens on is what a process that was killed left, and goes;
 * anything else that is there stays: INUSE. It is 0660 from its first moment, and `group`'s, if there is one of that
 * name. `setting` says where to choose another path. `path` must fit into a sockaddr_un.
 */
int local_listen(const char *path, const char *setting, const char *group, int backlog, struct berth_error *e);
