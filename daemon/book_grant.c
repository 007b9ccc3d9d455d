/* SPDX-License-Identifier: MIT */
/* From waiting to held: what is made for one lease alone, who is next, how much is wanted. */
#include "daemon/book.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/book_inside.h"
#include "daemon/config.h"
#include "daemon/entry.h"
#include "daemon/enums.h"
#include "daemon/pg/pg.h"
#include "daemon/pool.h"
#include "daemon/redis_pool.h"
#include "daemon/registry.h"
#include "daemon/template.h"

/* A Redis slot on its way to the one lease that it is made for. Outlives the lease if that ends first. */
struct errand {
	struct book *book;
	struct lease *lease; /* NULL: nobody waits for it any more */
};

/* ---- what is made for one lease alone ---- */

static void
on_errand(void *arg, struct redis_slot *slot, const struct berth_error *e)
{
	struct errand *errand = arg;
	struct lease *lease = errand->lease;
	struct book *book = errand->book;

	free(errand);
	if (!lease) {
		if (slot)
			redis_slot_end(book->redis, slot);
		return;
	}
	lease->errand = NULL;
	if (slot) {
		slot->owner = lease;
		lease->redis = slot;
		book_serve(book);
	} else if (e->code == BERTH_UNAVAILABLE || e->code == BERTH_LIMIT) {
		lease->failure = *e; /* tried again when something changes */
	} else {
		book_fail(lease, e);
	}
}

void
book_abandon_errand(struct lease *lease)
{
	if (lease->errand)
		lease->errand->lease = NULL;
	lease->errand = NULL;
}

/* Whether the lease's Redis slot cannot come out of the pool. */
static bool
redis_apart(const struct lease *lease)
{
	enum redis_mode mode = lease->want.redis;

	return mode == REDIS_PRIVATE || (mode != REDIS_NONE && lease->want.exactly
	                                 && mode != lease->book->redis_pool->mode);
}

static void
prepare_redis(struct lease *lease)
{
	struct book *book = lease->book;

	if (!redis_apart(lease) || lease->redis || lease->errand)
		return;
	if (lease->want.redis != REDIS_PRIVATE && !redis_up(book->redis, NULL))
		return;
	lease->errand = calloc(1, sizeof *lease->errand);
	if (!lease->errand)
		abort();
	*lease->errand = (struct errand){ .book = book, .lease = lease };
	if (lease->want.redis == REDIS_PRIVATE)
		redis_private_start(book->redis, on_errand, lease->errand);
	else
		redis_claim_start(book->redis, lease->want.redis, on_errand, lease->errand);
}

struct shelf *
book_shelf(const struct lease *lease)
{
	struct template *template = lease->want.template;

	if (template && template->state == TEMPLATE_SEALED)
		return &template->shelf;
	if (template && !template_wants_builder(template))
		return NULL;
	return &lease->book->pool->plain[lease->want.kind];
}

bool
book_is_named(const struct lease *lease)
{
	return *lease->want.name && (!lease->want.template || lease->want.template->state == TEMPLATE_SEALED);
}

static void
name_in_use(struct lease *lease, const struct slot *slot)
{
	const struct lease *other = slot->lease;
	struct berth_error e;

	if (other)
		berth_error_set(&e, BERTH_INUSE, "%s is leased to run %s worker %s, pid %d, uid %u (berth release %s)",
		                lease->want.name, other->run, other->worker, (int)other->pid, (unsigned)other->uid,
		                other->id);
	else
		berth_error_set(&e, BERTH_INUSE, "%s is one of berth's own generated names", lease->want.name);
	book_fail(lease, &e);
}

static void
prepare_slot(struct lease *lease)
{
	struct book *book = lease->book;
	struct shelf *shelf = book_shelf(lease);
	struct slot *slot;

	if (!book_is_named(lease) || !shelf || lease->slot)
		return;
	slot = pool_find(book->pool, lease->want.name);
	if (!slot)
		lease->slot = pool_build_for(book->pool, lease->want.name, shelf, lease);
	else if (slot->state != SLOT_DROPPING && !slot->unwanted)
		name_in_use(lease, slot);
	/* else: what bore the name before is being dropped, and we come back when it is gone */
}

static void
prepare(struct lease *lease)
{
	if (registry_ready(lease->book->registry, NULL))
		prepare_slot(lease);
	if (lease->state == LEASE_WAITING)
		prepare_redis(lease);
}

/* ---- the grant ---- */

