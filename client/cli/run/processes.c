/* SPDX-License-Identifier: MIT */
/* Reading /proc: who descends from whom, who works where. */
#include "client/cli/run/processes.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct process {
	pid_t pid;
	pid_t parent;
	int terminal; /* 0: none */
	char state;
	unsigned long long began;
	bool meant;
};

struct processes {
	struct process *list; /* owned */
	size_t count;
};

/* state, parent, controlling terminal and start of a process; the rest is skipped. */
static const char stat_format[] = " %c %d %*d %*d %d %*d %*u %*u %*u %*u %*u %*u %*u"
				  " %*d %*d %*d %*d %*d %*d %llu";

/* Fills all but `meant` from /proc/PID/stat. */
static bool
process_read(pid_t pid, struct process *process)
{
	char path[64], text[1024], *end;
	size_t len;
	FILE *file;
	int fields = 0;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	len = fread(text, 1, sizeof text - 1, file);
	fclose(file);
	text[len] = '\0';
	*process = (struct process){ .pid = pid };
	end = strrchr(text, ')'); /* the name before it may hold anything */
	if (end)
		fields = sscanf(end + 1, stat_format, &process->state, &process->parent,
		                &process->terminal, &process->began);
	return fields == 4;
}

/* Calls `each` for every process; in the end returns how often that said yes. */
static size_t
each_pid(bool (*each)(pid_t pid, void *arg), void *arg)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	size_t count = 0;

	if (!proc)
		return 0;
	while ((entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]))
			count += each((pid_t)atoi(entry->d_name), arg);
	closedir(proc);
	return count;
}

static bool
append(pid_t pid, void *arg)
{
	struct processes *all = arg;
	struct process process;

	if (!process_read(pid, &process))
		return false;
	if (all->count % 256 == 0) {
		all->list = realloc(all->list, (all->count + 256) * sizeof process);
		assert(all->list);
	}
	all->list[all->count++] = process;
	return true;
}

static const struct process *
find(const struct processes *all, pid_t pid)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->list[i].pid == pid)
			return &all->list[i];
	return NULL;
}

static bool
is_one_of(pid_t pid, const pid_t *pids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* Whether `process` descends from `root` along a way that avoids `except`. */
static bool
descends(const struct processes *all, const struct process *process, pid_t root,
         const pid_t *except, size_t count)
{
	for (size_t steps = 0; process && steps < all->count; steps++) {
		if (process->pid == root || is_one_of(process->pid, except, count))
			return false;
		if (process->parent == root)
			return true;
		process = find(all, process->parent);
	}
	return false;
}

size_t
processes_signal(pid_t root, const pid_t *except, size_t count, unsigned long long since, int sig)
{
	struct processes all = { 0 };
	size_t meant = 0;

	each_pid(append, &all);
	for (size_t i = 0; i < all.count; i++) {
		struct process *p = &all.list[i];

		p->meant = p->state != 'Z' && p->state != 'X' && p->began >= since
		           && descends(&all, p, root, except, count);
		meant += p->meant;
	}
	for (size_t i = 0; i < all.count; i++)
		if (all.list[i].meant && sig)
			kill(all.list[i].pid, sig);
	free(all.list);
	return meant;
}

unsigned long long
process_began(pid_t pid)
{
	struct process process;

	return process_read(pid, &process) ? process.began : 0;
}

/* Whether the process' working directory is `path` or lies in it: so it is with our servers. */
static bool
works_in(pid_t pid, const char *path)
{
	char link[64], cwd[PATH_MAX];
	size_t len = strlen(path);
	ssize_t n;

	snprintf(link, sizeof link, "/proc/%d/cwd", (int)pid);
	n = readlink(link, cwd, sizeof cwd - 1);
	return n >= (ssize_t)len && strncmp(cwd, path, len) == 0
	       && (n == (ssize_t)len || cwd[len] == '/');
}

/* Whether `var` (NAME=value) is in the environment that the process was started with. */
static bool
has_variable(pid_t pid, const char *var)
{
	char path[64], *entry = NULL;
	size_t size = 0;
	bool found = false;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && getdelim(&entry, &size, '\0', file) > 0)
		found = strcmp(entry, var) == 0;
	free(entry);
	fclose(file);
	return found;
}

/* Whether it is us or one of our ancestors. */
static bool
is_ancestor(pid_t pid)
{
	struct process process;
	bool more = process_read(getpid(), &process);

	while (more && process.pid != pid)
		more = process.parent > 0 && process_read(process.parent, &process);
	return more;
}

struct remains {
	const char *path;
	const char *variable;
};

/* Spares who has a terminal: a person's shell that stands there, or that a killed run started. */
static bool
kill_remains(pid_t pid, void *arg)
{
	const struct remains *remains = arg;
	struct process process;

	if (!works_in(pid, remains->path) && !has_variable(pid, remains->variable))
		return false;
	if (!process_read(pid, &process) || process.terminal != 0 || is_ancestor(pid))
		return false;
	kill(pid, SIGKILL);
	return true;
}

size_t
processes_kill_remains(const char *path, const char *variable)
{
	struct remains remains = { .path = path, .variable = variable };

	return each_pid(kill_remains, &remains);
}
