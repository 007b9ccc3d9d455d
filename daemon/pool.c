/* SPDX-License-Identifier: MIT */
/* Slots on their way through BUILDING, FREE, HELD, CLEANING and DROPPING. */
#include "daemon/pool.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/baseline.h"
#include "daemon/config.h"
#include "daemon/entry.h"
#include "daemon/journal.h"
#include "daemon/pg/pg.h"
#include "daemon/reset.h"
#include "daemon/slot_clean.h"
#include "daemon/slot_drop.h"
#include "daemon/slot_guest.h"
#include "daemon/slot_role.h"
#include "daemon/slot_shrink.h"

enum {
	RETRY_BASE_MS = 50, RETRY_MAX_MS = 5000,
	TRIM_MS = 1000, DECAY_MS = 30000,
	LOCKS_A_TABLE = 24,          /* measured: a table with its key, its index, its sequence and TOAST */
	LOCKS_A_BATCH = SHRINK_TABLES * LOCKS_A_TABLE,
};

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

int
pool_locks(int tables)
{
	return tables * LOCKS_A_TABLE;
}

bool
pool_admits(int64_t budget, int64_t taken, int64_t locks)
{
	return taken == 0 || locks == 0 || taken + locks <= budget; /* one alone may be larger than the budget: it cannot wait for ever */
}

int
pool_count(const struct pool *pool, enum slot_kind kind, enum slot_state state)
{
	const struct shelf *shelf;
	int n = 0;

	TAILQ_FOREACH(shelf, &pool->shelves, link)
		n += shelf->kind == kind ? shelf->count[state] : 0;
	return n;
}

/* ---- moves ---- */

static void
move(struct pool *pool, struct slot *slot, enum slot_state next)
{
	if (slot->state == SLOT_FREE)
		entry_drop_slot(pool->journal, slot);
	if (next == SLOT_FREE && !slot->lease)
		entry_put_slot(pool->journal, slot);
	slot->shelf->count[slot->state]--;
	slot_move(slot, next, pool->lists);
	slot->shelf->count[next]++;
}

static void
add(struct pool *pool, struct slot *slot)
{
	TAILQ_INSERT_TAIL(&pool->lists[slot->state], slot, link);
	slot->shelf->count[slot->state]++;
}

static void
forget(struct pool *pool, struct slot *slot)
{
	TAILQ_REMOVE(&pool->lists[slot->state], slot, link);
	slot->shelf->count[slot->state]--;
	slot_free(slot);
}

static void
delay(struct event *timer, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	event_add(timer, &tv);
}

/* ---- the server's lock table ---- */

static int64_t
locks_of(const struct slot *slot)
{
	const struct image *image = slot->baseline ? slot->baseline->image : slot->shelf->image;
	int locks = pool_locks(image ? image->table_count : 0);

	if (slot->state == SLOT_DROPPING)
		return locks < LOCKS_A_BATCH && image ? locks : LOCKS_A_BATCH; /* who knows what its holder has made */
	return locks;
}

/* Half of the lock table belongs to the holders, the other to all runners together. */
int64_t
pool_lock_budget(const struct pool *pool)
{
	const struct pg_facts *facts = pg_facts(pool->site.pg);
	int runners = pool->runners > 0 ? pool->runners : 1;

	return facts ? facts->locks / 2 / runners : 0;
}

int64_t
pool_locks_taken(const struct pool *pool)
{
	const struct slot *slot;
	int64_t taken = 0;

	TAILQ_FOREACH(slot, &pool->lists[SLOT_BUILDING], link)
		taken += locks_of(slot);
	TAILQ_FOREACH(slot, &pool->lists[SLOT_DROPPING], link)
		taken += slot->started ? locks_of(slot) : 0;
	return taken;
}

