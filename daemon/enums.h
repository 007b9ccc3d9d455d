/* SPDX-License-Identifier: MIT */
/*
 * enums: shared enum types, each created exactly once however many ask.
 *
 * All that is asked for while a conversation is under way goes into the next one together, whoever
 * asks: one lock, one round trip, one transaction (enum_talk). If PostgreSQL refuses one of them, each
 * has a conversation of its own, so that nobody fails of what another one wants.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/enum_talk.h"

struct config;
struct pg;

struct enums {
	struct pg *pg;
	const struct config *config;
	struct enum_asks waiting;
	struct enum_talk talk;       /* the conversation under way; its asks are out of `waiting` */
	struct flow flow;
	int64_t began;               /* clock_now(), of the conversation */
	bool talking;                /* the flow is under way */
	struct event *begin;         /* the next conversation, in the next turn of the loop */
	long conversations;

	/* what the configuration lists */
	bool up;                     /* between enums_up() and enums_down() */
	int left;                    /* not ensured yet */
	bool renewed;                /* PostgreSQL went and came meanwhile: look at all of them again */
	bool failed;                 /* one of them, this time */
	bool ready;                  /* all were there once since PostgreSQL came up */
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
/* The configuration lists others: they are looked for at once; leases wait for them only if they waited before. */
void enums_changed(struct enums *enums);
bool enums_ready(const struct enums *enums, struct berth_error *why);

/* Copies `def`. With `append`, labels that are missing are added at the end instead of being a DRIFT. */
void enums_ensure(struct enums *enums, const struct enum_def *def, bool append, enum_done *done, void *arg);
