/* SPDX-License-Identifier: MIT */
/* Slots on their way through BUILDING, FREE, HELD and DROPPING. */
#include "daemon/pool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/config.h"
#include "daemon/pg/pg.h"
#include "daemon/slot_drop.h"

enum { RETRY_BASE_MS = 50, RETRY_MAX_MS = 5000, TRIM_MS = 1000 };

static void pump(struct pool *pool);

int
pool_shortage(const struct pool_view *view)
{
	int missing = view->target + view->demand - view->free - view->building;
	int room = view->at_once - view->busy;

	if (missing < 0)
		missing = 0;
	if (room < 0)
		room = 0;
	return missing < room ? missing : room;
}

int
pool_surplus(const struct pool_view *view)
{
	int surplus = view->free - view->target - view->demand;

	return surplus > 0 ? surplus : 0;
}

/* ---- moves ---- */

static void
move(struct pool *pool, struct slot *slot, enum slot_state next)
{
	pool->count[slot->kind][slot->state]--;
	slot_move(slot, next, pool->lists);
	pool->count[slot->kind][next]++;
}

static void
add(struct pool *pool, struct slot *slot)
{
	TAILQ_INSERT_TAIL(&pool->lists[slot->state], slot, link);
	pool->count[slot->kind][slot->state]++;
}

static void
forget(struct pool *pool, struct slot *slot)
{
	TAILQ_REMOVE(&pool->lists[slot->state], slot, link);
	pool->count[slot->kind][slot->state]--;
	slot_free(slot);
}

static void
delay(struct event *timer, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	event_add(timer, &tv);
}

/* ---- dropping ---- */

static void
on_retry_drop(evutil_socket_t fd, short what, void *arg)
{
	struct pool *pool = arg;

	pump(pool);
}

static void
gone(struct pool *pool, struct slot *slot)
{
	char name[sizeof slot->name];

	memcpy(name, slot->name, sizeof name);
	forget(pool, slot);
	pool->events->gone(pool->arg, name);
}

static void
drop_later(struct pool *pool, struct slot *slot, const struct berth_error *e)
{
	int ms = random_backoff_ms(slot->drop_tries++, RETRY_BASE_MS, RETRY_MAX_MS);

	pool->stats.drop_failures++;
	log_warn("slot.drop_failed", LOG_T("slot", slot->name), LOG_N("fence", slot->fence), LOG_T("why", e->message),
	         LOG_N("retry_ms", ms));
	if (!slot->retry)
		slot->retry = event_new(pool->base, -1, 0, on_retry_drop, pool);
	if (!slot->retry)
		abort();
	delay(slot->retry, ms);
}

static void
on_dropped(void *arg, struct slot *slot, const struct berth_error *e)
{
	struct pool *pool = arg;

	slot->started = false;
	pool->dropping--;
	if (!e) {
		pool->stats.drops++;
		log_info("slot.drop", LOG_T("slot", slot->name), LOG_N("fence", slot->fence));
		gone(pool, slot);
	} else if (e->code == BERTH_STALE) {
		pool->stats.stale++;
		log_warn("slot.stale", LOG_T("slot", slot->name), LOG_N("fence", slot->fence), LOG_T("why", e->message));
		gone(pool, slot);
	} else {
		drop_later(pool, slot, e);
	}
	pump(pool);
}

static void
start_drops(struct pool *pool)
{
	struct slot *slot, *next;

	for (slot = TAILQ_FIRST(&pool->lists[SLOT_DROPPING]); slot; slot = next) {
		next = TAILQ_NEXT(slot, link);
		if (pool->dropping >= pool->site.config->drops)
			return;
		if (slot->started || (slot->retry && event_pending(slot->retry, EV_TIMEOUT, NULL)))
			continue;
		slot->started = true;
		pool->dropping++;
		slot_drop_start(&pool->site, pool->base, slot, on_dropped, pool);
	}
}

/* ---- building ---- */