static bool
admits(const struct pool *pool, int64_t locks)
{
	return pool_admits(pool_lock_budget(pool), pool_locks_taken(pool), locks);
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
		if (!admits(pool, locks_of(slot)))
			return;
		slot->started = true;
		pool->dropping++;
		slot_drop_start(&pool->site, pool->base, slot, on_dropped, pool);
	}
}

/* ---- building ---- */

/* A lease that it was built for hears of it; with the pool's or the shelf's end it does not matter why. */
static void
give_up(struct pool *pool, struct slot *slot)
{
	struct berth_error e;

	if (slot->lease) {
		berth_error_set(&e, BERTH_UNAVAILABLE, "%s is not needed any more", slot->name);
		pool->events->failed(pool->arg, slot, &e);
	}
	assert(!slot->lease);
	move(pool, slot, SLOT_DROPPING);
}

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
		slot->shelf->why = *e;
		delay(slot->shelf->retry, random_backoff_ms(slot->shelf->failures++, RETRY_BASE_MS, RETRY_MAX_MS));
	}
	move(pool, slot, SLOT_DROPPING);
	if (!lease)
		pool->events->refused(pool->arg, slot->shelf);
}

static void
on_built(void *arg, struct slot *slot, const struct berth_error *e)
{
	struct pool *pool = arg;

	pool->stats.builds++;
	if (e) {
		build_failed(pool, slot, e);
	} else if (pool->closing || slot->unwanted || slot->shelf->closed) {
		give_up(pool, slot); /* nobody wants it any more */
	} else {
		slot->shelf->failures = 0;
		move(pool, slot, SLOT_FREE);
		log_debug("slot.build", LOG_T("slot", slot->name), LOG_N("fence", slot->fence));
		pool->events->free(pool->arg, slot);
	}
	pump(pool);
}

static struct slot *
build(struct pool *pool, const char *name, struct shelf *shelf, struct lease *lease)
{
	struct slot *slot = slot_new(name, shelf->kind);

	slot_role_choose(&pool->site, slot);
	slot->shelf = shelf;
	slot->lease = lease;
	add(pool, slot);
	slot_build_start(&pool->site, slot, on_built, pool);
	return slot;
}

static int
building(const struct pool *pool, const struct shelf *shelf)
{
	const struct slot *slot;
	int n = 0;

	TAILQ_FOREACH(slot, &pool->lists[SLOT_BUILDING], link)
		n += !shelf || (!slot->lease && slot->shelf == shelf);
	return n;
}

static int
free_ones(const struct pool *pool, const struct shelf *shelf)
{
	const struct slot *slot;
	int n = 0;

	TAILQ_FOREACH(slot, &pool->lists[SLOT_FREE], link)
		n += !slot->lease && slot->talks == 0 && slot->shelf == shelf;
	return n;
}

/* As many shall be there as were wanted at once; those that are held count. */
static int
target_of(const struct shelf *shelf)
{
	int rest = shelf->high - shelf->count[SLOT_HELD] - shelf->demand;

	return rest > shelf->keep ? rest : shelf->keep;
}

static struct pool_view
view_of(const struct pool *pool, const struct shelf *shelf)
{
	return (struct pool_view){
		.target = shelf->closed ? 0 : target_of(shelf), .free = free_ones(pool, shelf),
		.building = building(pool, shelf) + shelf->count[SLOT_CLEANING], .demand = shelf->demand,
		.busy = building(pool, NULL), .at_once = pool->site.config->builds,
	};
}

static void
name_next(struct pool *pool, char name[LIMIT_NAME_BYTES + 1])
{
	snprintf(name, LIMIT_NAME_BYTES + 1, "%s%s_%u", pool->site.config->prefix, pool->site.runner,
	         journal_number(pool->journal));
}

static void
start_builds(struct pool *pool, struct shelf *shelf)
{
	struct pool_view view = view_of(pool, shelf);
	int64_t locks = pool_locks(shelf->image ? shelf->image->table_count : 0);
	char name[LIMIT_NAME_BYTES + 1];

	for (int n = pool_shortage(&view); n > 0 && admits(pool, locks); n--) {
		name_next(pool, name);
		build(pool, name, shelf, NULL);
	}
}

