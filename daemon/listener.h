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
	struct event *accept;
	TAILQ_HEAD(, session) sessions;
	int count, most;     /* most: what the settings and the descriptors allow */
	uint64_t accepted, refused;
	size_t unsent;       /* of all sessions together, in bytes */
};

/* Makes the directory (0755) if it is missing, takes the lock, binds (0660) and listens.
 * INUSE: another berthd has the lock, with its pid. */
int listener_open(struct listener *listener, struct berthd *berthd, struct berth_error *e);
/* Closes every session (their leases lose them) and unlinks the socket. */
void listener_close(struct listener *listener);
void listener_remove(struct listener *listener, struct session *session);
/* The session of that id, or NULL when it is gone. */
struct session *listener_find(struct listener *listener, uint64_t id);
