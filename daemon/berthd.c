/* SPDX-License-Identifier: MIT */
/* Wires the nouns together: who hears what, in which order things start and end. */
#include "daemon/berthd.h"

#include <assert.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/base/resolve.h"
#include "daemon/base/service.h"
#include "daemon/pg/target.h"
#include "daemon/redis/redis.h"
#include "daemon/reload.h"
#include "daemon/template_sweep.h"
#include "daemon/verb.h"

enum { LOOK_MS = 20, LEAVE_MS = 5000, EXIT_AGAIN = 75 };

static void
arm(struct event *timer, int ms)
{
	struct timeval delay = { .tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000 };

	event_add(timer, &delay);
}

/* ---- who hears what ---- */

/* What `systemctl status` shows. */
static void
tell_status(void *arg)
{
	struct berthd *berthd = arg;
	const struct shelf *schemas = &berthd->pool.plain[SLOT_SCHEMA], *databases = &berthd->pool.plain[SLOT_DATABASE];
	struct berth_error why = { .message = "" };
	bool up = pg_up(&berthd->pg, &why) && registry_ready(&berthd->registry, &why);

	service_status("%d leases held, %d waiting; ready: %d schemas, %d databases, %d Redis databases%s%.100s",
	               berthd->book.held, berthd->book.queue.length, schemas->count[SLOT_FREE],
	               databases->count[SLOT_FREE], berthd->redis_pool.free_count, up ? "" : "; ", why.message);
}

static void
on_pg_up(void *arg)
{
	struct berthd *berthd = arg;

	log_info("pg.up", LOG_N("version", pg_facts(&berthd->pg)->version),
	         LOG_T("database", pg_facts(&berthd->pg)->database));
	if (registry_ready(&berthd->registry, NULL)) {
		pool_up(&berthd->pool);
		adopt_templates(&berthd->adoption);
	}
	book_serve(&berthd->book);
}

static void
on_pg_down(void *arg)
{
}

static const struct pg_events pg_events = { .up = on_pg_up, .down = on_pg_down };

static void
on_registry_ready(void *arg)
{
	struct berthd *berthd = arg;

	log_info("registry.ready", LOG_T("runner", berthd->registry.runner));
	enums_up(&berthd->enums);
	gate_up(&berthd->gate);
	pool_up(&berthd->pool);
	templates_up(&berthd->templates);
	adopt_templates(&berthd->adoption);
	book_serve(&berthd->book);
}

static void
on_registry_down(void *arg)
{
	struct berthd *berthd = arg;

	pool_down(&berthd->pool);
	templates_down(&berthd->templates);
	enums_down(&berthd->enums);
}

/* Others took our slots over. Nothing here may touch them any more; a fresh start is the safe way on. */
static void
on_fenced(void *arg)
{
	struct berthd *berthd = arg;

	journal_discard(&berthd->journal);
	berthd->anew = berthd->adoption.under_way;

	log_error("runner.fenced", LOG_T("runner", berthd->registry.runner),
	          LOG_T("why", "silent for longer than its grace, or removed from the registry; nothing is its own any more"));
	berthd->exit_status = EXIT_AGAIN;
	berthd->phase = BERTHD_LEFT;
	event_base_loopbreak(berthd->base);
}

static void
on_inherit(void *arg, const char *name, const char *role, enum slot_kind kind, int64_t fence)
{
	struct berthd *berthd = arg;

	if (pool_find(&berthd->pool, name))
		return; /* known */
	log_info("slot.inherit", LOG_T("slot", name), LOG_N("fence", fence));
	pool_adopt(&berthd->pool, name, role, kind, fence);
}

static void
on_enums_came(void *arg)
{
	struct berthd *berthd = arg;

	book_serve(&berthd->book);
}

static void
on_registry_pulse(void *arg)
{
	struct berthd *berthd = arg;

	berthd->pool.runners = berthd->registry.runners;
	templates_sweep(&berthd->templates);
	book_serve(&berthd->book); /* after a silence nothing is granted before */
}

