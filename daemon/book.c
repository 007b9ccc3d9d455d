/* SPDX-License-Identifier: MIT */
/* Leases from their asking to their end. */
#include "daemon/book.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/book_inside.h"
#include "daemon/config.h"
#include "daemon/entry.h"
#include "daemon/enums.h"
#include "daemon/journal.h"
#include "daemon/pg/pg.h"
#include "daemon/pool.h"
#include "daemon/redis_pool.h"
#include "daemon/registry.h"
#include "daemon/restore.h"
#include "daemon/seal.h"
#include "daemon/session.h"
#include "daemon/template.h"

enum { REFUSALS_TOLD = 4 }; /* builds that fail in a row before it is no misfortune any more */

void
book_init(struct book *book)
{
	queue_init(&book->queue);
}

void
book_fini(struct book *book)
{
	assert(HASH_CNT(by_id, book->by_id) == 0);
	queue_fini(&book->queue);
}

/* ---- time ---- */

static int64_t
deadline(const struct lease *lease, enum lease_end *ret_why)
{
	const struct config *config = lease->book->config;
	struct lease_times times = { clock_ms(config->ttl_max_ms), clock_ms(config->grace_ms),
		                     clock_ms(config->template_build_ms), clock_ms(config->reattach_ms) };

	return lease_deadline(lease, &times, ret_why);
}

int64_t
book_ms_left(const struct lease *lease)
{
	enum lease_end why;
	int64_t left = deadline(lease, &why) - clock_now();

	return left > 0 ? (left + 999) / 1000 : 0;
}

void
book_set_timer(struct lease *lease)
{
	enum lease_end why;
	int64_t left = deadline(lease, &why) - clock_now();
	struct timeval delay;

	if (left < 0)
		left = 0;
	delay = (struct timeval){ .tv_sec = left / 1000000, .tv_usec = left % 1000000 };
	event_add(lease->timer, &delay);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct lease *lease = arg;
	enum lease_end why;

	if (deadline(lease, &why) <= clock_now())
		book_end(lease, why);
	else
		book_set_timer(lease);
}

/* ---- finding ---- */

static struct lease *
find_key(struct book *book, uid_t uid, const char *run, size_t run_len, const char *worker, size_t worker_len)
{
	char key[sizeof((struct lease *)0)->key];
	struct lease *lease;

	if (run_len > LIMIT_RUN_BYTES || worker_len > LIMIT_WORKER_BYTES)
		return NULL;
	snprintf(key, sizeof key, "%u/%.*s/%.*s", (unsigned)uid, (int)run_len, run, (int)worker_len, worker);
	HASH_FIND(by_key, book->by_key, key, strlen(key), lease);
	return lease;
}

/* Whose schema (or database) that is. */
static struct lease *
find_schema(struct book *book, const char *text, size_t len)
{
	char name[LIMIT_NAME_BYTES + 1];
	struct slot *slot;

	if (len >= sizeof name)
		return NULL;
	snprintf(name, sizeof name, "%.*s", (int)len, text);
	slot = pool_find(book->pool, name);
	return slot && slot->state == SLOT_HELD ? slot->lease : NULL;
}

struct lease *
book_find(struct book *book, const char *text, size_t len, uid_t uid, bool privileged, struct berth_error *e)
{
	const char *slash = memrchr(text, '/', len);
	struct lease *lease;

	if (slash)
		lease = find_key(book, uid, text, (size_t)(slash - text), slash + 1, (size_t)(text + len - slash - 1));
	else
		HASH_FIND(by_id, book->by_id, text, len, lease);
	if (!lease && !slash)
		lease = find_schema(book, text, len);
	if (!lease) {
		berth_error_set(e, BERTH_NOLEASE, "there is no lease %.*s: it was released, has ended, or never was "
		                "(berth ls shows those that are)", (int)(len > 200 ? 200 : len), text);
		return NULL;
	}
	if (lease->uid != uid && !privileged) {
		berth_error_set(e, BERTH_DENIED, "lease %s belongs to uid %u, you are uid %u", lease->id,
		                (unsigned)lease->uid, (unsigned)uid);
		return NULL;
	}
	return lease;
}

/* ---- bindings ---- */

void
book_bind(struct lease *lease, struct session *session)
{
	struct binding *binding;

	LIST_FOREACH(binding, &lease->bindings, of_lease)
		if (binding->session == session)
			return;
	binding = calloc(1, sizeof *binding);
	if (!binding)
		abort();
	*binding = (struct binding){ .lease = lease, .session = session };
	LIST_INSERT_HEAD(&lease->bindings, binding, of_lease);
	LIST_INSERT_HEAD(&session->bindings, binding, of_session);
	lease->connections++;
	lease->adopted = false;
	book_set_timer(lease);
}

