/* SPDX-License-Identifier: MIT */
/*
 * listener: the Unix socket, the lock file that guards its path, and every session on it.
 *
 * Whoever holds the lock owns the path: a socket that lies there is then stale and replaced. The lock
 * file is never unlinked (unlinking it would let two daemons lock two files of one name).
 */
#pragma once

#include <event2/event.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "proto/errors.h"

struct berthd;
struct session;

struct listener {
	struct berthd *berthd;
	char path[108];
	int fd, lock_fd, spare_fd;
	bool given;    /* fd is a service manager's, and so is its path */
	struct event *accept;
	TAILQ_HEAD(, session) sessions;
	int count, most;     /* most: what the settings and the descriptors allow */
	uint64_t accepted, refused;
	size_t unsent;       /* of all sessions together, in bytes */
};

/* Makes the directory (0755) if it is missing, takes the lock, binds (0660) and listens, or takes the
 * socket that a service manager hands over as it is. INUSE: another berthd has the lock, with its pid. */
int listener_open(struct listener *listener, struct berthd *berthd, struct berth_error *e);
/* Closes every session (their leases lose them) and unlinks the socket, if it is ours. */
void listener_close(struct listener *listener);
/* So many sessions from now on, if the descriptors allow. */
void listener_limit(struct listener *listener, int wanted);
void listener_remove(struct listener *listener, struct session *session);
/* The session of that id, or NULL when it is gone. */
struct session *listener_find(struct listener *listener, uint64_t id);
