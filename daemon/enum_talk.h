/* SPDX-License-Identifier: MIT */
/*
 * enum_talk: one conversation about shared enums: lock, look, make what is missing, look again. One
 * pipeline, so one round trip and one transaction, however many are asked for.
 *
 * The lock is pg_advisory_xact_lock(enum_lock), whose default of 12345 excludes helpers in the wild
 * that take pg_advisory_lock(12345). A guard without it is not enough: of 8 racers behind
 * IF NOT EXISTS 7 fail with 23505, and a block that catches duplicate_object alone still leaks. So
 * both are caught *and* the lock is held.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

#include "daemon/enum_def.h"
#include "daemon/pg/flow.h"

struct config;

enum enum_outcome { ENUM_EXISTS, ENUM_CREATED, ENUM_APPENDED };

/* Exactly once, never before the call returned. e: DRIFT, TIMEOUT (who stands in the way), BUSY, PGERR,
 * UNAVAILABLE. */
typedef void enum_done(void *arg, enum enum_outcome outcome, const struct berth_error *e);

/* One that is asked for, and what the conversation found out. */
struct enum_ask {
	struct enum_def want;
	bool append;           /* add the labels that are missing */
	struct enum_ask *like; /* the one of the conversation that wants the very same; NULL: none before it */
	bool alone;            /* it takes no others along: with them it did not go */
	int again;             /* how often it was begun anew */
	bool is_there, made;   /* afterwards; by us */
	int before, after;     /* labels that it had, and has */
	struct berth_error no; /* why not, if code is not BERTH_OK */
	enum_done *done;
	void *arg;
	TAILQ_ENTRY(enum_ask) link;
};
TAILQ_HEAD(enum_asks, enum_ask);

struct enum_talk {
	const struct config *config; /* borrowed */
	struct enum_asks asks;
	bool furnished;              /* the schema is there, and leases may use it */
	bool locked;                 /* this time we had the lock */
	char holder[256];            /* who stood in the way: "pid 4711 (psql) as alice" */
};

/* With a `struct enum_talk` as ctx. 55P03: the lock, or a transaction, was waited for in vain. */
extern const struct flow_step enum_talk_steps[];
/* Who has the lock, or, when we had it, who has a transaction open. */
extern const struct flow_step enum_holder_steps[];

enum enum_outcome enum_ask_outcome(const struct enum_ask *ask);