static void
unbind(struct binding *binding)
{
	struct lease *lease = binding->lease;

	LIST_REMOVE(binding, of_lease);
	LIST_REMOVE(binding, of_session);
	free(binding);
	lease->connections--;
	lease->left = lease->renewed = clock_now();
}

void
book_unbind_all(struct book *book, struct binding_list *bindings)
{
	struct binding *binding;
	enum lease_end why;

	while ((binding = LIST_FIRST(bindings))) {
		struct lease *lease = binding->lease;

		unbind(binding);
		if (deadline(lease, &why) <= clock_now())
			book_end(lease, why);
		else
			book_set_timer(lease);
	}
}

/* ---- the end ---- */

static void
end_redis(struct lease *lease)
{
	book_abandon_errand(lease);
	if (lease->redis)
		redis_slot_end(lease->book->redis, lease->redis);
	lease->redis = NULL;
}

/* `again`: its holder has given it back, so that it can be handed out again. */
static void
end_slot(struct lease *lease, bool again)
{
	struct slot *slot = lease->slot;

	lease->slot = NULL;
	if (slot)
		pool_release(lease->book->pool, slot, again);
}

/* WAITING → next: what it waits for does not wait with it. */
void
book_leave_waiting(struct lease *lease, enum lease_state next)
{
	assert(lease->state == LEASE_WAITING);
	lease->state = next;
	if (lease->want.template)
		template_wait(lease->want.template, -1);
}

/* A builder that ends without having sealed is replaced by the next. */
static void
end_template(struct lease *lease)
{
	struct template *template = lease->want.template;

	if (!template)
		return;
	if (lease_builds(lease))
		template_give_up(template, NULL);
	template_release(template);
}

static void
unlink_key(struct lease *lease)
{
	if (*lease->key)
		HASH_DELETE(by_key, lease->book->by_key, lease);
	lease->key[0] = '\0';
}

void
book_wake(struct lease *lease)
{
	struct session *session;

	while ((session = TAILQ_FIRST(&lease->waiters)))
		session_answer(session); /* takes itself out of the list */
}

void
book_end(struct lease *lease, enum lease_end why)
{
	struct book *book = lease->book;
	struct binding *binding;

	log_info("lease.end", LOG_T("lease", lease->id), LOG_T("run", lease->run), LOG_T("worker", lease->worker),
	         LOG_T("slot", lease->slot ? lease->slot->name : NULL), LOG_T("why", lease_end_words(why)));
	book->stats.ends[why]++;
	if (lease->place.run)
		queue_remove(&book->queue, &lease->place);
	if (lease->state == LEASE_HELD) {
		book->held--;
		metrics_observe(METRIC_LEASE_HELD, clock_now() - lease->granted);
		entry_drop_lease(book->journal, lease);
	}
	if (lease->state == LEASE_WAITING)
		book_leave_waiting(lease, LEASE_FAILED);
	if (lease->seal)
		seal_orphan(lease);
	if (lease->restore)
		restore_orphan(lease);
	if (lease->failure.code == BERTH_OK || lease->state != LEASE_FAILED) {
		berth_error_set(&lease->failure, why == LEASE_END_SHUTDOWN ? BERTH_UNAVAILABLE : BERTH_NOLEASE, "lease %s has ended: %s", lease->id,
		                lease_end_words(why));
		lease->state = LEASE_FAILED;
	}
	book_wake(lease);
	while ((binding = LIST_FIRST(&lease->bindings)))
		unbind(binding);
	end_redis(lease);
	end_slot(lease, why == LEASE_END_RELEASED);
	end_template(lease);
	unlink_key(lease);
	HASH_DELETE(by_id, book->by_id, lease);
	event_free(lease->timer);
	free(lease);
	book_measure_demand(book);
	if (book->closing && book->empty && HASH_CNT(by_id, book->by_id) == 0)
		book->empty(book->arg);
}

/* It cannot be granted; its holder shall hear why. */
void
book_fail(struct lease *lease, const struct berth_error *e)
{
	log_warn("lease.failed", LOG_T("lease", lease->id), LOG_T("run", lease->run), LOG_T("worker", lease->worker),
	         LOG_T("why", e->message));
	if (lease->place.run)
		queue_remove(&lease->book->queue, &lease->place);
	book_leave_waiting(lease, LEASE_FAILED);
	lease->failure = *e;
	end_redis(lease);
	end_slot(lease, false);
	book_wake(lease);
	book_measure_demand(lease->book);
}

/* ---- news for those who wait or hold ---- */

void
book_note_all(struct book *book)
{
	struct lease *lease, *next;

	HASH_ITER(by_id, book->by_id, lease, next)
		if (lease->state == LEASE_HELD && lease->slot)
			registry_note_grant(book->registry, lease);
}

