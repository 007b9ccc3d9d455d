/* SPDX-License-Identifier: MIT */
/* berthd: the whole daemon in one struct; main.c starts it, verbs reach everything through it. */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/adopt.h"
#include "daemon/book.h"
#include "daemon/config.h"
#include "daemon/doctor_look.h"
#include "daemon/enums.h"
#include "daemon/gate.h"
#include "daemon/journal.h"
#include "daemon/listener.h"
#include "daemon/pg/pg.h"
#include "daemon/pool.h"
#include "daemon/redis_pool.h"
#include "daemon/pg/guest.h"
#include "daemon/registry.h"
#include "daemon/restore.h"
#include "daemon/slow.h"
#include "daemon/seal.h"
#include "daemon/template.h"
#include "daemon/web.h"
#include "proto/verbs.h"

struct evdns_base;
struct pg_target;
struct redis;

/* The way out: RUNNING → DRAINING (leases end by themselves) → ENDING (slots are dropped) → LEFT. */
enum berthd_phase { BERTHD_RUNNING, BERTHD_DRAINING, BERTHD_ENDING, BERTHD_LEAVING, BERTHD_LEFT };

struct berthd {
	struct config config;       /* moved in and out by main.c, which owns it */
	struct event_base *base;
	struct evdns_base *dns;
	struct pg_target *target;
	struct pg pg;
	struct journal journal;
	struct registry registry;
	struct adoption adoption;
	struct redis *redis;        /* without redis_url: for private servers alone */
	struct redis_pool redis_pool;
	struct guests guests;
	struct pool pool;
	struct templates templates;
	struct seal_site seals;
	struct restore_site restores;
	struct slow slow;           /* resets */
	struct enums enums;
	struct gate gate;
	struct doctor doctor;
	struct book book;
	struct listener listener;
	struct web web;
	enum redis_mode redis_default;
	enum berthd_phase phase;
	struct event *deadline;     /* of the phase */
	struct event *look;         /* is everything gone yet? */
	struct event *term, *interrupt, *hangup;
	int64_t started;            /* clock_now() */
	int exit_status;
	bool anew;                  /* what it was to go on with is another's by now: start again, under another name */
	bool handed_over;           /* the next berthd goes on with everything: nothing is ended */
	uint64_t calls[VERBS];
	uint64_t errors[BERTH_ERROR_CODES];
};

/* Starts everything; events do the rest. -1: it cannot even listen. */
int berthd_start(struct berthd *berthd, struct berth_error *e);
/* Runs until it has left. Returns the exit status. */
int berthd_run(struct berthd *berthd);
void berthd_fini(struct berthd *berthd);

/* No new leases; leaves when the last has ended, or drain_ms are over, or at once when `now`. What it
 * made is dropped before it goes. */
void berthd_shutdown(struct berthd *berthd, bool now);
/* Leaves at once, and leaves everything as it is for the next berthd on this socket. UNAVAILABLE: that one would not
 * know of it. */
int berthd_hand_over(struct berthd *berthd, struct berth_error *e);
