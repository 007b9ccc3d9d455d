/* SPDX-License-Identifier: MIT */
/* The daemon's one conversation with the shared Redis: its life, and the boxes of its slots. */
#include "daemon/redis/redis.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/base/log.h"
#include "daemon/redis/state.h"

enum { RETRY_MS = 50, RETRY_MAX_MS = 2000 };

void
redis_timer_arm(struct event *timer, int ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	evtimer_add(timer, &tv);
}

void
redis_where(const struct redis *redis, char out[REDIS_WHERE_MAX])
{
	if (redis->url.socket[0])
		snprintf(out, REDIS_WHERE_MAX, "Redis at %s", redis->url.socket);
	else
		snprintf(out, REDIS_WHERE_MAX, "Redis at %s:%d", redis->url.host, redis->url.port);
}

void
redis_reply_error(const struct redis *redis, const redisReply *reply, const char *what,
                  struct berth_error *e)
{
	char where[REDIS_WHERE_MAX];

	redis_where(redis, where);
	if (!reply)
		berth_error_set(e, BERTH_UNAVAILABLE, "%s: %s", where, conn_why(redis->conn));
	else if (reply->type == REDIS_REPLY_ERROR)
		berth_error_set(e, BERTH_REDISERR, "%s: %s: %s", where, what, reply->str);
	else
		berth_error_set(e, BERTH_REDISERR, "%s: %s: an answer of another shape", where,
		                what);
}

bool
redis_reply_is_array(const redisReply *reply, size_t count)
{
	return reply && reply->type == REDIS_REPLY_ARRAY && reply->elements >= count;
}

const char *
redis_reply_text(const redisReply *reply)
{
	return reply && reply->str ? reply->str : "";
}

bool
redis_claim_parse(const char *text, int *db, int64_t *fence, char user[REDIS_ID_MAX])
{
	if (sscanf(text, "%d %" SCNd64 " %63s", db, fence, user) != 3)
		return false;
	if (strcmp(user, "-") == 0)
		user[0] = '\0';
	return true;
}

bool
redis_user_is_ours(const char *user)
{
	int used = 0;

	sscanf(user, "berth_%*[0-9a-f]_%*[0-9]_%*[0-9]%n", &used);
	return used > 0 && user[used] == '\0';
}

/* Boxes. */

static const unsigned box_next[] = {
#define TO(state)      (1u << BOX_##state)
#define X(state, next) [BOX_##state] = (next),
	BOX_STATES(X)
#undef X
#undef TO
};

void
redis_box_move(struct box *box, enum box_state next)
{
	assert(box_next[box->state] & 1u << next);
	box->state = next;
}

struct box *
redis_box_new(struct redis *redis, int db, int64_t fence, const char *acl_user)
{
	struct box *box = calloc(1, sizeof *box);

	if (!box)
		abort();
	box->redis = redis;
	box->slot.db = db;
	box->slot.fence = fence;
	snprintf(box->acl_user, sizeof box->acl_user, "%s", acl_user);
	DL_APPEND(redis->boxes, box);
	return box;
}

void
redis_box_free(struct box *box)
{
	DL_DELETE(box->redis->boxes, box);
	if (box->timer)
		event_free(box->timer);
	explicit_bzero(box, sizeof *box);
	free(box);
}

struct box *
redis_box_find(struct redis *redis, int db, int64_t fence)
{
	struct box *box;

	for (box = redis->boxes; box; box = box->next)
		if (!box->private && box->slot.db == db && box->slot.fence == fence)
			return box;
	return NULL;
}

void
redis_slot_fill(struct redis_slot *slot, const struct redis_url *url)
{
	_Static_assert(sizeof slot->url >= REDIS_URL_MAX, "every URL fits");
	_Static_assert(sizeof slot->user >= REDIS_USER_MAX, "every user fits");
	_Static_assert(sizeof slot->password >= REDIS_PASSWORD_MAX, "every password fits");
	_Static_assert(sizeof slot->host >= REDIS_HOST_MAX, "every host fits");
	_Static_assert(sizeof slot->socket >= REDIS_SOCKET_MAX, "every socket fits");
	slot->db = url->db;
	strcpy(slot->user, url->user);
	strcpy(slot->password, url->password);
	strcpy(slot->host, url->host);
	strcpy(slot->socket, url->socket);
	slot->port = url->port;
	redis_url_format(url, slot->url);
}

/* The connection. */

static void
set_down(struct redis *redis, const char *why)
{
	char where[REDIS_WHERE_MAX];
	struct berth_error e;
	bool was = redis->up;

	redis_where(redis, where);
	berth_error_set(&e, BERTH_UNAVAILABLE, "%s: %s", where, why);
	if (was || strcmp(e.message, redis->why.message) != 0)
		log_warn("redis.down", LOG_T("why", e.message));
	redis->why = e;
	redis->ready = redis->up = false;
	evtimer_del(redis->beat);
	evtimer_del(redis->settle);
	if (was)
		redis->events.down(redis->arg);
	redis_leave_look(redis);
}

static void
on_ready(void *arg)
{
	redis_setup_start(arg);
}

static void
on_lost(void *arg, const char *why)
{
	set_down(arg, why);
}

static void
set_settled(struct redis *redis)
{
	redis->up = true;
	redis->renewed = false;
	log_info("redis.up", LOG_T("version", redis->server.version),
	         LOG_N("leasable", redis_leasable(redis)),
	         LOG_T("users", redis->server.acl_allowed ? "acl" : "no"));
	redis->events.up(redis->arg);
}