static void
on_recall(void *arg, struct sql *sql)
{
	struct berthd *berthd = arg;

	log_error("registry.lost", LOG_N("slots", pool_size(&berthd->pool)), LOG_N("leases", berthd->book.held),
	          LOG_T("why", "schema berth was dropped; what is this runner's is written down again"));
	pool_recall(&berthd->pool, sql);
}

static void
on_recalled(void *arg)
{
	struct berthd *berthd = arg;

	book_note_all(&berthd->book);
}

static const struct registry_events registry_events = {
	.ready = on_registry_ready, .pulse = on_registry_pulse, .down = on_registry_down, .fenced = on_fenced, .inherit = on_inherit,
	.recall = on_recall, .recalled = on_recalled,
};

static struct seal *
seal_of(const struct slot *slot)
{
	return slot->lease ? slot->lease->seal : NULL;
}

static void
on_slot_free(void *arg, struct slot *slot)
{
	struct berthd *berthd = arg;

	if (seal_of(slot))
		seal_proof_built(seal_of(slot), slot);
	else
		book_serve(&berthd->book);
}

static void
on_slot_failed(void *arg, struct slot *slot, const struct berth_error *e)
{
	struct berthd *berthd = arg;

	if (seal_of(slot))
		seal_proof_failed(seal_of(slot), slot, e);
	else
		book_slot_failed(&berthd->book, slot, e);
}

static void
on_slot_refused(void *arg, struct shelf *shelf)
{
	struct berthd *berthd = arg;

	book_slot_refused(&berthd->book, shelf);
}

static void
on_slot_gone(void *arg, const char *name)
{
	struct berthd *berthd = arg;

	templates_settle(&berthd->templates);
	book_serve(&berthd->book);
}

static const struct pool_events pool_events = {
	.free = on_slot_free, .failed = on_slot_failed, .refused = on_slot_refused,
	.gone = on_slot_gone,
};

static void
on_template_changed(void *arg, struct template *template)
{
	struct berthd *berthd = arg;

	book_serve(&berthd->book);
}

static void
on_template_failed(void *arg, struct template *template, const struct berth_error *e)
{
	struct berthd *berthd = arg;

	book_template_failed(&berthd->book, template, e);
}

static void
on_template_asked(void *arg, struct template *template, const struct berth_error *e)
{
	struct berthd *berthd = arg;

	adopt_template(&berthd->adoption, template, e);
}

static const struct templates_events templates_events = {
	.changed = on_template_changed, .failed = on_template_failed, .asked = on_template_asked,
};

static void
hand_over(void *arg, struct lease *lease, struct slot *proof)
{
	struct berthd *berthd = arg;

	book_hand_over(&berthd->book, lease, proof);
}

static void
on_redis_came(void *arg)
{
	struct berthd *berthd = arg;

	book_serve(&berthd->book);
}

static void
on_redis_up(void *arg)
{
	struct berthd *berthd = arg;

	if (berthd->redis_default == REDIS_ACL && !redis_acl_allowed(berthd->redis))
		berthd->redis_pool.mode = REDIS_INDEX;
	redis_pool_pump(&berthd->redis_pool);
	book_serve(&berthd->book);
}

static void
on_redis_down(void *arg)
{
	struct berthd *berthd = arg;
	struct berth_error why;

	if (!redis_up(berthd->redis, &why))
		log_warn("redis.down", LOG_T("why", why.message));
}

static void
on_redis_lost(void *arg, struct redis_slot *slot, const char *why)
{
	struct berthd *berthd = arg;

	metrics_count(METRIC_REDIS_LOST);
	if (!redis_pool_lost(&berthd->redis_pool, slot))
		book_redis_lost(&berthd->book, slot, why);
}

static void
on_redis_freed(void *arg)
{
	struct berthd *berthd = arg;

	redis_pool_pump(&berthd->redis_pool);
	book_serve(&berthd->book);
}

static const struct redis_events redis_events = {
	.up = on_redis_up, .down = on_redis_down, .lost = on_redis_lost, .freed = on_redis_freed,
};

/* ---- starting ---- */

