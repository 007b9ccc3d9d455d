/* SPDX-License-Identifier: MIT */
/* A process that waits for signals and says when which one came. */
#include "client/cli/run/witness.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/run/progress.h"
#include "client/cli/run/title.h"

enum {
	PATIENCE_MS = 100,     /* for a report that is under way */
	SAME_US = 1000 * 1000, /* two that are further apart are two signals */
};

struct report {
	int sig;
	int64_t when_us;
};

static _Noreturn void
watch_signals(int out, const sigset_t *signals, pid_t main_pid)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (getppid() == main_pid) {
		struct report report = { .sig = sigwaitinfo(signals, NULL), .when_us = now_us() };

		if (report.sig > 0 && write(out, &report, sizeof report) < 0)
			break;
	}
	_exit(0);
}

void
witness_start(struct witness *witness, const sigset_t *signals, int argc, char **argv)
{
	pid_t main_pid = getpid();
	int ends[2];

	*witness = (struct witness){ .pid = -1, .reports = -1 };
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return;
	witness->pid = fork();
	if (witness->pid == 0) {
		title_set(argc, argv, "berth-witness");
		watch_signals(ends[1], signals, main_pid);
	}
	witness->reports = ends[0];
	close(ends[1]);
}

bool
witness_saw(struct witness *witness, int sig, int64_t when_us)
{
	struct pollfd pfd = { .fd = witness->reports, .events = POLLIN };
	struct report report;

	if (witness->pid < 0)
		return false;
	while (poll(&pfd, 1, PATIENCE_MS) == 1) {
		if (read(witness->reports, &report, sizeof report) != sizeof report)
			return false;
		if (report.sig == sig && llabs(report.when_us - when_us) < SAME_US)
			return true;
	}
	return false;
}

void
witness_close(struct witness *witness)
{
	if (witness->reports >= 0)
		close(witness->reports);
	witness->reports = -1;
}

void
witness_stop(struct witness *witness)
{
	witness_close(witness);
	if (witness->pid <= 0)
		return;
	kill(witness->pid, SIGKILL);
	waitpid(witness->pid, NULL, 0);
	witness->pid = -1;
}
