/* SPDX-License-Identifier: MIT */
/* The gate as a client sees it: coming in, saying how it went, over more than one connection. */
#pragma once

#include "client/cli/command.h"
#include "client/lib/berth.h"
#include "proto/limits.h"

/* What ONCE ENTER says, or a row of ONCE LIST. */
struct gate_answer {
	char state[16]; /* run, wait, done, failed; in a list running, free, done, failed */
	long long fence;
	char message[BERTH_ERROR_MESSAGE_MAX]; /* of a failure, else "" */
	int status;                            /* likewise, else 0 */
	char holder[320];                      /* "HOST pid N" */
	long long age_ms;                      /* since it began, or ended */
};

enum { GATE_KEY_SIZE = LIMIT_GATE_KEY_BYTES + 1, NO_TIMEOUT = -1 };

struct gate {
	const struct invocation *asked; /* borrowed: where the daemon is */
	char key[GATE_KEY_SIZE];
	struct berth_client *client; /* owned; NULL while there is no connection */
};

/*
 * Comes in, waiting for whoever is in there for up to timeout_ms (or NO_TIMEOUT) and showing on
 * stderr who that is. `retry`: an earlier failure does not count, but that of a run waited for
 * does. Returns 0 with what it came to (run, done or failed), or the exit status after a complaint.
 */
int gate_enter(struct gate *gate, bool retry, long long timeout_ms, struct gate_answer *ret);
/*
 * Goes on with a run whose connection was lost, if the daemon is back and nobody has entered since.
 * Returns whether to try again: GATE_BACK and GATE_LOST are the end of it.
 */
enum gate_again { GATE_AWAY, GATE_BACK, GATE_LOST };
enum gate_again gate_go_on(struct gate *gate, long long fence);
/*
 * Says how the run with this fence went: `failure` NULL for done, or what was wrong. When the
 * connection is lost or the registry away it tries again for a while. STALE: see gate_stale().
 */
int gate_finish(struct gate *gate, long long fence, const char *failure, int status,
                struct berth_error *e);
/* What became of the key of a run whose connection was lost, for people. */
void gate_stale(struct gate *gate, long long fence, char *text, size_t size);
/* Ends the connection, also for whoever inherited it: a run that was not finished is free. */
void gate_leave(struct gate *gate);
