/* SPDX-License-Identifier: MIT */
/*
 * doctor_look: gathers the facts of doctor.h: PostgreSQL in one round trip, pg_dump's version from itself.
 *
 * One look at a time; who asks meanwhile shares it.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/doctor.h"
#include "daemon/pg/flow.h"

struct berthd;
struct child;

struct doctor {
	struct berthd *berthd;
	struct flow flow;
	struct doctor_facts facts;
	struct child *child;     /* pg_dump --version */
	int pipe;                /* what it says; -1: none */
	struct event *deadline;  /* of the child */
	struct event *over;      /* the look is over: tell it */
	uint64_t *asking;        /* sessions that wait for the facts; owned */
	int count;
	bool closing;
	void (*tell)(struct doctor *doctor, uint64_t session);
};

void doctor_init(struct doctor *doctor, struct berthd *berthd, void (*tell)(struct doctor *doctor, uint64_t session));
/* Before pg_fini(). */
void doctor_fini(struct doctor *doctor);
/* Calls `tell` once for this session when the facts are there, never before it returns. */
void doctor_ask(struct doctor *doctor, uint64_t session);
