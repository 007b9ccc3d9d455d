/* SPDX-License-Identifier: MIT */
/*
 * pool: owns every slot; builds ahead of demand, cleans and drops behind it, a few at a time.
 *
 * How many to build is a plain decision (pool_shortage); everything else reacts to events.
 */
#pragma once

#include <event2/event.h>

#include "daemon/shelf.h"
#include "daemon/slot.h"
#include "daemon/slot_build.h"

struct pool_events {
	/* A slot became FREE: anybody's, or the one that slot->lease had built. */
	void (*free)(void *arg, struct slot *slot);
	/* The slot that slot->lease had built by name could not be; it is being dropped. */
	void (*failed)(void *arg, struct slot *slot, const struct berth_error *e);
	/* One that is anybody's could not be built; shelf->failures tells how often in a row. */
	void (*refused)(void *arg, struct shelf *shelf);
	/* Nothing is left of `name`. */
	void (*gone)(void *arg, const char *name);
};

struct pool_stats {
	long builds, build_failures, cleans, clean_failures, drops, drop_failures, stale;
};

struct pool {
	struct slot_site site;
	struct event_base *base;
	const struct pool_events *events;
	void *arg;
	struct slot_list lists[SLOT_STATE_COUNT];
	struct shelf plain[SLOT_KINDS]; /* of empty slots */
	struct shelf_list shelves;   /* these, and the templates' */
	int dropping;                /* drops under way */
	struct journal *journal;     /* borrowed; of the free ones, and the numbers of names */
	struct event *trim;          /* what is too much then still, goes */
	struct event *decay;         /* what was wanted at once is forgotten little by little */
	bool open;                   /* between pool_up() and pool_down() */
	bool closing;                /* no more builds */
	int runners;                 /* that share the server, this one too; set from outside */
	struct pool_stats stats;
};

void pool_init(struct pool *pool, struct event_base *base, const struct slot_site *site, struct journal *journal,
               const struct pool_events *events, void *arg);
/* Forgets every slot; what is in PostgreSQL stays for the next runner. After pg_fini() and the last lease. */
void pool_fini(struct pool *pool);

/* PostgreSQL is usable (again): build what is missing, drop what waits. */
void pool_up(struct pool *pool);
/* The registry is away: nothing new is begun. */
void pool_down(struct pool *pool);
/* So many empty slots shall be free when nobody waits. */
void pool_keep(struct pool *pool, int schemas, int databases);
/* A template's shelf: its slots are built from now on. `shelf` says what it is; the rest is set here. */
void pool_add_shelf(struct pool *pool, struct shelf *shelf);
/* No more are built, the free ones go; pool_remove_shelf() when shelf_slots() is 0. */
void pool_close_shelf(struct pool *pool, struct shelf *shelf);
void pool_remove_shelf(struct pool *pool, struct shelf *shelf);
int shelf_slots(const struct shelf *shelf);
/* So many leases wait for a slot of this shelf that anybody may have. */
void pool_demand(struct pool *pool, struct shelf *shelf, int waiting);

/* A FREE slot that is anybody's, or NULL. It stays FREE until pool_hold(). */
struct slot *pool_find_free(struct pool *pool, const struct shelf *shelf);
/* FREE → HELD by this lease. */
void pool_hold(struct pool *pool, struct slot *slot, struct lease *lease);
/* The slot of that name, whatever its state, or NULL. */
struct slot *pool_find(struct pool *pool, const char *name);
/* Builds one for this lease alone; exactly this name, which no slot of ours has, or a generated one for NULL. */
struct slot *pool_build_for(struct pool *pool, const char *name, struct shelf *shelf, struct lease *lease);
/* Whoever held it is done with it: it goes to be dropped (or will, once it is built), or, when `again`
 * and it can be, to be cleaned and handed out again. */
void pool_release(struct pool *pool, struct slot *slot, bool again);
/* Somebody talks to a slot that is held; while that lasts a release is put off. */
void pool_talk_begin(struct slot *slot);
void pool_talk_end(struct pool *pool, struct slot *slot);
/* Takes over what a dead runner left: to be dropped, under our fence now. */
void pool_adopt(struct pool *pool, const char *name, const char *role, enum slot_kind kind, int64_t fence);
/* A slot of an earlier life, that this lease holds, or (NULL) that is to be free once pool_resume() was called. */
void pool_restore(struct pool *pool, struct slot *slot, struct shelf *shelf, struct lease *lease);
/* It is there: what is known of it is learned anew where needed, and it is free. */
void pool_resume(struct pool *pool, struct slot *slot);
/* It is not there (any more), or not to be trusted; `gone`: and there is nothing of it to drop. */
void pool_disown(struct pool *pool, struct slot *slot, bool gone);
/* Drops all slots but the held ones, and builds no more. */
/* INSERTs what is built, if there is something, into a registry that was lost. */
void pool_recall(const struct pool *pool, struct sql *sql);
void pool_close(struct pool *pool);
/* How many slots there are, all states. */
int pool_size(const struct pool *pool);
int pool_count(const struct pool *pool, enum slot_kind kind, enum slot_state state);
/* This runner's share of the server's lock table, 0 while that is not known; and what builds and drops take of it. */
int64_t pool_lock_budget(const struct pool *pool);
int64_t pool_locks_taken(const struct pool *pool);

/* What pool_shortage() decides upon. */
struct pool_view {
	int target;   /* how many shall be free when nobody waits */
	int free;     /* anybody's */
	int building; /* anybody's, and those that are being cleaned */
	int demand;   /* leases that wait */
	int busy;     /* builds under way, all kinds, named ones too */
	int at_once;  /* builds allowed at a time */
};

/* How many builds to start now: 0..at_once. */
int pool_shortage(const struct pool_view *view);
/* Lock slots that building or dropping takes of the server's, for a schema of so many tables. */
int pool_locks(int tables);
/* Whether one more that takes `locks` may begin while others have `taken` of `budget`. */
bool pool_admits(int64_t budget, int64_t taken, int64_t locks);

/* How many free slots are more than anybody asked for: those whose leases went while they were built. */
int pool_surplus(const struct pool_view *view);
