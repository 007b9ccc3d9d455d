/* SPDX-License-Identifier: MIT */
/* Starting and watching a child process, with a pidfd instead of a SIGCHLD handler. */
#include "daemon/base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { POLL_MS = 50, FD_MAX = 65536, EXIT_NO_DIRECTORY = 126, EXIT_NO_PROGRAM = 127 };

struct child {
	child_gone *gone;
	void *arg;
	pid_t pid; /* 0 once it is reaped */
	int pidfd; /* -1: this kernel has none (before 5.3); then the event polls */
	struct event *event;
};

/* In the child from here; only what signal-safety(7) allows. */

static void
forget_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		signal(number, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
close_others(void)
{
#ifdef SYS_close_range
	if (syscall(SYS_close_range, 3U, ~0U, 0U) == 0)
		return;
#endif
	for (int fd = 3; fd < FD_MAX; fd++)
		close(fd);
}

static bool
become(const struct child_config *config)
{
	if (geteuid() != 0 || config->uid == 0)
		return true;
	return setgroups(0, NULL) == 0 && setgid(config->gid) == 0 && setuid(config->uid) == 0;
}

__attribute__((noreturn)) static void
run(const struct child_config *config, int input, pid_t parent)
{
	static char locale[] = "LC_ALL=C";
	static char *const bare[] = { locale, NULL };
	int null = open("/dev/null", O_WRONLY);
	int output = config->output ? config->output : null, errors = config->errors ? config->errors : null;

	forget_signals();
	setsid(); /* a terminal's Ctrl-C is not for it */
	if (null < 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0)
		_exit(EXIT_NO_DIRECTORY);
	close_others();
	if (!become(config) || chdir(config->directory) < 0)
		_exit(EXIT_NO_DIRECTORY);
	/* After setuid(2), which clears it; and the parent may be gone already. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_NO_DIRECTORY);
	execve(config->path, (char *const *)config->argv, config->environment ? config->environment : bare);
	_exit(EXIT_NO_PROGRAM);
}

/* In the parent. */

static void
reaped(struct child *child, int status)
{
	char how[64];

	if (WIFSIGNALED(status))
		snprintf(how, sizeof how, "was killed by signal %d", WTERMSIG(status));
	else if (WEXITSTATUS(status) == EXIT_NO_DIRECTORY)
		snprintf(how, sizeof how, "cannot enter its directory");
	else if (WEXITSTATUS(status) == EXIT_NO_PROGRAM)
		snprintf(how, sizeof how, "cannot be executed");
	else
		snprintf(how, sizeof how, "exited %d", WEXITSTATUS(status));
	child->pid = 0;
	event_del(child->event);
	child->gone(child->arg, how);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct child *child = arg;
	int status;

	if (waitpid(child->pid, &status, WNOHANG) == child->pid)
		reaped(child, status);
}

static void
watch(struct child *child, struct event_base *base)
{
	struct timeval poll = { .tv_usec = POLL_MS * 1000 };

#ifdef SYS_pidfd_open
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
#else
	child->pidfd = -1;
#endif
	if (child->pidfd >= 0)
		fcntl(child->pidfd, F_SETFD, FD_CLOEXEC);
	child->event = event_new(base, child->pidfd, (child->pidfd >= 0 ? EV_READ : 0) | EV_PERSIST,
	                         on_event, child);
	if (!child->event || event_add(child->event, child->pidfd >= 0 ? NULL : &poll) < 0)
		abort();
}

/* The read end of a pipe that holds all of `input` already, so that nobody has to write later. */
static int
filled_pipe(const char *input)
{
	size_t len = strlen(input);
	int fds[2];

	if (len > PIPE_BUF || pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	ssize_t written = write(fds[1], input, len);
	close(fds[1]);
	if (written == (ssize_t)len)
		return fds[0];
	close(fds[0]);
	return -1;
}

struct child *
child_new(struct event_base *base, const struct child_config *config, child_gone *gone, void *arg,
          struct berth_error *e)
{
	struct child *child = calloc(1, sizeof *child);
	int input = filled_pipe(config->input);
	pid_t parent = getpid();

	if (!child)
		abort();
	*child = (struct child){ .gone = gone, .arg = arg, .pid = input < 0 ? -1 : fork() };
	if (child->pid == 0)
		run(config, input, parent);
	if (input >= 0)
		close(input);
	if (child->pid < 0) {
		berth_error_set(e, BERTH_ERR, "cannot start %s: %s", config->path,
		                strerror(errno));
		free(child);
		return NULL;
	}
	watch(child, base);
	return child;
}

bool
child_running(const struct child *child)
{
	return child->pid > 0;
}

void
child_kill(struct child *child)
{
	if (child->pid > 0)
		kill(child->pid, SIGKILL);
}

void
child_free(struct child *child)
{
	if (!child)
		return;
	child_kill(child);
	while (child->pid > 0 && waitpid(child->pid, NULL, 0) < 0 && errno == EINTR)
		;
	event_free(child->event);
	if (child->pidfd >= 0)
		close(child->pidfd);
	free(child);
}

static char *
executable(const char *directory, int len, const char *program)
{
	char *path;

	if (asprintf(&path, "%.*s/%s", len, directory, program) < 0)
		abort();
	if (len > 0 && access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *
child_find(const char *program)
{
	const char *path = getenv("PATH");

	if (strchr(program, '/'))
		return access(program, X_OK) == 0 ? strdup(program) : NULL;
	for (const char *at = path ? path : "/usr/local/bin:/usr/bin:/bin"; *at;) {
		int len = (int)strcspn(at, ":");
		char *found = executable(at, len, program);
		if (found)
			return found;
		at += len + (at[len] == ':');
	}
	return NULL;
}