void
book_slot_failed(struct book *book, struct slot *slot, const struct berth_error *e)
{
	struct lease *lease = slot->lease;

	slot->lease = NULL;
	lease->slot = NULL;
	if (e->code == BERTH_UNAVAILABLE)
		lease->failure = *e; /* built again once it is gone and the server is back */
	else
		book_fail(lease, e);
}

/* The server says no again and again: those who wait for that shelf hear it, rather than wait on. */
void
book_slot_refused(struct book *book, struct shelf *shelf)
{
	struct lease *lease, *next;

	if (shelf->failures < REFUSALS_TOLD || shelf->why.code == BERTH_UNAVAILABLE)
		return;
	HASH_ITER(by_id, book->by_id, lease, next)
		if (lease->state == LEASE_WAITING && !book_is_named(lease) && book_shelf(lease) == shelf)
			book_fail(lease, &shelf->why);
}

void
book_template_failed(struct book *book, struct template *template, const struct berth_error *e)
{
	struct lease *lease, *next;

	HASH_ITER(by_id, book->by_id, lease, next)
		if (lease->state == LEASE_WAITING && lease->want.template == template)
			book_fail(lease, e);
}

void
book_hand_over(struct book *book, struct lease *lease, struct slot *proof)
{
	struct slot *before = lease->slot;

	lease->slot = proof;
	pool_hold(book->pool, proof, lease);
	pool_release(book->pool, before, false);
	entry_put_lease(book->journal, lease);
	book_set_timer(lease);
	registry_note_grant(book->registry, lease);
	book_serve(book);
}

void
book_redis_lost(struct book *book, struct redis_slot *slot, const char *why)
{
	struct lease *lease = slot->owner;

	log_warn("lease.redis_lost", LOG_T("lease", lease->id), LOG_N("db", slot->db), LOG_T("why", why));
	book_end(lease, LEASE_END_REDIS);
}

/* ---- asking ---- */

static bool
check_match(const struct lease *lease, const struct book_request *request, struct berth_error *e)
{
	if (request->kind_said && lease->want.kind != request->want.kind) {
		berth_error_set(e, BERTH_BUSY, "run %s worker %s holds lease %s of KIND %s; release it before asking "
		                "for another kind", lease->run, lease->worker, lease->id,
		                slot_kind_word(lease->want.kind));
		return false;
	}
	if (request->name_said && strcmp(lease->want.name, request->want.name) != 0) {
		berth_error_set(e, BERTH_BUSY, "run %s worker %s holds lease %s under another name; release it before "
		                "asking for NAME %s", lease->run, lease->worker, lease->id, request->want.name);
		return false;
	}
	if (request->want.template && lease->want.template != request->want.template) {
		berth_error_set(e, BERTH_BUSY, "run %s worker %s holds lease %s of another template; release it before "
		                "asking for TEMPLATE %.80s", lease->run, lease->worker, lease->id, request->want.template->key);
		return false;
	}
	return true;
}

static int
leases_of(struct book *book, uid_t uid)
{
	struct lease *lease, *next;
	int n = 0;

	HASH_ITER(by_id, book->by_id, lease, next)
		n += lease->uid == uid;
	return n;
}

static bool
check_room(struct book *book, const struct book_request *request, struct berth_error *e)
{
	const struct config *config = book->config;

	if (book->closing)
		berth_error_set(e, BERTH_UNAVAILABLE, "berthd is shutting down and grants no new leases");
	else if ((int)HASH_CNT(by_id, book->by_id) >= config->max_leases)
		berth_error_set(e, BERTH_LIMIT, "all %d leases are taken (setting max_leases; berth ls shows whose)",
		                config->max_leases);
	else if ((int)HASH_CNT(by_id, book->by_id) >= config->max_leases_uid
	         && leases_of(book, request->uid) >= config->max_leases_uid)
		berth_error_set(e, BERTH_LIMIT, "uid %u has %d leases, all it may have (setting max_leases_uid)",
		                (unsigned)request->uid, config->max_leases_uid);
	else
		return true;
	return false;
}

struct lease *
book_blank(struct book *book)
{
	struct lease *lease = calloc(1, sizeof *lease);

	if (!lease)
		abort();
	lease->book = book;
	TAILQ_INIT(&lease->waiters);
	lease->timer = event_new(book->base, -1, 0, on_timer, lease);
	if (!lease->timer)
		abort();
	return lease;
}

void
book_discard(struct lease *lease)
{
	event_free(lease->timer);
	free(lease);
}

static void
link_lease(struct lease *lease)
{
	struct book *book = lease->book;

	HASH_ADD(by_id, book->by_id, id[0], (unsigned)strlen(lease->id), lease);
	if (*lease->key)
		HASH_ADD(by_key, book->by_key, key[0], (unsigned)strlen(lease->key), lease);
}

