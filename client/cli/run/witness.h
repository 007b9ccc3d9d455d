/* SPDX-License-Identifier: MIT */
/*
 * The witness: a process that sits in main's process group and reports the signals it gets.
 *
 * A signal to main must reach CMD. One sent to the whole group (Ctrl-C, `kill -- -PGID`,
 * timeout(1)) has reached it already, and passing it on would interrupt CMD's cleaning up; one sent
 * to main alone has not. The kernel does not tell main which it was; a second member of the group
 * does.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct witness {
	pid_t pid; /* -1: none, and then no signal counts as the group's */
	int reports;
};

/*
 * Starts it, to report these signals. It ends with main. Without one signals are passed on twice,
 * at worst. The arguments are overwritten with its title, in the child.
 */
void witness_start(struct witness *witness, const sigset_t *signals, int argc, char **argv);
/* Whether the group got `sig` when main did, at `when_us`. Waits a moment for the report. */
bool witness_saw(struct witness *witness, int sig, int64_t when_us);
/* Closes the reports; in the keeper, whom they do not concern. */
void witness_close(struct witness *witness);
/* Ends it and waits for that. */
void witness_stop(struct witness *witness);
