/* SPDX-License-Identifier: MIT */
/* The keeper's life: start the servers, start CMD, wait, end whatever is left, remove files. */
#include "client/cli/run/keeper.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/run/channel.h"
#include "client/cli/run/env.h"
#include "client/cli/run/processes.h"
#include "client/cli/run/servers.h"
#include "client/cli/run/title.h"
#include "client/cli/run/watch.h"

enum {
	EXIT_UNAVAILABLE = 69,
	GRACE_MS = 1000, /* between asking leftovers of CMD to end, and ending them */
};

struct keeper {
	const struct keeper_task *task;
	struct watch watch;
	struct servers servers;
	struct child command;
	char **argv;    /* CMD's; owned */
	struct env env; /* CMD's */
	pid_t group;
	mode_t umask;
};

/* CMD's arguments lie where the title goes. */
static char **
copy_of(char *const *argv)
{
	size_t count = 0;
	char **copy;

	while (argv[count])
		count++;
	copy = calloc(count + 1, sizeof *copy);
	assert(copy);
	for (size_t i = 0; i < count; i++) {
		copy[i] = strdup(argv[i]);
		assert(copy[i]);
	}
	return copy;
}

static void
copy_free(char **copy)
{
	for (char **at = copy; *at; at++)
		free(*at);
	free(copy);
}

/* libpq reads PG* (PGOPTIONS, PGSSLMODE…): not with our own server. */
static void
unset_libpq(void)
{
	for (char **var = environ; *var;) {
		char name[64];
		size_t len = strcspn(*var, "=");

		if (strncmp(*var, "PG", 2) == 0 && len < sizeof name) {
			memcpy(name, *var, len);
			name[len] = '\0';
			unsetenv(name);
		} else {
			var++;
		}
	}
}

static int
start_command(struct keeper *keeper, struct berth_error *e)
{
	const struct command_spec spec = {
		.argv = keeper->argv,
		.env = keeper->env.vars,
		.group = keeper->group,
		.mask = keeper->task->mask,
		.umask = keeper->umask,
		.ignores_sigchld = keeper->task->ignores_sigchld,
	};

	if (child_start_command(&keeper->command, &spec, e) < 0)
		return -1;
	watch_add(&keeper->watch, &keeper->command);
	keeper->watch.command = &keeper->command;
	progress_total(&keeper->watch.progress, "start");
	return channel_send(keeper->watch.channel, MESSAGE_STARTED, keeper->command.pid) ? 0 : -1;
}

static void
run_command(struct keeper *keeper)
{
	while (keeper->command.running && !keeper->watch.ending) {
		servers_report(&keeper->servers);
		watch_wait(&keeper->watch, -1);
	}
	servers_report(&keeper->servers);
	if (!keeper->command.running)
		channel_send(keeper->watch.channel, MESSAGE_ENDED, keeper->command.status);
}

/* Ends whatever CMD left, or, when main is gone, CMD itself: asked first, then not. */
static void
end_leftovers(struct keeper *keeper)
{
	int64_t deadline = now_us() + GRACE_MS * 1000;
	pid_t servers[SERVERS];
	size_t count = servers_pids(&keeper->servers, servers);
	int sig = SIGTERM;

	while (processes_signal(getpid(), servers, count, 0, sig) > 0 && now_us() < deadline) {
		watch_wait(&keeper->watch, 5);
		count = servers_pids(&keeper->servers, servers);
		sig = 0;
	}
	deadline = now_us() + GRACE_MS * 1000;
	while (processes_signal(getpid(), servers, count, 0, SIGKILL) > 0 && now_us() < deadline)
		watch_wait(&keeper->watch, 1);
}

static void
clean_up(struct keeper *keeper)
{
	progress_stage(&keeper->watch.progress, "stopping");
	end_leftovers(keeper);
	servers_stop(&keeper->servers);
	rundir_remove(keeper->task->dir);
	progress_stage(&keeper->watch.progress, NULL);
}

/* Out of reach of signals to main's group; the parent of orphans. */
static void
become(struct keeper *keeper)
{
	const struct keeper_task *task = keeper->task;

	keeper->group = getpgrp();
	setpgid(0, 0);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	keeper->umask = umask(077);
	keeper->argv = copy_of(task->options->command);
	env_copy(&keeper->env, environ, NULL);
	unset_libpq();
	title_set(task->argc, task->argv, "berth-keeper");
}

static void
live(struct keeper *keeper)
{
	struct berth_error e = { 0 };

	if (servers_start(&keeper->servers, &e) == 0 && start_command(keeper, &e) == 0) {
		run_command(keeper);
	} else if (!keeper->watch.ending) {
		say("%s", e.message);
		channel_send(keeper->watch.channel, MESSAGE_FAILED, EXIT_UNAVAILABLE);
	}
	clean_up(keeper);
}

static _Noreturn void
keeper_main(const struct keeper_task *task, int channel)
{
	struct keeper keeper = { .task = task };
	struct berth_error e;

	become(&keeper);
	if (watch_open(&keeper.watch, channel, task->options->verbose, &e) < 0) {
		say("%s", e.message);
		_exit(EXIT_UNAVAILABLE);
	}
	servers_init(&keeper.servers, &keeper.watch, task->dir, task->programs, task->user,
	             task->options->tcp);
	env_set(&keeper.env, "BERTH_SOCKET", "%s", servers_socket(&keeper.servers));
	live(&keeper);
	watch_close(&keeper.watch);
	copy_free(keeper.argv);
	env_fini(&keeper.env);
	_exit(0);
}

pid_t
keeper_start(const struct keeper_task *task, int keepers_end, int mains_end)
{
	pid_t pid = fork();

	if (pid == 0) {
		close(mains_end);
		keeper_main(task, keepers_end);
	}
	return pid;
}
