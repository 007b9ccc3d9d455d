/* SPDX-License-Identifier: MIT */
/* A process that the keeper starts: a server, a tool such as initdb, or CMD. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "client/cli/run/user.h"
#include "proto/errors.h"

/* What was started. Stands on its watch's list from its start until it is gone. */
struct child {
	pid_t pid;
	int status; /* of wait(), once it is gone */
	bool running;
	struct child *next;
};

/* How to start a server or a tool: nothing of ours open or blocked, a session of its own. */
struct server_spec {
	const char *const *argv;
	char *const *env;
	const struct user *user;
	const char *directory; /* to work in; one by which a later sweep knows it */
	int input;             /* becomes stdin; -1 for none */
	int log;               /* becomes stdout and stderr */
	int death_signal;      /* what it gets when the keeper dies */
};

/* How to start CMD: exactly as if main had exec'ed it. */
struct command_spec {
	char *const *argv;
	char *const *env;
	pid_t group;   /* main's process group */
	sigset_t mask; /* as main found it */
	mode_t umask;  /* likewise */
	bool ignores_sigchld;
};

/* Both fill `child`. A program that cannot be exec'ed says so and ends with status 126 or 127. */
int child_start_server(struct child *child, const struct server_spec *spec, struct berth_error *e);
int
child_start_command(struct child *child, const struct command_spec *spec, struct berth_error *e);
/* Sends a signal if it still runs. */
void child_signal(const struct child *child, int sig);
/* "exit status 3", "signal 9 (Killed)" of a child that is gone. Borrowed until the next call. */
const char *child_ending(const struct child *child);