/* A burst may come again in a moment: what is too much goes only if it still is a little later. */
static void
trim(struct pool *pool, struct shelf *shelf)
{
	struct pool_view view = view_of(pool, shelf);
	struct slot *slot;

	for (int n = pool_surplus(&view); n > 0 && (slot = pool_find_free(pool, shelf)); n--)
		move(pool, slot, SLOT_DROPPING);
}

static void
on_trim(evutil_socket_t fd, short what, void *arg)
{
	struct pool *pool = arg;
	struct shelf *shelf;

	TAILQ_FOREACH(shelf, &pool->shelves, link)
		trim(pool, shelf);
	pump(pool);
}

static void
mind_surplus(struct pool *pool, struct shelf *shelf)
{
	struct pool_view view = view_of(pool, shelf);

	if (pool_surplus(&view) > 0 && !event_pending(pool->trim, EV_TIMEOUT, NULL))
		delay(pool->trim, TRIM_MS);
}

static void
remember_high(struct shelf *shelf)
{
	int wanted = shelf->count[SLOT_HELD] + shelf->demand;

	if (shelf->key && wanted > shelf->high) /* of empty slots the settings say how many */
		shelf->high = wanted;
}

static void
on_decay(evutil_socket_t fd, short what, void *arg)
{
	struct pool *pool = arg;
	struct shelf *shelf;

	TAILQ_FOREACH(shelf, &pool->shelves, link) {
		shelf->high -= (shelf->high + 3) / 4;
		remember_high(shelf);
		mind_surplus(pool, shelf);
	}
	delay(pool->decay, DECAY_MS);
}

static void
pump(struct pool *pool)
{
	struct shelf *shelf;

	if (!pool->open || !pg_up(pool->site.pg, NULL))
		return;
	TAILQ_FOREACH(shelf, &pool->shelves, link)
		if (!pool->closing && !shelf->closed && (!shelf->key || shelf->trusted) && !event_pending(shelf->retry, EV_TIMEOUT, NULL))
			start_builds(pool, shelf);
	TAILQ_FOREACH(shelf, &pool->shelves, link)
		mind_surplus(pool, shelf);
	start_drops(pool);
}

static void
on_retry_build(evutil_socket_t fd, short what, void *arg)
{
	pump(arg);
}

/* ---- cleaning ---- */

/*
 * Before PostgreSQL 15 a role may make others its members, who would keep what they have been given. Nobody can be
 * locked out of a shared role: whoever has an old lease's DSN would be in the next holder's schema.
 */
static bool
can_clean(const struct pool *pool, const struct slot *slot)
{
	const struct pg_facts *facts = pg_facts(pool->site.pg);

	return slot->state == SLOT_HELD && slot->baseline && slot->kind == SLOT_SCHEMA && slot->shelf->image
	       && slot->baseline->image == slot->shelf->image && !slot_is_shared(slot) && !slot->named && !slot->doubt
	       && !slot->shelf->closed && !pool->closing && pool->open && facts && facts->version >= 150000;
}

static void
on_cleaned(void *arg, struct slot *slot, const struct berth_error *e)
{
	struct pool *pool = arg;

	pool->stats.cleans++;
	if (e) {
		pool->stats.clean_failures++;
		log_warn("slot.clean_failed", LOG_T("slot", slot->name), LOG_T("why", e->message));
	}
	if (e || pool->closing || slot->shelf->closed) {
		move(pool, slot, SLOT_DROPPING);
	} else {
		move(pool, slot, SLOT_FREE);
		log_debug("slot.clean", LOG_T("slot", slot->name), LOG_N("fence", slot->fence));
		pool->events->free(pool->arg, slot);
	}
	pump(pool);
}

/* ---- what others ask for ---- */