bool
book_usable(const struct book *book, enum redis_mode redis, struct berth_error *why)
{
	if (!registry_ready(book->registry, why) || !pg_up(book->pg, why) || !enums_ready(book->enums, why))
		return false;
	return redis == REDIS_NONE || redis == REDIS_PRIVATE || redis_up(book->redis, why);
}

static bool
can_grant(void *arg, struct lease *lease)
{
	const struct book *book = arg;
	const struct shelf *shelf = book_shelf(lease);
	bool slot = book_is_named(lease) ? lease->slot && lease->slot->state == SLOT_FREE
	                            : shelf && pool_find_free(book->pool, shelf) != NULL;
	bool redis = lease->want.redis == REDIS_NONE || lease->redis
	             || (!redis_apart(lease) && book->redis_pool->free_count > 0);

	return slot && redis && book_usable(book, lease->want.redis, NULL);
}

static void
grant(struct lease *lease)
{
	struct book *book = lease->book;
	struct slot *slot = lease->slot ? lease->slot : pool_find_free(book->pool, book_shelf(lease));

	lease->slot = slot;
	if (lease->want.redis != REDIS_NONE && !lease->redis) {
		lease->redis = redis_pool_take(book->redis_pool);
		lease->redis->owner = lease;
	}
	if (lease->want.template && template_wants_builder(lease->want.template))
		template_give(lease->want.template, lease);
	book_leave_waiting(lease, LEASE_HELD);
	lease->failure.code = BERTH_OK;
	lease->granted = lease->renewed = clock_now();
	book->held++;
	if (book->held > book->stats.most_held)
		book->stats.most_held = book->held;
	book->stats.grants++;
	metrics_observe(METRIC_LEASE_WAIT, lease->granted - lease->created);
	if (lease->granted - lease->created > book->stats.longest_wait_us)
		book->stats.longest_wait_us = lease->granted - lease->created;
	pool_hold(book->pool, slot, lease);
	entry_put_lease(book->journal, lease);
	book_set_timer(lease);
	registry_note_grant(book->registry, lease);
	log_info("lease.open", LOG_T("lease", lease->id), LOG_T("run", lease->run), LOG_T("worker", lease->worker),
	         LOG_T("slot", slot->name), LOG_N("fence", slot->fence), LOG_N("uid", lease->uid),
	         LOG_N("pid", lease->pid), LOG_N("redis_db", lease->redis ? lease->redis->db : -1),
	         LOG_N("waited_us", lease->granted - lease->created));
	book_wake(lease);
}

/* A shelf whose template is not sealed (yet, or any more) is not built upon; what was counted there marked it. */
static void
demand_all(struct book *book)
{
	struct shelf *shelf;

	TAILQ_FOREACH(shelf, &book->pool->shelves, link)
		pool_demand(book->pool, shelf, shelf->key && !shelf->trusted ? 0 : shelf->wanted);
}

/* One lease at most builds a template; the others wait for what it makes. */
static void
count_slot(struct lease *lease)
{
	struct template *template = lease->want.template;
	struct shelf *shelf = book_is_named(lease) ? NULL : book_shelf(lease);

	if (!shelf || (template && shelf != &template->shelf && template->shelf.wanted++ > 0))
		return;
	shelf->wanted++;
}

void
book_measure_demand(struct book *book)
{
	struct lease *lease, *next;
	struct shelf *shelf;
	int redis = 0;

	TAILQ_FOREACH(shelf, &book->pool->shelves, link)
		shelf->wanted = 0;
	if (book->queue.length > 0) {
		HASH_ITER(by_id, book->by_id, lease, next) {
			if (lease->state != LEASE_WAITING)
				continue;
			if (lease->want.template && lease->want.template->state != TEMPLATE_SEALED)
				lease->want.template->shelf.wanted = 0;
		}
		HASH_ITER(by_id, book->by_id, lease, next) {
			if (lease->state != LEASE_WAITING)
				continue;
			count_slot(lease);
			redis += lease->want.redis != REDIS_NONE && !redis_apart(lease);
		}
	}
	demand_all(book);
	redis_pool_demand(book->redis_pool, redis);
}

void
book_serve(struct book *book)
{
	struct lease *lease, *next;

	if (book->queue.length == 0)
		return;
	HASH_ITER(by_id, book->by_id, lease, next)
		if (lease->state == LEASE_WAITING && (book_is_named(lease) || redis_apart(lease)))
			prepare(lease);
	while ((lease = queue_next(&book->queue, can_grant, book)))
		grant(lease);
	book_measure_demand(book);
}