static struct lease *
lease_new(struct book *book, const struct book_request *request)
{
	struct lease *lease = book_blank(book);

	lease->uid = request->uid;
	lease->pid = request->pid;
	lease->want = request->want;
	lease->detached = request->want.detach;
	lease->created = lease->renewed = lease->left = clock_now();
	if (lease->want.template) {
		template_hold(lease->want.template);
		template_wait(lease->want.template, 1);
	}
	snprintf(lease->id, sizeof lease->id, "%s-%u", book->registry->runner, journal_number(book->journal));
	snprintf(lease->run, sizeof lease->run, "%s", request->run);
	snprintf(lease->worker, sizeof lease->worker, "%s", request->worker);
	snprintf(lease->label, sizeof lease->label, "%s", request->label);
	snprintf(lease->key, sizeof lease->key, "%u/%s/%s", (unsigned)lease->uid, lease->run, lease->worker);
	link_lease(lease);
	return lease;
}

static struct lease *
find_asked(struct book *book, const struct book_request *request)
{
	return find_key(book, request->uid, request->run, strlen(request->run), request->worker,
	                strlen(request->worker));
}

const struct lease *
book_peek(struct book *book, const struct book_request *request)
{
	return find_asked(book, request);
}

/* The one that is there already, if it still counts. */
static struct lease *
existing(struct book *book, const struct book_request *request)
{
	struct lease *lease = find_asked(book, request);

	if (lease && lease->state == LEASE_FAILED) {
		book_end(lease, LEASE_END_FAILED);
		return NULL;
	}
	return lease;
}

struct lease *
book_acquire(struct book *book, struct session *session, const struct book_request *request,
             struct berth_error *e)
{
	struct lease *lease = existing(book, request);

	book->stats.acquires++;
	if (lease ? !check_match(lease, request, e) : !check_room(book, request, e))
		return NULL;
	if (lease) {
		if (!request->want.detach)
			book_bind(lease, session);
		return lease;
	}
	lease = lease_new(book, request);
	queue_push(&book->queue, &lease->place, lease, lease->run);
	if (request->want.detach)
		book_set_timer(lease);
	else
		book_bind(lease, session);
	book_serve(book);
	return lease;
}

/* Its time is another, or who knows of it. */
void
book_changed(struct lease *lease)
{
	if (lease->state == LEASE_HELD)
		entry_put_lease(lease->book->journal, lease);
	book_set_timer(lease);
}

void
book_detach(struct lease *lease)
{
	lease->detached = true;
	lease->renewed = clock_now();
	while (!LIST_EMPTY(&lease->bindings))
		unbind(LIST_FIRST(&lease->bindings));
	book_changed(lease);
}

void
book_renew(struct lease *lease, int64_t ttl)
{
	if (ttl > 0)
		lease->want.ttl = ttl;
	lease->renewed = clock_now();
	book_changed(lease);
}

void
book_told(struct lease *lease)
{
	assert(lease->state == LEASE_FAILED);
	lease->told = true;
	event_active(lease->timer, EV_TIMEOUT, 0);
}

void
book_keep(struct lease *lease, int64_t ttl)
{
	unlink_key(lease);
	lease->want.ttl = ttl;
	book_detach(lease);
	log_info("lease.keep", LOG_T("lease", lease->id), LOG_N("ms", ttl / 1000));
}

/* ---- an earlier life ---- */

void
book_restore(struct lease *lease, struct slot *slot, struct redis_slot *redis)
{
	lease->slot = slot;
	lease->redis = redis;
	if (redis)
		redis->owner = lease;
	if (lease->want.template)
		template_hold(lease->want.template);
	lease->state = LEASE_HELD;
	lease->adopted = true;
	lease->book->held++;
	link_lease(lease);
}

void
book_resume(struct book *book)
{
	struct lease *lease, *next;

	book->adopting = false;
	HASH_ITER(by_id, book->by_id, lease, next) {
		if (lease->state != LEASE_HELD)
			continue;
		lease->left = clock_now();
		registry_note_grant(book->registry, lease);
		book_set_timer(lease);
		book_wake(lease);
	}
}

bool
book_is_adopting(const struct lease *lease, struct berth_error *e)
{
	if (!lease->book->adopting || lease->state != LEASE_HELD)
		return false;
	berth_error_set(e, BERTH_UNAVAILABLE, "berthd has just started and is taking over what it knows, lease %s too; ask "
	                "again in a moment", lease->id);
	return true;
}

/* ---- closing ---- */

void
book_close(struct book *book, bool now, void (*empty)(void *arg), void *arg)
{
	book->closing = true;
	book->empty = empty;
	book->arg = arg;
	if (HASH_CNT(by_id, book->by_id) == 0)
		empty(arg);
	else
		while (now && book->by_id)
			book_end(book->by_id, LEASE_END_SHUTDOWN);
}