static void
read_settings(struct berthd *berthd)
{
	const struct config *config = &berthd->config;
	struct berth_error e;

	log_set_level(log_level_of(config->log_level));
	log_set_priorities(config->log_priorities);
	berthd->redis_default = redis_mode_of(config->redis_default);
	if (!*config->redis_url && berthd->redis_default != REDIS_PRIVATE)
		berthd->redis_default = REDIS_NONE;
	berthd->target = pg_target_new(config->pg_dsn, &e);
	assert(berthd->target);
	pg_target_keepalive(berthd->target, config->runner_grace_ms);
}

/* Private servers need no shared one, but the same module speaks to both. */
static void
start_redis(struct berthd *berthd)
{
	const struct config *config = &berthd->config;
	char beside[128], dir[160];
	struct redis_config redis = {
		.url = config->redis_url, .runner = berthd->registry.runner, .meta_db = config->redis_meta_db,
		.grace_ms = config->runner_grace_ms, .heartbeat_ms = config->heartbeat_ms, .deadline_ms = 5000,
		.server = config->redis_server, .private_dir = dir,
	};

	snprintf(beside, sizeof beside, "%s", config->socket);
	snprintf(dir, sizeof dir, "%s", *config->redis_private_dir ? config->redis_private_dir : dirname(beside));
	berthd->redis = redis_new(berthd->base, berthd->dns, &redis, &redis_events, berthd);
	berthd->redis_pool.redis = berthd->redis;
}

static void
start_pg(struct berthd *berthd)
{
	struct pg_config pg = {
		.target = berthd->target, .runner = berthd->registry.runner,
		.connections = berthd->config.pg_connections, .deadline_ms = berthd->config.pg_deadline_ms,
	};

	pg_init(&berthd->pg, berthd->base, berthd->dns, &pg, &pg_events, berthd);
	registry_start(&berthd->registry, berthd->base, berthd->dns, berthd->target, &berthd->pg, &registry_events,
	               berthd);
}

static void on_signal(evutil_socket_t signal, short what, void *arg);
static void on_hangup(evutil_socket_t signal, short what, void *arg);
static void on_deadline(evutil_socket_t fd, short what, void *arg);
static void on_look(evutil_socket_t fd, short what, void *arg);

static void
start_events(struct berthd *berthd)
{
	berthd->base = event_base_new();
	berthd->dns = berthd->base ? resolve_base_new(berthd->base) : NULL;
	berthd->deadline = event_new(berthd->base, -1, 0, on_deadline, berthd);
	berthd->look = event_new(berthd->base, -1, 0, on_look, berthd);
	berthd->term = event_new(berthd->base, SIGTERM, EV_SIGNAL | EV_PERSIST, on_signal, berthd);
	berthd->interrupt = event_new(berthd->base, SIGINT, EV_SIGNAL | EV_PERSIST, on_signal, berthd);
	berthd->hangup = event_new(berthd->base, SIGHUP, EV_SIGNAL | EV_PERSIST, on_hangup, berthd);
	if (!berthd->base || !berthd->deadline || !berthd->look || !berthd->term || !berthd->interrupt || !berthd->hangup)
		abort();
	event_add(berthd->term, NULL);
	event_add(berthd->interrupt, NULL);
	event_add(berthd->hangup, NULL);
	service_start(berthd->base, tell_status, berthd);
}

static void
open_journal(struct berthd *berthd)
{
	char path[sizeof berthd->listener.path + 16];

	snprintf(path, sizeof path, "%s.journal", berthd->listener.path);
	journal_open(&berthd->journal, path);
	registry_init(&berthd->registry, &berthd->config, berthd->journal.runner);
	berthd->adoption.under_way = *berthd->journal.runner;
	journal_keep(&berthd->journal, berthd->registry.runner);
}