void
pool_add_shelf(struct pool *pool, struct shelf *shelf)
{
	shelf->retry = event_new(pool->base, -1, 0, on_retry_build, pool);
	if (!shelf->retry)
		abort();
	TAILQ_INSERT_TAIL(&pool->shelves, shelf, link);
}

void
pool_close_shelf(struct pool *pool, struct shelf *shelf)
{
	struct slot *slot;

	shelf->closed = true;
	while ((slot = pool_find_free(pool, shelf)))
		move(pool, slot, SLOT_DROPPING);
	pump(pool);
}

void
pool_remove_shelf(struct pool *pool, struct shelf *shelf)
{
	assert(shelf_slots(shelf) == 0);
	TAILQ_REMOVE(&pool->shelves, shelf, link);
	event_free(shelf->retry);
	shelf->retry = NULL;
}

int
shelf_slots(const struct shelf *shelf)
{
	int n = 0;

	for (int state = 0; state < SLOT_STATE_COUNT; state++)
		n += shelf->count[state];
	return n;
}

void
pool_init(struct pool *pool, struct event_base *base, const struct slot_site *site, struct journal *journal,
          const struct pool_events *events, void *arg)
{
	*pool = (struct pool){ .site = *site, .base = base, .journal = journal, .events = events, .arg = arg };
	pool->trim = event_new(base, -1, 0, on_trim, pool);
	pool->decay = event_new(base, -1, 0, on_decay, pool);
	if (!pool->trim || !pool->decay)
		abort();
	delay(pool->decay, DECAY_MS);
	for (int i = 0; i < SLOT_STATE_COUNT; i++)
		TAILQ_INIT(&pool->lists[i]);
	TAILQ_INIT(&pool->shelves);
	for (int kind = 0; kind < SLOT_KINDS; kind++) {
		pool->plain[kind].kind = (enum slot_kind)kind;
		pool_add_shelf(pool, &pool->plain[kind]);
	}
	pool_keep(pool, site->config->pool_schemas, site->config->pool_databases);
}

void
pool_fini(struct pool *pool)
{
	struct slot *slot;

	for (int state = 0; state < SLOT_STATE_COUNT; state++) {
		while ((slot = TAILQ_FIRST(&pool->lists[state]))) {
			slot_drop_abandon(slot);
			slot_clean_abandon(slot);
			reset_abandon(slot);
			forget(pool, slot);
		}
	}
	event_free(pool->trim);
	event_free(pool->decay);
	for (int kind = 0; kind < SLOT_KINDS; kind++)
		pool_remove_shelf(pool, &pool->plain[kind]);
}

void
pool_up(struct pool *pool)
{
	struct shelf *shelf;

	pool->open = true;
	TAILQ_FOREACH(shelf, &pool->shelves, link) {
		shelf->failures = 0;
		event_del(shelf->retry);
	}
	pump(pool);
}

void
pool_keep(struct pool *pool, int schemas, int databases)
{
	pool->plain[SLOT_SCHEMA].keep = schemas;
	pool->plain[SLOT_DATABASE].keep = databases;
	pump(pool);
}

void
pool_down(struct pool *pool)
{
	pool->open = false;
}

void
pool_demand(struct pool *pool, struct shelf *shelf, int waiting)
{
	bool more = waiting > shelf->demand;

	shelf->demand = waiting;
	remember_high(shelf);
	if (more)
		pump(pool);
	else
		mind_surplus(pool, shelf);
}

struct slot *
pool_find_free(struct pool *pool, const struct shelf *shelf)
{
	struct slot *slot;

	TAILQ_FOREACH(slot, &pool->lists[SLOT_FREE], link)
		if (slot->shelf == shelf && !slot->lease && slot->talks == 0)
			return slot;
	return NULL;
}