static void
build_failed(struct pool *pool, struct slot *slot, const struct berth_error *e)
{
	struct lease *lease = slot->lease;

	pool->stats.build_failures++;
	log_warn("slot.build_failed", LOG_T("slot", slot->name), LOG_T("why", e->message));
	if (lease) {
		pool->events->failed(pool->arg, slot, e);
		assert(!slot->lease);
	} else {
		pool->why[slot->kind] = *e;
		delay(pool->retry[slot->kind], random_backoff_ms(pool->failures[slot->kind]++, RETRY_BASE_MS,
		                                                 RETRY_MAX_MS));
	}
	move(pool, slot, SLOT_DROPPING);
	if (!lease)
		pool->events->refused(pool->arg, slot->kind);
}

static void
on_built(void *arg, struct slot *slot, const struct berth_error *e)
{
	struct pool *pool = arg;

	pool->stats.builds++;
	if (e) {
		build_failed(pool, slot, e);
	} else if (pool->closing || slot->unwanted) {
		move(pool, slot, SLOT_DROPPING); /* nobody wants it any more */
	} else {
		pool->failures[slot->kind] = 0;
		move(pool, slot, SLOT_FREE);
		log_debug("slot.build", LOG_T("slot", slot->name), LOG_N("fence", slot->fence));
		pool->events->free(pool->arg, slot);
	}
	pump(pool);
}

static struct slot *
build(struct pool *pool, const char *name, enum slot_kind kind, struct lease *lease)
{
	struct slot *slot = slot_new(name, kind);

	slot->lease = lease;
	add(pool, slot);
	slot_build_start(&pool->site, slot, on_built, pool);
	return slot;
}

static int
building(const struct pool *pool, bool anybodys, int kind)
{
	const struct slot *slot;
	int n = 0;

	TAILQ_FOREACH(slot, &pool->lists[SLOT_BUILDING], link)
		n += !anybodys || (!slot->lease && (int)slot->kind == kind);
	return n;
}

static int
free_ones(const struct pool *pool, enum slot_kind kind)
{
	const struct slot *slot;
	int n = 0;

	TAILQ_FOREACH(slot, &pool->lists[SLOT_FREE], link)
		n += !slot->lease && slot->kind == kind;
	return n;
}

static struct pool_view
view_of(const struct pool *pool, enum slot_kind kind)
{
	const struct config *config = pool->site.config;

	return (struct pool_view){
		.target = kind == SLOT_SCHEMA ? config->pool_schemas : config->pool_databases,
		.free = free_ones(pool, kind), .building = building(pool, true, kind),
		.demand = pool->demand[kind], .busy = building(pool, false, 0), .at_once = config->builds,
	};
}

static void
start_builds(struct pool *pool, enum slot_kind kind)
{
	const struct config *config = pool->site.config;
	struct pool_view view = view_of(pool, kind);
	char name[LIMIT_NAME_BYTES + 1];

	for (int n = pool_shortage(&view); n > 0; n--) {
		snprintf(name, sizeof name, "%s%s_%u", config->prefix, pool->site.runner, ++pool->serial);
		build(pool, name, kind, NULL);
	}
}

/* A burst may come again in a moment: what is too much goes only if it still is a little later. */
static void
trim(struct pool *pool, enum slot_kind kind)
{
	struct pool_view view = view_of(pool, kind);
	struct slot *slot;

	for (int n = pool_surplus(&view); n > 0 && (slot = pool_find_free(pool, kind)); n--)
		move(pool, slot, SLOT_DROPPING);
}

static void
on_trim(evutil_socket_t fd, short what, void *arg)
{
	struct pool *pool = arg;

	for (int kind = 0; kind < SLOT_KINDS; kind++)
		trim(pool, kind);
	pump(pool);
}

static void
mind_surplus(struct pool *pool, enum slot_kind kind)
{
	struct pool_view view = view_of(pool, kind);

	if (pool_surplus(&view) > 0 && !event_pending(pool->trim, EV_TIMEOUT, NULL))
		delay(pool->trim, TRIM_MS);
}

static void
pump(struct pool *pool)
{
	if (!pool->open || !pg_up(pool->site.pg, NULL))
		return;
	for (int kind = 0; kind < SLOT_KINDS && !pool->closing; kind++)
		if (!event_pending(pool->retry[kind], EV_TIMEOUT, NULL))
			start_builds(pool, kind);
	for (int kind = 0; kind < SLOT_KINDS; kind++)
		mind_surplus(pool, kind);
	start_drops(pool);
}