int
berthd_start(struct berthd *berthd, struct berth_error *e)
{
	struct slot_site site = { .pg = &berthd->pg, .guests = &berthd->guests, .config = &berthd->config,
		                  .runner = berthd->registry.runner };
	struct book *book = &berthd->book;

	berthd->started = clock_now();
	read_settings(berthd);
	start_events(berthd);
	if (listener_open(&berthd->listener, berthd, e) < 0)
		return -1;
	if (web_open(&berthd->web, berthd, e) < 0) {
		listener_close(&berthd->listener);
		return -1;
	}
	open_journal(berthd);
	enums_init(&berthd->enums, berthd->base, &berthd->pg, &berthd->config, on_enums_came, berthd);
	gate_init(&berthd->gate, berthd);
	doctor_init(&berthd->doctor, berthd, verb_doctor_tell);
	guests_init(&berthd->guests, berthd->base, berthd->dns, berthd->target, berthd->config.pg_deadline_ms);
	pool_init(&berthd->pool, berthd->base, &site, &berthd->journal, &pool_events, berthd);
	templates_init(&berthd->templates, berthd->base, &berthd->pool.site, &berthd->pool, berthd->registry.host,
	               &templates_events, berthd);
	berthd->seals = (struct seal_site){ .slots = &berthd->pool.site, .base = berthd->base, .pool = &berthd->pool,
		                            .hand_over = hand_over, .arg = berthd };
	redis_pool_init(&berthd->redis_pool, berthd->base,
	                berthd->redis_default == REDIS_INDEX ? REDIS_INDEX : REDIS_ACL, berthd->config.pool_redis,
	                on_redis_came, berthd);
	start_redis(berthd);
	berthd->restores = (struct restore_site){ .slots = &berthd->pool.site, .base = berthd->base,
		                                  .pool = &berthd->pool, .redis = berthd->redis, .slow = &berthd->slow };
	*book = (struct book){ .base = berthd->base, .config = &berthd->config, .pg = &berthd->pg,
		               .pool = &berthd->pool, .redis_pool = &berthd->redis_pool, .redis = berthd->redis,
		               .registry = &berthd->registry, .enums = &berthd->enums, .journal = &berthd->journal };
	book_init(book);
	if (berthd->adoption.under_way)
		adopt_start(&berthd->adoption, berthd);
	start_pg(berthd);
	service_ready();
	log_info("berthd.start", LOG_T("version", BERTH_VERSION), LOG_T("runner", berthd->registry.runner),
	         LOG_T("socket", berthd->listener.path));
	return 0;
}

int
berthd_run(struct berthd *berthd)
{
	while (berthd->phase != BERTHD_LEFT)
		if (event_base_loop(berthd->base, EVLOOP_ONCE) < 0)
			return 1;
	log_info("berthd.stop", LOG_N("status", berthd->exit_status));
	return berthd->exit_status;
}

/* ---- leaving ---- */

static void
left(struct berthd *berthd)
{
	berthd->phase = BERTHD_LEFT;
	event_base_loopbreak(berthd->base);
}

static void
on_redis_left(void *arg)
{
	left(arg);
}

static void
on_registry_left(void *arg)
{
	struct berthd *berthd = arg;

	redis_leave_start(berthd->redis, on_redis_left, berthd);
}

static void
leave(struct berthd *berthd)
{
	berthd->phase = BERTHD_LEAVING;
	arm(berthd->deadline, LEAVE_MS);
	registry_leave(&berthd->registry, on_registry_left);
}

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct berthd *berthd = arg;

	if (pool_size(&berthd->pool) == 0 && redis_ending(berthd->redis) == 0
	    && berthd->redis_pool.claiming == 0)
		leave(berthd);
	else
		arm(berthd->look, LOOK_MS);
}

static void
on_book_empty(void *arg)
{
	struct berthd *berthd = arg;

	if (berthd->phase > BERTHD_DRAINING)
		return;
	berthd->phase = BERTHD_ENDING;
	pool_close(&berthd->pool);
	redis_pool_close(&berthd->redis_pool);
	arm(berthd->deadline, berthd->config.drain_ms);
	arm(berthd->look, 0);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct berthd *berthd = arg;

	if (berthd->phase == BERTHD_DRAINING) {
		book_close(&berthd->book, true, on_book_empty, berthd);
	} else if (berthd->phase == BERTHD_ENDING) {
		log_warn("berthd.hurry", LOG_N("slots_left", pool_size(&berthd->pool)),
		         LOG_T("why", "drain_ms are over; what is left goes to the next runner"));
		leave(berthd);
	} else {
		left(berthd);
	}
}