void
pool_hold(struct pool *pool, struct slot *slot, struct lease *lease)
{
	assert(!slot->lease || slot->lease == lease);
	slot->lease = lease;
	move(pool, slot, SLOT_HELD);
	remember_high(slot->shelf);
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
pool_build_for(struct pool *pool, const char *name, struct shelf *shelf, struct lease *lease)
{
	char generated[LIMIT_NAME_BYTES + 1];
	struct slot *slot;

	if (!name)
		name_next(pool, generated);
	assert(!name || !pool_find(pool, name));
	slot = build(pool, name ? name : generated, shelf, lease);
	slot->named = name != NULL;
	return slot;
}

static void
let_go(struct pool *pool, struct slot *slot)
{
	bool again = slot->again && can_clean(pool, slot);

	if (slot->guest)
		slot_close_guest(slot);
	move(pool, slot, again ? SLOT_CLEANING : SLOT_DROPPING);
	if (again)
		slot_clean_start(&pool->site, pool->base, slot, on_cleaned, pool);
}

void
pool_release(struct pool *pool, struct slot *slot, bool again)
{
	slot->lease = NULL;
	slot->again = again;
	if (slot->state == SLOT_BUILDING || slot->talks > 0)
		slot->unwanted = true; /* on_built() drops it, or pool_talk_end() lets it go */
	else
		let_go(pool, slot);
	pump(pool);
}

void
pool_talk_begin(struct slot *slot)
{
	assert(slot->state == SLOT_HELD || slot->state == SLOT_FREE);
	slot->talks++;
}

void
pool_talk_end(struct pool *pool, struct slot *slot)
{
	assert(slot->talks > 0);
	if (--slot->talks > 0 || !slot->unwanted)
		return;
	let_go(pool, slot);
	pump(pool);
}

void
pool_adopt(struct pool *pool, const char *name, const char *role, enum slot_kind kind, int64_t fence)
{
	struct slot *slot;

	if (pool_find(pool, name))
		return;
	slot = slot_new(name, kind);
	if (strcmp(role, name) != 0)
		slot_share(slot, role, "");
	slot->shelf = &pool->plain[kind];
	slot->fence = fence;
	add(pool, slot);
	move(pool, slot, SLOT_DROPPING);
	pump(pool);
}

/* ---- an earlier life ---- */

void
pool_restore(struct pool *pool, struct slot *slot, struct shelf *shelf, struct lease *lease)
{
	assert(slot->state == SLOT_BUILDING && !pool->open);
	slot->shelf = shelf;
	slot->adopted = true;
	slot->lease = lease;
	add(pool, slot);
	if (!lease)
		return;
	move(pool, slot, SLOT_FREE);
	pool_hold(pool, slot, lease);
}

void
pool_resume(struct pool *pool, struct slot *slot)
{
	slot->adopted = false;
	if (slot->state != SLOT_BUILDING)
		return;
	if (slot->shelf->image) {
		slot_build_resume(&pool->site, slot, on_built, pool);
		return;
	}
	move(pool, slot, SLOT_FREE);
	pool->events->free(pool->arg, slot);
}

void
pool_disown(struct pool *pool, struct slot *slot, bool gone)
{
	slot->adopted = false;
	if (slot->state != SLOT_BUILDING)
		return; /* its lease ends, or RESET says what is missing */
	if (gone)
		forget(pool, slot);
	else
		move(pool, slot, SLOT_DROPPING);
	pump(pool);
}

static void
disown_all(struct pool *pool)
{
	struct slot *slot, *next;

	for (slot = TAILQ_FIRST(&pool->lists[SLOT_BUILDING]); slot; slot = next) {
		next = TAILQ_NEXT(slot, link);
		if (slot->adopted)
			pool_disown(pool, slot, false);
	}
}

void
pool_close(struct pool *pool)
{
	struct slot *slot, *next;

	pool->closing = true;
	disown_all(pool);
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
	const struct shelf *shelf;
	int n = 0;

	TAILQ_FOREACH(shelf, &pool->shelves, link)
		n += shelf_slots(shelf);
	return n;
}
