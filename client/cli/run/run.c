/* SPDX-License-Identifier: MIT */
/* The main process of `berth run`: passes signals on, waits for the keeper, ends as CMD ended. */
#include "client/cli/run/run.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/run/ask.h"
#include "client/cli/run/channel.h"
#include "client/cli/run/keeper.h"
#include "client/cli/run/processes.h"
#include "client/cli/run/progress.h"
#include "client/cli/run/witness.h"

enum {
	EXIT_UNAVAILABLE = 69,
	PING_MS = 1000,
	CLEANUP_MS = 60 * 1000, /* what the keeper may take, after which main does it */
	GRACE_MS = 1000,        /* for what a killed keeper left */
	KILL_MS = 5000,
};

static const int passed_on[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };

struct run {
	struct options options;
	struct programs programs;
	struct user user;
	struct rundir dir;
	struct witness witness;
	sigset_t mask;        /* as we found it */
	bool ignores_sigchld; /* likewise */
	sigset_t passed;      /* to CMD */
	int signals;          /* signalfd */
	int channel;
	pid_t keeper;
	unsigned long long keeper_began;
	pid_t command;      /* 0 before it runs */
	int command_status; /* of wait(), once over */
	bool over;          /* CMD ended, or the start failed or was given up */
	int exit_status;    /* when it is not CMD's */
	bool keeper_gone;
	bool keeper_failed; /* it did not clean up */
};

/* Becomes CMD, with the daemon that is there. */
static int
use_daemon(const struct options *options, const char *socket)
{
	int status;

	say("using the daemon at %s", socket);
	execvp(options->command[0], options->command);
	status = errno == ENOENT ? 127 : 126;
	say("%s: %s", options->command[0], strerror(errno));
	return status;
}

/* Blocks what is to be passed on; what our caller has ignored stays ignored, for CMD too. */
static int
take_signals(struct run *run, struct berth_error *e)
{
	struct sigaction old;
	sigset_t blocked;

	sigemptyset(&run->passed);
	for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++)
		if (sigaction(passed_on[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaddset(&run->passed, passed_on[i]);
	blocked = run->passed;
	sigaddset(&blocked, SIGCHLD);
	sigaddset(&blocked, SIGPIPE);
	sigprocmask(SIG_BLOCK, &blocked, &run->mask);
	sigaction(SIGCHLD, &(struct sigaction){ .sa_handler = SIG_DFL }, &old);
	run->ignores_sigchld = old.sa_handler == SIG_IGN;
	run->signals = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
	if (run->signals < 0)
		return berth_error_set(e, BERTH_UNAVAILABLE, "signalfd: %s", strerror(errno));
	return 0;
}

static int
start_keeper(struct run *run, int argc, char **argv, struct berth_error *e)
{
	const struct keeper_task task = {
		.options = &run->options,
		.programs = &run->programs,
		.dir = &run->dir,
		.user = &run->user,
		.mask = run->mask,
		.ignores_sigchld = run->ignores_sigchld,
		.argc = argc,
		.argv = argv,
	};
	int ends[2];

	fflush(NULL);
	witness_start(&run->witness, &run->passed, argc, argv);
	if (channel_open(ends) < 0 || (run->keeper = keeper_start(&task, ends[1], ends[0])) < 0)
		return berth_error_set(e, BERTH_UNAVAILABLE, "cannot start: %s", strerror(errno));
	close(ends[1]);
	run->channel = ends[0];
	run->keeper_began = process_began(run->keeper);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* should the keeper be killed, all of its falls to us */
	return 0;
}

static void
on_message(struct run *run, const struct message *message)
{
	switch (message->kind) {
	case MESSAGE_STARTED: run->command = message->value; break;
	case MESSAGE_ENDED:
		run->command_status = message->value;
		run->over = true;
		break;
	case MESSAGE_FAILED:
		run->exit_status = message->value;
		run->over = true;
		break;
	case MESSAGE_SIGNAL:
	case MESSAGE_STOP: break; /* ours to send */
	}
}

static void
on_channel(struct run *run)
{
	struct message message;
	int got;

	while ((got = channel_receive(run->channel, &message)) > 0)
		on_message(run, &message);
	if (got < 0) {
		close(run->channel);
		run->channel = -1;
	}
}

/* A signal before CMD runs ends the start; later it is CMD's, unless the whole group got it. */
static void
on_signal(struct run *run, int sig)
{
	int64_t now = now_us();

	if (run->over || !sigismember(&run->passed, sig))
		return;
	if (!run->command) {
		run->command_status = sig; /* die of it, when all is clean */
		run->over = true;
		channel_send(run->channel, MESSAGE_STOP, 0);
	} else if (!witness_saw(&run->witness, sig, now)) {
		channel_send(run->channel, MESSAGE_SIGNAL, sig);
	}
}

static void
reap(struct run *run)
{
	pid_t pid;
	int status;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == run->keeper) {
			run->keeper_gone = true;
			run->keeper_failed = status != 0;
		} else if (pid == run->command) { /* ours by inheritance */
			run->command_status = status;
			run->over = true;
		} else if (pid == run->witness.pid) {
			run->witness.pid = -1;
		}
	}
}

