/* SPDX-License-Identifier: MIT */
/*
 * lease: the grant; who holds which slot and which Redis database until when.
 *
 *     WAITING ──→ HELD ──→ (ended)
 *        └──────→ FAILED ──→ (ended)
 *
 * One that builds its template is HELD, too: template->lease is it, and what it holds is an empty slot.
 *
 * book     owns every lease
 * binding  ties a lease to a session; the lease lives while it has one, or is detached
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uthash.h>

#include "daemon/queue.h"
#include "daemon/redis/redis.h"
#include "daemon/slot.h"
#include "proto/errors.h"
#include "proto/limits.h"

struct lease;
struct restore;
struct seal;
struct session;
struct template;

enum lease_state {
	LEASE_WAITING, /* "queued", or "building" while something is being made for it alone */
	LEASE_HELD,
	LEASE_FAILED,  /* `failure` says why; kept until its holder has seen it or is gone */
};

/* Why a lease ended: a closed set, counted, in the log and in INFO. */
#define LEASE_ENDS(X)                                  \
	X(RELEASED,  "released")                       \
	X(GONE,      "holder gone")                    \
	X(EXPIRED,   "ttl expired")                    \
	X(MAXIMUM,   "hard maximum reached")           \
	X(ABORTED,   "template given up")              \
	X(LATE,      "template not sealed in time")    \
	X(FAILED,    "could not be granted")           \
	X(REDIS,     "redis slot lost")                \
	X(LOST,      "its slot was gone when berthd came back") \
	X(SHUTDOWN,  "berthd is leaving")

enum lease_end {
#define X(symbol, words) LEASE_END_##symbol,
	LEASE_ENDS(X)
#undef X
	LEASE_END_COUNT
};

/* What ACQUIRE asked for. */
struct lease_want {
	struct template *template;       /* held; NULL for an empty slot */
	enum slot_kind kind;
	char name[LIMIT_NAME_BYTES + 1]; /* "" for any */
	enum redis_mode redis;
	bool exactly;                    /* that Redis level was asked for by name */
	int64_t ttl;                     /* µs */
	bool detach;
};

/* Ties a lease to one of the sessions that keep it alive. Owned by both lists; freed with either end. */
struct binding {
	struct lease *lease;
	struct session *session;
	LIST_ENTRY(binding) of_lease, of_session;
};
LIST_HEAD(binding_list, binding);

struct lease {
	char id[LIMIT_NAME_BYTES + 1];
	char key[LIMIT_RUN_BYTES + LIMIT_WORKER_BYTES + 32]; /* "uid/run/worker"; "" once it is kept for a look */
	char run[LIMIT_RUN_BYTES + 1];
	char worker[LIMIT_WORKER_BYTES + 1];
	char label[LIMIT_LABEL_BYTES + 1];
	uid_t uid;
	pid_t pid;                       /* of the first to ask; 0 when the kernel does not say */
	struct lease_want want;
	enum lease_state state;
	struct berth_error failure;
	bool told;                       /* its holder has heard of the failure: it can go */
	struct slot *slot;               /* borrowed from the pool; while WAITING, one that is built for it */
	struct redis_slot *redis;        /* owned until redis_slot_end() */
	struct errand *errand;           /* a Redis slot is being made for it alone */
	struct seal *seal;               /* its template is being sealed; frees itself */
	bool sealed;                     /* it has sealed its template */
	struct restore *restore;         /* a RESET or BASELINE is under way; frees itself */
	bool detached;
	bool adopted;                    /* an earlier life of this runner granted it, and no holder has come back yet */
	int64_t created, granted, renewed, left; /* clock_now(); left: when the last binding went */
	struct binding_list bindings;
	int connections;
	TAILQ_HEAD(, session) waiters;   /* sessions whose answer waits for it */
	struct queue_place place;
	struct event *timer;             /* owned; lease_deadline() */
	struct book *book;               /* borrowed */
	UT_hash_handle by_id, by_key;
};

/* Whether it is the one that builds its template. */
bool lease_builds(const struct lease *lease);
/* What the settings allow a lease, in µs. */
struct lease_times {
	int64_t ttl_max, grace, build, reattach;
};
/* The moment at which the lease ends by itself, and why; INT64_MAX for never. */
int64_t lease_deadline(const struct lease *lease, const struct lease_times *times, enum lease_end *ret_why);

const char *lease_state_word(const struct lease *lease); /* "queued", "building", "held", "failed" */
const char *lease_end_words(enum lease_end why);