static void
on_retry_build(evutil_socket_t fd, short what, void *arg)
{
	pump(arg);
}

/* ---- what others ask for ---- */

void
pool_init(struct pool *pool, struct event_base *base, const struct slot_site *site,
          const struct pool_events *events, void *arg)
{
	*pool = (struct pool){ .site = *site, .base = base, .events = events, .arg = arg };
	pool->trim = event_new(base, -1, 0, on_trim, pool);
	if (!pool->trim)
		abort();
	for (int i = 0; i < SLOT_STATE_COUNT; i++)
		TAILQ_INIT(&pool->lists[i]);
	for (int kind = 0; kind < SLOT_KINDS; kind++) {
		pool->retry[kind] = event_new(base, -1, 0, on_retry_build, pool);
		if (!pool->retry[kind])
			abort();
	}
}

void
pool_fini(struct pool *pool)
{
	struct slot *slot;

	for (int state = 0; state < SLOT_STATE_COUNT; state++) {
		while ((slot = TAILQ_FIRST(&pool->lists[state]))) {
			slot_drop_abandon(slot);
			forget(pool, slot);
		}
	}
	event_free(pool->trim);
	for (int kind = 0; kind < SLOT_KINDS; kind++)
		event_free(pool->retry[kind]);
}

void
pool_up(struct pool *pool)
{
	pool->open = true;
	for (int kind = 0; kind < SLOT_KINDS; kind++) {
		pool->failures[kind] = 0;
		event_del(pool->retry[kind]);
	}
	pump(pool);
}

void
pool_down(struct pool *pool)
{
	pool->open = false;
}

void
pool_demand(struct pool *pool, enum slot_kind kind, int waiting)
{
	bool more = waiting > pool->demand[kind];

	pool->demand[kind] = waiting;
	if (more)
		pump(pool);
	else
		mind_surplus(pool, kind);
}

struct slot *
pool_find_free(struct pool *pool, enum slot_kind kind)
{
	struct slot *slot;

	TAILQ_FOREACH(slot, &pool->lists[SLOT_FREE], link)
		if (slot->kind == kind && !slot->lease)
			return slot;
	return NULL;
}

void
pool_hold(struct pool *pool, struct slot *slot, struct lease *lease)
{
	assert(!slot->lease || slot->lease == lease);
	slot->lease = lease;
	move(pool, slot, SLOT_HELD);
	pump(pool);
}

struct slot *
pool_find(struct pool *pool, const char *name)
{
	struct slot *slot;

	for (int state = 0; state < SLOT_STATE_COUNT; state++)
		TAILQ_FOREACH(slot, &pool->lists[state], link)
			if (strcmp(slot->name, name) == 0)
				return slot;
	return NULL;
}

struct slot *
pool_build_named(struct pool *pool, const char *name, enum slot_kind kind, struct lease *lease)
{
	assert(!pool_find(pool, name));
	return build(pool, name, kind, lease);
}

void
pool_release(struct pool *pool, struct slot *slot)
{
	slot->lease = NULL;
	if (slot->state == SLOT_BUILDING)
		slot->unwanted = true; /* on_built() drops it */
	else
		move(pool, slot, SLOT_DROPPING);
	pump(pool);
}

void
pool_adopt(struct pool *pool, const char *name, enum slot_kind kind, int64_t fence)
{
	struct slot *slot;

	if (pool_find(pool, name))
		return;
	slot = slot_new(name, kind);
	slot->fence = fence;
	add(pool, slot);
	move(pool, slot, SLOT_DROPPING);
	pump(pool);
}

void
pool_close(struct pool *pool)
{
	struct slot *slot, *next;

	pool->closing = true;
	for (slot = TAILQ_FIRST(&pool->lists[SLOT_FREE]); slot; slot = next) {
		next = TAILQ_NEXT(slot, link);
		if (!slot->lease)
			move(pool, slot, SLOT_DROPPING);
	}
	pump(pool);
}

int
pool_size(const struct pool *pool)
{
	int n = 0;

	for (int kind = 0; kind < SLOT_KINDS; kind++)
		for (int state = 0; state < SLOT_STATE_COUNT; state++)
			n += pool->count[kind][state];
	return n;
}
