/* SPDX-License-Identifier: MIT */
/*
 * gate: the run-once latch. Exactly one runs, whoever comes meanwhile waits, whoever comes later learns
 * the outcome.
 *
 *     (none) ──→ running ──→ done
 *       ↑         │ ↑ ├────→ failed ──→ running   (RETRY)
 *       │         │ │ ├────→ free ────→ running   (the holder's connection closed)
 *       └─ FORGET ┘ └─┴────→ left ────→ running   (berthd left; its grace has passed)
 *
 * The state is a row of berth.gate, so it holds across runners and restarts. Who runs is known by a
 * fence. The holder of a run whose berthd left, or was killed, has the grace of a runner to go on with
 * it over another connection (ENTER with the fence): a row that is `left`, or whose runner is not in
 * berth.runner any more (buried), is free only after that.
 */
#pragma once

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "daemon/pg/flow.h"
#include "proto/errors.h"
#include "proto/limits.h"

struct berthd;
struct gate_pass;
struct gate_talk;

/* A row as it is now. */
struct gate_state {
	char state[16];  /* run, wait, done, failed: as the one who asks sees it */
	int64_t fence;   /* of the run at hand, or of the last one */
	char message[BERTH_ERROR_MESSAGE_MAX]; /* of a failure; "" for none */
	char holder[320]; /* "host pid 123" */
	int64_t age_ms;  /* since it began, or ended */
	int64_t status;  /* exit status of a failure, 0 otherwise */
};

/* Exactly once, never before the call returned. */
typedef void gate_done(void *arg, const struct gate_state *state, const struct berth_error *e);

TAILQ_HEAD(gate_passes, gate_pass);
TAILQ_HEAD(gate_talks, gate_talk);

/* One that waits for news of a key. The caller owns it and fills in the first four. */
struct gate_wait {
	const char *key;         /* borrowed */
	void (*look)(void *arg); /* exactly once for each gate_wait(); when berthd leaves at the latest */
	void *arg;
	int64_t until;           /* clock_now(): not later */
	struct gate *gate;
	struct event timer;
	TAILQ_ENTRY(gate_wait) link;
};
TAILQ_HEAD(gate_waits, gate_wait);

struct gate {
	struct berthd *berthd;
	struct gate_passes passes; /* runs of our sessions */
	struct gate_talks entering;
	struct gate_waits waits;
	long entered, finished, freed;
};

void gate_init(struct gate *gate, struct berthd *berthd);
void gate_fini(struct gate *gate); /* after pg_fini() */

/* Whether the answer to an entry was lost, and what it did is not undone yet: nobody may enter meanwhile. */
bool gate_unsure(const struct gate *gate, const char *key);
/* Enters, or learns why not. `session` holds the run from then on, if it is its turn and still there. */
void gate_enter(struct gate *gate, uint64_t session, const char *key, bool retry, gate_done *done, void *arg);
/* Goes on with the run of this fence, whose connection was lost; state `run` when nobody has entered since. */
void gate_go_on(struct gate *gate, uint64_t session, const char *key, int64_t fence, gate_done *done, void *arg);
/* Whether this session runs `key` already; then as state `run`. */
bool gate_holds(struct gate *gate, uint64_t session, const char *key, struct gate_state *ret);
/* Calls wait->look() in a while, as other runners' news are not heard, or when we hear something of the
 * key, at the latest at wait->until. The more wait for one key, the longer the while. */
void gate_wait(struct gate *gate, struct gate_wait *wait);
/* outcome: "done" or "failed". STALE: the fence is not that of the run under way. */
void gate_finish(struct gate *gate, const char *key, int64_t fence, const char *outcome, const char *message,
                 int64_t status, gate_done *done, void *arg);
/* Asks for all rows: key, state (running, free, done, failed), fence, holder, uid, age in ms, message. */
void gate_ask_rows(const struct gate *gate, struct sql *sql);
/* BUSY while it runs. */
void gate_forget(struct gate *gate, const char *key, gate_done *done, void *arg);
/* The session is gone: its runs are free for the next. */
void gate_session_gone(struct gate *gate, uint64_t session);
/* PostgreSQL is usable again: frees what could not be freed. */
void gate_up(struct gate *gate);
