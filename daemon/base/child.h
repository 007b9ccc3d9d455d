/* SPDX-License-Identifier: MIT */
/* child: a process that dies with this one, has nothing of it but its configuration, and whose end
 * is told. */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "proto/errors.h"

struct child;

struct child_config {
	const char *path;        /* of the program; argv[0] too */
	const char *const *argv; /* NULL ends it */
	const char *input; /* what it reads from its stdin; at most a pipe's worth (4096 bytes) */
	int output, errors; /* its stdout and stderr, borrowed; 0 for /dev/null */
	char *const *environment; /* NULL ends it; NULL itself for LC_ALL=C alone */
	const char *directory; /* its working directory */
	uid_t uid;             /* who it runs as, when this process may choose */
	gid_t gid;
};

/* The process ended by itself, and how; the child is then only to be freed. */
typedef void child_gone(void *arg, const char *how);

/* NULL with `e` set when it cannot be started. That the program cannot be executed is known only
 * by its end. */
struct child *child_new(struct event_base *base, const struct child_config *config,
                        child_gone *gone, void *arg, struct berth_error *e);
bool child_running(const struct child *child);
/* SIGKILL; `gone` comes later. */
void child_kill(struct child *child);
/* Kills it if it still runs, and waits for that. Takes NULL. */
void child_free(struct child *child);
/* The path of a program: itself if it contains a slash, else where PATH has it. malloc()ed, or
 * NULL. */
char *child_find(const char *program);
