/* SPDX-License-Identifier: MIT */
/* The keeper: the process that owns the servers and CMD, and leaves nothing of them. See run.h. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "client/cli/run/options.h"
#include "client/cli/run/programs.h"
#include "client/cli/run/rundir.h"
#include "client/cli/run/user.h"

/* What main hands to the keeper. Everything is borrowed, for as long as the keeper lives. */
struct keeper_task {
	const struct options *options;
	const struct programs *programs;
	const struct rundir *dir;
	const struct user *user;
	sigset_t mask;        /* as main found it; CMD's */
	bool ignores_sigchld; /* likewise */
	int argc;
	char **argv; /* overwritten with the keeper's title */
};

/*
 * Forks the keeper, which starts the servers and CMD and speaks through its end of the channel (see
 * channel.h; main closes that one, the keeper main's). Returns the pid, or -1.
 */
pid_t keeper_start(const struct keeper_task *task, int keepers_end, int mains_end);
