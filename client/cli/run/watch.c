/* SPDX-License-Identifier: MIT */
/* The keeper's one place to wait. */
#include "client/cli/run/watch.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/cli/run/channel.h"

int
watch_open(struct watch *watch, int channel, bool verbose, struct berth_error *e)
{
	sigset_t all;

	*watch = (struct watch){ .channel = channel };
	progress_init(&watch->progress, verbose);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	watch->signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	if (watch->signals < 0)
		return berth_error_set(e, BERTH_UNAVAILABLE, "signalfd: %s", strerror(errno));
	return 0;
}

void
watch_close(struct watch *watch)
{
	if (watch->channel >= 0)
		close(watch->channel);
	if (watch->signals >= 0)
		close(watch->signals);
	watch->channel = watch->signals = -1;
}

void
watch_add(struct watch *watch, struct child *child)
{
	child->next = watch->children;
	watch->children = child;
}

void
watch_forget(struct watch *watch, const struct child *child)
{
	for (struct child **at = &watch->children; *at; at = &(*at)->next) {
		if (*at == child) {
			*at = child->next;
			return;
		}
	}
}

static void
child_gone(struct watch *watch, pid_t pid, int status)
{
	struct child *child = watch->children;

	while (child && child->pid != pid)
		child = child->next;
	if (!child)
		return; /* an orphan of somebody's that the kernel gave to us */
	child->status = status;
	child->running = false;
	watch_forget(watch, child);
}

static void
on_signals(struct watch *watch)
{
	struct signalfd_siginfo info;
	pid_t pid;
	int status;

	while (read(watch->signals, &info, sizeof info) == sizeof info)
		; /* what they were does not matter: the keeper follows main, and reaps in any case
		   */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		child_gone(watch, pid, status);
}

static void
on_message(struct watch *watch, const struct message *message)
{
	if (message->kind == MESSAGE_STOP)
		watch->ending = true;
	else if (message->kind == MESSAGE_SIGNAL && watch->command)
		child_signal(watch->command, message->value);
}

static void
on_channel(struct watch *watch)
{
	struct message message;
	int got;

	while ((got = channel_receive(watch->channel, &message)) > 0)
		on_message(watch, &message);
	if (got < 0) {
		close(watch->channel);
		watch->channel = -1;
		watch->ending = true;
	}
}

void
watch_wait(struct watch *watch, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = watch->signals, .events = POLLIN },
		{ .fd = watch->channel, .events = POLLIN },
	};

	if (poll(fds, 2, timeout_ms) > 0) {
		if (fds[0].revents)
			on_signals(watch);
		if (fds[1].revents)
			on_channel(watch);
	}
	progress_tick(&watch->progress);
}

int
watch_child(struct watch *watch, const struct child *child)
{
	while (child->running && !watch->ending)
		watch_wait(watch, 100);
	return !child->running && child->status == 0 ? 0 : -1;
}

static bool
any_runs(const struct child *const *children, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (children[i]->running)
			return true;
	return false;
}

bool
watch_gone(struct watch *watch, const struct child *const *children, size_t count, int timeout_ms)
{
	int64_t deadline = now_us() + (int64_t)timeout_ms * 1000;

	while (any_runs(children, count)) {
		int64_t left = deadline - now_us();

		if (left <= 0)
			return false;
		watch_wait(watch, (int)(left / 1000) + 1);
	}
	return true;
}