void
berthd_shutdown(struct berthd *berthd, bool now)
{
	if (berthd->phase > BERTHD_DRAINING)
		return;
	service_stopping();
	log_info("berthd.shutdown", LOG_N("now", now), LOG_N("leases", berthd->book.held));
	berthd->phase = BERTHD_DRAINING;
	arm(berthd->deadline, berthd->config.drain_ms);
	book_close(&berthd->book, now, on_book_empty, berthd);
}

int
berthd_hand_over(struct berthd *berthd, struct berth_error *e)
{
	if (!journal_kept(&berthd->journal))
		return berth_error_set(e, BERTH_UNAVAILABLE, "the next berthd would not know of the leases: the journal %s cannot be "
		                       "written; SHUTDOWN ends them", berthd->journal.path);
	if (berthd->phase != BERTHD_RUNNING)
		return berth_error_set(e, BERTH_BUSY, "berthd is shutting down already, and ends its leases");
	service_stopping();
	log_info("berthd.hand_over", LOG_N("leases", berthd->book.held), LOG_N("queued", berthd->book.queue.length));
	berthd->handed_over = true;
	berthd->phase = BERTHD_LEFT; /* in the next turn of the loop: the answer is sent before */
	return 0;
}

static void
on_signal(evutil_socket_t signal, short what, void *arg)
{
	struct berthd *berthd = arg;

	if (berthd->phase == BERTHD_RUNNING || berthd->phase == BERTHD_DRAINING) {
		berthd_shutdown(berthd, true);
	} else {
		berthd->exit_status = 1; /* the second one: what is left goes to the next runner */
		left(berthd);
	}
}

static void
on_hangup(evutil_socket_t signal, short what, void *arg)
{
	struct config_changes changes;
	struct berth_error e;

	if (reload(arg, &changes, &e) == 0)
		config_changes_fini(&changes);
}

/* What is under way with slots ends, now that nobody answers it any more. */
static void
abandon_talks(struct berthd *berthd)
{
	struct slot *slot;

	for (int state = 0; state < SLOT_STATE_COUNT; state++) {
		TAILQ_FOREACH(slot, &berthd->pool.lists[state], link) {
			if (slot->seal)
				seal_abandon(slot->seal);
			if (slot->restore)
				restore_abandon(slot->restore);
		}
	}
	event_base_loop(berthd->base, EVLOOP_NONBLOCK);
}

void
berthd_fini(struct berthd *berthd)
{
	struct book *book = &berthd->book;

	if (pool_size(&berthd->pool) == 0)
		journal_discard(&berthd->journal);
	journal_close(&berthd->journal);
	pool_down(&berthd->pool);
	listener_close(&berthd->listener);
	web_close(&berthd->web);
	while (book->by_id)
		book_end(book->by_id, LEASE_END_SHUTDOWN);
	doctor_fini(&berthd->doctor);
	registry_fini(&berthd->registry);
	pg_fini(&berthd->pg);
	guests_fini(&berthd->guests);
	abandon_talks(berthd);
	enums_fini(&berthd->enums);
	gate_fini(&berthd->gate);
	pool_fini(&berthd->pool);
	templates_fini(&berthd->templates);
	book_fini(book);
	redis_pool_close(&berthd->redis_pool);
	redis_free(berthd->redis); /* claims that are under way tell the pool that they failed */
	redis_pool_fini(&berthd->redis_pool);
	pg_target_free(berthd->target);
	event_free(berthd->deadline);
	event_free(berthd->look);
	event_free(berthd->term);
	event_free(berthd->interrupt);
	event_free(berthd->hangup);
	service_stop();
	resolve_base_free(berthd->dns);
	event_base_loop(berthd->base, EVLOOP_NONBLOCK); /* look-ups that were given up end here */
	event_base_free(berthd->base);
}
