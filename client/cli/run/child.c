/* SPDX-License-Identifier: MIT */
/* fork and exec, with everything that a child must not inherit put right in between. */
#include "client/cli/run/child.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/run/progress.h"

static _Noreturn void
fail(const char *what)
{
	int status = errno == ENOENT ? 127 : 126;

	say("%s: %s", what, strerror(errno));
	_exit(status);
}

/* Asks for `sig` at the keeper's death, which may have come before we asked. */
static void
die_with(pid_t keeper, int sig)
{
	prctl(PR_SET_PDEATHSIG, sig);
	if (getppid() != keeper)
		_exit(126);
}

static void
signals_reset(void)
{
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
close_others(void)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3u, ~0u, 0u) == 0)
		return;
#endif
	for (int fd = 3; fd < 1024; fd++)
		close(fd);
}

/* stdin, stdout and stderr of a server; whatever else is open is closed. */
static void
descriptors_set(const struct server_spec *spec)
{
	int input = spec->input >= 0 ? spec->input : open("/dev/null", O_RDONLY);

	if (dup2(input, STDIN_FILENO) < 0 || dup2(spec->log, STDOUT_FILENO) < 0
	    || dup2(spec->log, STDERR_FILENO) < 0)
		_exit(126);
	close_others();
}

static _Noreturn void
server_exec(const struct server_spec *spec, pid_t keeper)
{
	descriptors_set(spec);
	setsid();
	umask(077);
	if (user_become(spec->user) < 0)
		fail(spec->user->name);
	die_with(keeper, spec->death_signal); /* after the change of user, which clears it */
	if (chdir(spec->directory) < 0)
		fail(spec->directory);
	signals_reset();
	execve(spec->argv[0], (char *const *)spec->argv, spec->env);
	fail(spec->argv[0]);
}

static _Noreturn void
command_exec(const struct command_spec *spec, pid_t keeper)
{
	if (setpgid(0, spec->group) < 0)
		_exit(126); /* main's group is gone, and main with it */
	die_with(keeper, SIGTERM);
	umask(spec->umask);
	if (spec->ignores_sigchld)
		signal(SIGCHLD, SIG_IGN);
	sigprocmask(SIG_SETMASK, &spec->mask, NULL);
	execvpe(spec->argv[0], spec->argv, spec->env);
	fail(spec->argv[0]);
}

/* In the parent: keeps the pid. In the child: returns 0 and leaves `child` alone. */
static pid_t
start(struct child *child, const char *name, struct berth_error *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return berth_error_set(e, BERTH_UNAVAILABLE, "cannot start %s: %s", name,
		                       strerror(errno));
	if (pid > 0)
		*child = (struct child){ .pid = pid, .running = true };
	return pid;
}

int
child_start_server(struct child *child, const struct server_spec *spec, struct berth_error *e)
{
	pid_t keeper = getpid();
	pid_t pid = start(child, spec->argv[0], e);

	if (pid == 0)
		server_exec(spec, keeper);
	return pid < 0 ? -1 : 0;
}

int
child_start_command(struct child *child, const struct command_spec *spec, struct berth_error *e)
{
	pid_t keeper = getpid();
	pid_t pid = start(child, spec->argv[0], e);

	if (pid == 0)
		command_exec(spec, keeper);
	return pid < 0 ? -1 : 0;
}

void
child_signal(const struct child *child, int sig)
{
	if (child->running)
		kill(child->pid, sig);
}

const char *
child_ending(const struct child *child)
{
	static char text[64];

	if (WIFSIGNALED(child->status))
		snprintf(text, sizeof text, "signal %d (%s)", WTERMSIG(child->status),
		         strsignal(WTERMSIG(child->status)));
	else
		snprintf(text, sizeof text, "exit status %d", WEXITSTATUS(child->status));
	return text;
}
