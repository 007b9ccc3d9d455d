/* SPDX-License-Identifier: MIT */
/*
 * pool: owns every slot; builds ahead of demand and drops behind it, a few at a time.
 *
 * How many to build is a plain decision (pool_shortage); everything else reacts to events.
 */
#pragma once

#include <event2/event.h>

#include "daemon/slot.h"
#include "daemon/slot_build.h"

struct pool_events {
	/* A slot became FREE: anybody's, or the one that slot->lease had built. */
	void (*free)(void *arg, struct slot *slot);
	/* The slot that slot->lease had built by name could not be; it is being dropped. */
	void (*failed)(void *arg, struct slot *slot, const struct berth_error *e);
	/* One that is anybody's could not be built; pool->failures tells how often in a row. */
	void (*refused)(void *arg, enum slot_kind kind);
	/* Nothing is left of `name`. */
	void (*gone)(void *arg, const char *name);
};

struct pool_stats {
	long builds, build_failures, drops, drop_failures, stale;
};

struct pool {
	struct slot_site site;
	struct event_base *base;
	const struct pool_events *events;
	void *arg;
	struct slot_list lists[SLOT_STATE_COUNT];
	int count[SLOT_KINDS][SLOT_STATE_COUNT];
	int demand[SLOT_KINDS];      /* leases that wait for anybody's slot; set by pool_demand() */
	int dropping;                /* drops under way */
	unsigned serial;             /* of generated names */
	int failures[SLOT_KINDS];    /* builds that failed in a row */
	struct berth_error why[SLOT_KINDS]; /* the last of them */
	struct event *retry[SLOT_KINDS];    /* builds of that kind go on then */
	struct event *trim;          /* what is too much then still, goes */
	bool open;                   /* between pool_up() and pool_down() */
	bool closing;                /* no more builds */
	struct pool_stats stats;
};

void pool_init(struct pool *pool, struct event_base *base, const struct slot_site *site,
               const struct pool_events *events, void *arg);
/* Forgets every slot; what is in PostgreSQL stays for the next runner. After pg_fini() and the last lease. */
void pool_fini(struct pool *pool);

/* PostgreSQL is usable (again): build what is missing, drop what waits. */
void pool_up(struct pool *pool);
/* The registry is away: nothing new is begun. */
void pool_down(struct pool *pool);
/* So many leases wait for a slot of this kind that anybody may have. */
void pool_demand(struct pool *pool, enum slot_kind kind, int waiting);

/* A FREE slot that is anybody's, or NULL. It stays FREE until pool_hold(). */
struct slot *pool_find_free(struct pool *pool, enum slot_kind kind);
/* FREE → HELD by this lease. */
void pool_hold(struct pool *pool, struct slot *slot, struct lease *lease);
/* The slot of that name, whatever its state, or NULL. */
struct slot *pool_find(struct pool *pool, const char *name);
/* Builds exactly this name for this lease. No slot of ours has it. */
struct slot *pool_build_named(struct pool *pool, const char *name, enum slot_kind kind, struct lease *lease);
/* Whoever held it is done with it: it goes to be dropped (or will, once it is built). */
void pool_release(struct pool *pool, struct slot *slot);
/* Takes over what a dead runner left: to be dropped, under our fence now. */
void pool_adopt(struct pool *pool, const char *name, enum slot_kind kind, int64_t fence);
/* Drops all slots but the held ones, and builds no more. */
void pool_close(struct pool *pool);
/* How many slots there are, all states. */
int pool_size(const struct pool *pool);

/* What pool_shortage() decides upon. */
struct pool_view {
	int target;   /* how many shall be free when nobody waits */
	int free;     /* anybody's */
	int building; /* anybody's */
	int demand;   /* leases that wait */
	int busy;     /* builds under way, all kinds, named ones too */
	int at_once;  /* builds allowed at a time */
};

/* How many builds to start now: 0..at_once. */
int pool_shortage(const struct pool_view *view);
/* How many free slots are more than anybody asked for: those whose leases went while they were built. */
int pool_surplus(const struct pool_view *view);