static void
on_signals(struct run *run)
{
	struct signalfd_siginfo info;

	while (read(run->signals, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGCHLD)
			reap(run);
		else
			on_signal(run, (int)info.ssi_signo);
	}
}

static void
wait_for(struct run *run, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = run->signals, .events = POLLIN },
		{ .fd = run->channel, .events = POLLIN },
	};

	if (poll(fds, 2, timeout_ms) <= 0)
		return;
	if (fds[1].revents)
		on_channel(run);
	if (fds[0].revents)
		on_signals(run);
}

/* Until the keeper is gone; once all is over it has its time for cleaning up. */
static void
wait_for_keeper(struct run *run)
{
	int64_t deadline = INT64_MAX;

	while (!run->keeper_gone) {
		if (run->over && deadline == INT64_MAX)
			deadline = now_us() + (int64_t)CLEANUP_MS * 1000;
		if (now_us() > deadline)
			kill(run->keeper, SIGKILL);
		wait_for(run, run->over ? 1000 : -1);
	}
	if (run->channel >= 0)
		on_channel(run); /* its last words */
}

/* Signals all that the keeper left to us until nothing is left or the time is over. */
static bool
end_inherited(struct run *run, int sig, int timeout_ms)
{
	int64_t deadline = now_us() + (int64_t)timeout_ms * 1000;

	while (processes_signal(getpid(), &run->witness.pid, 1, run->keeper_began, sig) > 0) {
		if (now_us() > deadline)
			return false;
		wait_for(run, 5);
		sig = sig == SIGTERM ? 0 : sig; /* asked once */
	}
	return true;
}

/* The keeper was killed; its children are ours now. The kernel has told them all to end. */
static void
clean_up(struct run *run)
{
	say("the keeper was killed: ending the servers and the command");
	if (!end_inherited(run, SIGTERM, GRACE_MS))
		end_inherited(run, SIGKILL, KILL_MS);
	reap(run);
	rundir_remove(&run->dir);
}

/* Ends as CMD did: with its status, or of the same signal, so that a shell sees Ctrl-C as such. */
static int
end_like(int status)
{
	const struct rlimit no_core = { 0, 0 };
	sigset_t set;
	int sig;

	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	sig = WTERMSIG(status);
	setrlimit(RLIMIT_CORE, &no_core); /* it has dumped its own */
	signal(sig, SIG_DFL);
	fflush(NULL);
	raise(sig);
	sigemptyset(&set);
	sigaddset(&set, sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	return 128 + sig; /* process 1 of a container does not die of it */
}

static int
end(struct run *run)
{
	witness_stop(&run->witness);
	if (run->options.keep)
		say("kept %s", run->dir.path);
	if (run->exit_status)
		return run->exit_status;
	if (!run->over)
		return EXIT_UNAVAILABLE; /* the keeper died before CMD ran, or with it */
	return end_like(run->command_status);
}

static int
run_servers(struct run *run, int argc, char **argv)
{
	struct berth_error e;

	if (user_of_servers(&run->user, &e) < 0
	    || programs_find(&run->programs, run->options.pg_bindir, &run->user, &e) < 0
	    || take_signals(run, &e) < 0
	    || rundir_open(&run->dir, &run->user, run->options.keep, &e) < 0) {
		say("%s", e.message);
		return EXIT_UNAVAILABLE;
	}
	if (start_keeper(run, argc, argv, &e) < 0) {
		say("%s", e.message);
		rundir_remove(&run->dir);
		return EXIT_UNAVAILABLE;
	}
	wait_for_keeper(run);
	if (run->keeper_failed)
		clean_up(run);
	return end(run);
}

int
run_main(int argc, char **argv)
{
	struct run run = { .dir.fd = -1, .witness.pid = -1, .channel = -1 };
	const char *socket = getenv("BERTH_SOCKET");
	int status;

	if (options_parse(&run.options, argc, argv, &status) < 0)
		return status;
	if (ask_ping(socket, PING_MS))
		return use_daemon(&run.options, socket);
	return run_servers(&run, argc, argv);
}
