/* SPDX-License-Identifier: MIT */
/*
 * redis_pool: Redis databases claimed ahead of demand, of the level that leases get by default.
 *
 * They are scarce and shared with other runners, so few are kept: never more than an eighth of all.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>

#include "daemon/redis/redis.h"

enum { REDIS_POOL_MAX = 256 };

struct redis_pool {
	struct redis *redis;      /* borrowed */
	enum redis_mode mode;     /* what is claimed ahead: REDIS_ACL or REDIS_INDEX */
	int keep;                 /* setting pool_redis */
	struct redis_slot *free[REDIS_POOL_MAX];
	int free_count;
	int claiming;             /* under way */
	int demand;
	struct berth_error why;   /* of the last claim that failed; code 0 since one succeeded */
	struct event *retry;
	struct event *trim;       /* what is too much then still, goes back */
	bool paused;              /* nothing is claimed yet: an earlier life of the runner is being taken over */
	bool closing;
	void (*came)(void *arg);  /* one became free */
	void *arg;
};

void redis_pool_init(struct redis_pool *pool, struct event_base *base, enum redis_mode mode, int keep,
                     void (*came)(void *arg), void *arg);
void redis_pool_fini(struct redis_pool *pool);
/* Redis is usable, or a database became claimable, or more are wanted: claim what is missing. */
void redis_pool_pump(struct redis_pool *pool);
/* So many leases wait for one. */
void redis_pool_demand(struct redis_pool *pool, int waiting);
struct redis_slot *redis_pool_take(struct redis_pool *pool); /* NULL: none is free */
/* The slot's claim was lost; true when it was a free one of ours (and is being ended now). */
bool redis_pool_lost(struct redis_pool *pool, struct redis_slot *slot);
/* Ends the free ones and claims no more. */
void redis_pool_close(struct redis_pool *pool);

/* How many free ones are more than anybody asked for. */
int redis_pool_surplus(int keep, int leasable, int free, int demand);
/* How many claims to start: keeps `keep` (at most an eighth of `leasable`, at least one if any) and meets demand. */
int redis_pool_shortage(int keep, int leasable, int free, int claiming, int demand);
