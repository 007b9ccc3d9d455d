/* SPDX-License-Identifier: MIT */
/*
 * What the keeper waits with: its children's ends, main's messages and main's death, and the time.
 *
 * keeper   owns the children and the channel's end
 * watch    borrows them, until the keeper ends
 */
#pragma once

#include <stdbool.h>

#include "client/cli/run/child.h"
#include "client/cli/run/progress.h"

struct watch {
	int signals;            /* signalfd */
	int channel;            /* main's messages; -1 once main is gone */
	bool ending;            /* main is gone or said STOP: what is being done is pointless now */
	struct child *children; /* running ones */
	const struct child *command; /* whom main's signals are for; NULL before it runs */
	struct progress progress;
};

/* Takes over this process' signals: all are blocked, SIGCHLD is looked at, the rest ignored. */
int watch_open(struct watch *watch, int channel, bool verbose, struct berth_error *e);
void watch_close(struct watch *watch);
/* Looks after a child that was just started. */
void watch_add(struct watch *watch, struct child *child);
/* Looks after it no longer; it is about to go out of scope. */
void watch_forget(struct watch *watch, const struct child *child);
/* Handles what has happened, after waiting for it for up to timeout_ms (-1: without end). */
void watch_wait(struct watch *watch, int timeout_ms);
/* Waits for a tool to end. Returns 0 when it ended with status 0; -1 otherwise or when
 * watch->ending. */
int watch_child(struct watch *watch, const struct child *child);
/* Waits until all of them are gone, or up to timeout_ms; returns whether they are. */
bool
watch_gone(struct watch *watch, const struct child *const *children, size_t count, int timeout_ms);
