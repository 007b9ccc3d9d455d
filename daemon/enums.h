/* SPDX-License-Identifier: MIT */
/*
 * enums: shared enum types, each created exactly once however many ask.
 *
 * All that is asked for while a conversation is under way goes into the next one together: one lock,
 * one round trip, one transaction. The lock is pg_advisory_xact_lock(enum_lock), whose default of
 * 12345 excludes helpers in the wild that take pg_advisory_lock(12345). A guard without it is not
 * enough: of 8 racers behind IF NOT EXISTS 7 fail with 23505, and a block that catches
 * duplicate_object alone still leaks. So both are caught *and* the lock is held.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "daemon/enum_def.h"
#include "daemon/pg/flow.h"

struct config;
struct pg;

enum enum_outcome { ENUM_EXISTS, ENUM_CREATED, ENUM_APPENDED };

/* Exactly once, never before the call returned. e: DRIFT, TIMEOUT (who has the lock), PGERR, UNAVAILABLE. */
typedef void enum_done(void *arg, enum enum_outcome outcome, const struct berth_error *e);

struct enum_ask;
TAILQ_HEAD(enum_asks, enum_ask);

struct enums {
	struct pg *pg;
	const struct config *config;
	struct enum_asks waiting, asked; /* asked: in the conversation under way */
	struct flow flow;
	char holder[256];            /* who had the lock when it could not be had */
	bool talking;                /* the flow is under way */
	struct event *begin;         /* the next conversation, in the next turn of the loop */
	bool up;                     /* between enums_up() and enums_down() */
	bool failed;                 /* one of the configured ones, this time */
	long conversations;
	int left;                    /* of the configured ones, not ensured yet */
	bool ready;                  /* all configured ones were there once since PostgreSQL came up */
	struct berth_error why;      /* what stands in the way of that */
	struct event *check;         /* looks again whether they are there */
	void (*came)(void *arg);     /* ready */
	void *arg;
};

void enums_init(struct enums *enums, struct event_base *base, struct pg *pg, const struct config *config,
                void (*came)(void *arg), void *arg);
void enums_fini(struct enums *enums); /* after pg_fini() */

/* PostgreSQL is usable (again), or is not: leases wait until what the configuration lists is there. */
void enums_up(struct enums *enums);
void enums_down(struct enums *enums);
bool enums_ready(const struct enums *enums, struct berth_error *why);

/* Copies `def`. With `append`, labels that are missing are added at the end instead of being a DRIFT. */
void enums_ensure(struct enums *enums, const struct enum_def *def, bool append, enum_done *done, void *arg);
