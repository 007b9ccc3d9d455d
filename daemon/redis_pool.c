/* SPDX-License-Identifier: MIT */
/* Claims ahead, a few. */
#include "daemon/redis_pool.h"

#include <assert.h>
#include <stdlib.h>

enum { RETRY_MS = 250, TRIM_MS = 1000, CLAIMS_AT_ONCE = 16 };

static int
target(int keep, int leasable)
{
	int most = leasable / 8 > 1 ? leasable / 8 : 1;

	return keep < most ? keep : most;
}

int
redis_pool_surplus(int keep, int leasable, int free, int demand)
{
	int surplus = free - target(keep, leasable) - demand;

	return surplus > 0 ? surplus : 0;
}

int
redis_pool_shortage(int keep, int leasable, int free, int claiming, int demand)
{
	int missing = target(keep, leasable) + demand - free - claiming;
	int room = CLAIMS_AT_ONCE - claiming;

	if (missing > REDIS_POOL_MAX - free - claiming)
		missing = REDIS_POOL_MAX - free - claiming;
	missing = missing < room ? missing : room;
	return missing > 0 ? missing : 0;
}

static int
surplus(const struct redis_pool *pool)
{
	return redis_pool_surplus(pool->keep, redis_leasable(pool->redis), pool->free_count, pool->demand);
}

/* Databases are scarce: those whose leases went while they were claimed go back, but not at once. */
static void
mind_surplus(struct redis_pool *pool)
{
	struct timeval delay = { .tv_sec = TRIM_MS / 1000 };

	if (surplus(pool) > 0 && !event_pending(pool->trim, EV_TIMEOUT, NULL))
		event_add(pool->trim, &delay);
}

static void
on_trim(evutil_socket_t fd, short what, void *arg)
{
	struct redis_pool *pool = arg;

	for (int n = surplus(pool); n > 0; n--)
		redis_slot_end(pool->redis, pool->free[--pool->free_count]);
}

static void
on_claimed(void *arg, struct redis_slot *slot, const struct berth_error *e)
{
	struct redis_pool *pool = arg;
	struct timeval delay = { .tv_usec = RETRY_MS * 1000 };

	pool->claiming--;
	if (!slot) {
		/* All leased: another runner may free one without our being told. */
		pool->why = *e;
		event_add(pool->retry, &delay);
	} else if (pool->closing) {
		redis_slot_end(pool->redis, slot);
	} else {
		pool->why.code = BERTH_OK;
		pool->free[pool->free_count++] = slot;
		pool->came(pool->arg);
		redis_pool_pump(pool);
		mind_surplus(pool);
	}
}

void
redis_pool_pump(struct redis_pool *pool)
{
	int n;

	if (pool->closing || pool->paused || !redis_up(pool->redis, NULL)
	    || event_pending(pool->retry, EV_TIMEOUT, NULL))
		return;
	n = redis_pool_shortage(pool->keep, redis_leasable(pool->redis), pool->free_count, pool->claiming,
	                        pool->demand);
	for (; n > 0; n--) {
		pool->claiming++;
		redis_claim_start(pool->redis, pool->mode, on_claimed, pool);
	}
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	redis_pool_pump(arg);
}

void
redis_pool_init(struct redis_pool *pool, struct event_base *base, enum redis_mode mode, int keep,
                void (*came)(void *arg), void *arg)
{
	*pool = (struct redis_pool){ .mode = mode, .keep = keep, .came = came, .arg = arg };
	pool->retry = event_new(base, -1, 0, on_retry, pool);
	pool->trim = event_new(base, -1, 0, on_trim, pool);
	if (!pool->retry || !pool->trim)
		abort();
}

void
redis_pool_fini(struct redis_pool *pool)
{
	assert(pool->free_count == 0);
	event_free(pool->retry);
	event_free(pool->trim);
}

void
redis_pool_demand(struct redis_pool *pool, int waiting)
{
	bool more = waiting > pool->demand;

	pool->demand = waiting;
	if (more)
		redis_pool_pump(pool);
	else
		mind_surplus(pool);
}

struct redis_slot *
redis_pool_take(struct redis_pool *pool)
{
	struct redis_slot *slot;

	if (pool->free_count == 0)
		return NULL;
	slot = pool->free[--pool->free_count];
	redis_pool_pump(pool);
	return slot;
}

bool
redis_pool_lost(struct redis_pool *pool, struct redis_slot *slot)
{
	for (int i = 0; i < pool->free_count; i++) {
		if (pool->free[i] != slot)
			continue;
		pool->free[i] = pool->free[--pool->free_count];
		redis_slot_end(pool->redis, slot);
		redis_pool_pump(pool);
		return true;
	}
	return false;
}

void
redis_pool_close(struct redis_pool *pool)
{
	pool->closing = true;
	event_del(pool->retry);
	event_del(pool->trim);
	while (pool->free_count > 0)
		redis_slot_end(pool->redis, pool->free[--pool->free_count]);
}