static void
on_settle(evutil_socket_t fd, short what, void *arg)
{
	set_settled(arg);
}

/*
 * Another epoch than the last: claims may be missing that other runners' holders still rely on.
 * They say so with their next heartbeat; nothing is claimed before everybody had time for one.
 */
void
redis_set_up(struct redis *redis)
{
	conn_good(redis->conn);
	redis->ready = true;
	redis_timer_arm(redis->beat, redis->heartbeat_ms);
	redis_end_all(redis);
	redis_leave_look(redis);
	if (!redis->renewed) {
		set_settled(redis);
		return;
	}
	berth_error_set(
		&redis->why, BERTH_UNAVAILABLE,
		"Redis came back without its registry; waiting for other runners to claim what is theirs");
	log_warn("redis.settle", LOG_N("wait_ms", 2 * redis->heartbeat_ms));
	redis_timer_arm(redis->settle, 2 * redis->heartbeat_ms);
}

static struct event *
timer_new(struct event_base *base, event_callback_fn fn, void *arg)
{
	struct event *timer = evtimer_new(base, fn, arg);

	if (!timer)
		abort();
	return timer;
}

static char *
copy(const char *text)
{
	char *copied = strdup(text ? text : "");

	if (!copied)
		abort();
	return copied;
}

static int
clamp(int value, int min, int max)
{
	if (value > max)
		value = max;
	return value < min ? min : value;
}

static void
configure(struct redis *redis, const struct redis_config *config)
{
	snprintf(redis->runner, sizeof redis->runner, "%s", config->runner);
	redis->meta_db = config->meta_db;
	redis->grace_ms = config->grace_ms;
	/* Two may be missed before the third is late. */
	redis->heartbeat_ms = clamp(config->heartbeat_ms, 1, config->grace_ms / 3);
	redis->deadline_ms = config->deadline_ms;
	redis->binary = copy(config->server);
	redis->private_dir = copy(config->private_dir);
	redis_private_sweep(redis);
	redis->start = 1;
}

static void
connect_to(struct redis *redis, struct evdns_base *dns)
{
	static const struct conn_events events = { .ready = on_ready, .lost = on_lost };
	struct conn_config config = {
		.url = redis->url,
		.deadline_ms = redis->deadline_ms,
		.retry_ms = RETRY_MS,
		.retry_max_ms = clamp(redis->heartbeat_ms, RETRY_MS, RETRY_MAX_MS),
	};

	redis->conn = conn_new(redis->base, dns, &config, &events, redis);
	berth_error_set(&redis->why, BERTH_UNAVAILABLE, "Redis is being connected to");
}

struct redis *
redis_new(struct event_base *base, struct evdns_base *dns, const struct redis_config *config,
          const struct redis_events *events, void *arg)
{
	struct redis *redis = calloc(1, sizeof *redis);

	if (!redis)
		abort();
	redis->base = base;
	redis->events = *events;
	redis->arg = arg;
	configure(redis, config);
	redis->beat = timer_new(base, redis_on_beat, redis);
	redis->settle = timer_new(base, on_settle, redis);
	if (!config->url || !config->url[0])
		berth_error_set(&redis->why, BERTH_UNAVAILABLE,
		                "no Redis is configured (redis_url)");
	else if (redis_url_parse(config->url, &redis->url, &redis->why) == 0)
		connect_to(redis, dns);
	return redis;
}

void
redis_free(struct redis *redis)
{
	struct box *box, *next;

	if (!redis)
		return;
	redis->closing = true;
	redis->ready = redis->up = false;
	conn_free(redis->conn); /* fails what waits for an answer */
	redis->conn = NULL;
	redis_claims_fail(redis);
	redis_leave_finish(redis);
	for (box = redis->boxes; box; box = next) {
		next = box->next;
		redis_private_free(box->private);
		redis_box_free(box);
	}
	event_free(redis->beat);
	event_free(redis->settle);
	args_fini(&redis->suspects);
	explicit_bzero(&redis->url, sizeof redis->url);
	free(redis->binary);
	free(redis->private_dir);
	free(redis);
}

bool
redis_up(const struct redis *redis, struct berth_error *why)
{
	if (redis->up && conn_is_ready(redis->conn))
		return true;
	if (why && redis->up) /* lost just now: down() is on its way */
		redis_reply_error(redis, NULL, "", why);
	else if (why)
		*why = redis->why;
	return false;
}

bool
redis_acl_allowed(const struct redis *redis)
{
	return redis->server.acl_allowed;
}

const char *
redis_version(const struct redis *redis)
{
	return redis->server.version;
}

int
redis_leasable(const struct redis *redis)
{
	int databases = redis->server.databases;
	int kept = redis->meta_db > 0 && redis->meta_db < databases ? 2 : 1;

	return databases > kept ? databases - kept : 0;
}

int
redis_taken(const struct redis *redis)
{
	const struct box *box;
	int count = 0;

	for (box = redis->boxes; box; box = box->next)
		count += box->slot.mode != REDIS_PRIVATE;
	return count;
}

int
redis_ending(const struct redis *redis)
{
	const struct box *box;
	int count = 0;

	for (box = redis->boxes; box; box = box->next)
		count += box->state == BOX_ENDING;
	return count;
}
