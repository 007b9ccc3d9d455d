/* SPDX-License-Identifier: MIT */
/* What most commands begin with: a connection, and the lease that is meant. */
#pragma once

#include "client/cli/vars.h"
#include "client/lib/berth.h"

/* 0 with *ret open, to be closed by the caller, or the exit status after a complaint. */
int session_open(const struct invocation *asked, struct berth_client **ret);
/*
 * One request on a connection of its own. The daemon waits for at most `wait_ms` before it answers (0: not
 * at all; BERTH_WAIT_FOREVER: it bounds that by itself). 0 with *ret to be freed by berth_reply_free(), or
 * the exit status after a complaint.
 */
int session_ask(const struct invocation *asked, long long wait_ms, int argc, const char *const argv[],
                struct berth_reply **ret);
/* The socket's path as CMD will find it from any directory. Owned by the caller. */
char *session_path(const struct berth_client *client);
/* Puts the lease's variables, and those of --env, into this process' environment. */
void session_environment(const struct berth_client *client, const struct berth_lease *lease,
                         const struct texts *env);
/* The lease named by the first word, else by $BERTH_LEASE; NULL after a complaint. */
const char *session_lease(const struct command *command, const struct invocation *asked);
/* What is done with that lease, on a connection of its own. Returns the exit status, like the deed. */
typedef int session_deed(struct berth_client *client, const char *id, const struct invocation *asked);
int session_do(const struct command *command, const struct invocation *asked, session_deed *deed);
