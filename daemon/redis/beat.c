/* SPDX-License-Identifier: MIT */
/* The heartbeat: this runner is alive, these claims are its own; and taking over from the dead. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/base/log.h"
#include "daemon/redis/state.h"

enum { REAP_MAX = 64 };

/* What one heartbeat asked about; boxes may come and go before the answer. */
struct beat {
	struct redis *redis;
	int count;
	struct {
		int db;
		int64_t fence;
	} asked[];
};

static bool
is_claim(const struct box *box)
{
	return !box->private && box->state != BOX_LOST;
}

static struct beat *
beat_new(struct redis *redis)
{
	struct beat *beat;
	struct box *box;
	int count = 0;

	DL_COUNT(redis->boxes, box, count);
	beat = malloc(sizeof *beat + (size_t)count * sizeof beat->asked[0]);
	if (!beat)
		abort();
	beat->redis = redis;
	beat->count = 0;
	return beat;
}

void
redis_beat_send(struct redis *redis, conn_reply *fn)
{
	struct beat *beat = beat_new(redis);
	struct args args = { 0 };
	struct box *box;

	args_add(&args, "EVAL");
	args_add(&args, redis_script(SCRIPT_BEAT));
	args_add(&args, "0");
	args_add(&args, redis->runner);
	args_add(&args, redis->server.epoch);
	args_add_number(&args, redis->grace_ms);
	for (box = redis->boxes; box; box = box->next) {
		if (!is_claim(box))
			continue;
		args_add_number(&args, box->slot.db);
		args_add_number(&args, box->slot.fence);
		args_add(&args, box->acl_user[0] ? box->acl_user : "-");
		beat->asked[beat->count].db = box->slot.db;
		beat->asked[beat->count++].fence = box->slot.fence;
	}
	conn_sendv(redis->conn, fn, beat, args.count, (const char *const *)args.words);
	args_fini(&args);
}

static void
lose(struct box *box)
{
	static const char why[] =
		"another runner has the database by now: this one was silent for too long";

	log_warn("redis.lost", LOG_N("db", box->slot.db), LOG_N("fence", box->slot.fence),
	         LOG_T("why", why));
	redis_box_move(box, BOX_LOST);
	box->redis->events.lost(box->redis->arg, &box->slot, why);
}

static void
take_statuses(struct beat *beat, const redisReply *statuses)
{
	for (int i = 0; i < beat->count && (size_t)i < statuses->elements; i++) {
		struct box *box =
			redis_box_find(beat->redis, beat->asked[i].db, beat->asked[i].fence);

		if (!box)
			continue;
		if (statuses->element[i]->integer == 1)
			log_warn("redis.reclaim", LOG_N("db", box->slot.db),
			         LOG_N("fence", box->slot.fence));
		if (statuses->element[i]->integer == 2 && box->state == BOX_LIVE)
			lose(box);
	}
}

/* Claims to be ended that no caller knows of: taken over, or left from an answer that got lost. */
static void
take_strays(struct redis *redis, const redisReply *strays, const char *event)
{
	for (size_t i = 0; i < strays->elements; i++) {
		char user[REDIS_ID_MAX];
		int64_t fence;
		int db;

		if (!redis_claim_parse(redis_reply_text(strays->element[i]), &db, &fence, user)
		    || redis_box_find(redis, db, fence))
			continue;
		log_info(event, LOG_N("db", db), LOG_N("fence", fence), LOG_T("user", user));
		struct box *box =
			redis_box_new(redis, db, fence, redis_user_is_ours(user) ? user : "");
		redis_box_move(box, BOX_ENDING);
		redis_end(box);
	}
}

int
redis_beat_take(void *arg, const redisReply *reply, struct redis **ret, struct berth_error *e)
{
	struct beat *beat = arg;
	struct redis *redis = *ret = beat->redis;
	int status = -1;

	if (!redis_reply_is_array(reply, 1)) {
		redis_reply_error(redis, reply, "heartbeat", e);
	} else if (!redis_reply_is_array(reply, 3)) {
		berth_error_set(e, BERTH_UNAVAILABLE, "the registry was lost");
	} else {
		take_statuses(beat, reply->element[1]);
		take_strays(redis, reply->element[2], "redis.stray");
		status = 0;
	}
	free(beat);
	return status;
}

static void
on_answer(void *arg, const redisReply *reply)
{
	struct redis *redis;
	struct berth_error e;

	if (redis_beat_take(arg, reply, &redis, &e) < 0 && reply)
		conn_reset(redis->conn, e.message);
}

static void
on_reaped(void *arg, const redisReply *reply)
{
	if (redis_reply_is_array(reply, 0))
		take_strays(arg, reply, "redis.reap");
}

void
redis_reap(struct redis *redis)
{
	conn_send(redis->conn, on_reaped, redis, "EVAL %s 0 %s %s %d %d", redis_script(SCRIPT_REAP),
	          redis->runner, redis->server.epoch, redis->grace_ms, REAP_MAX);
}

void
redis_on_beat(evutil_socket_t fd, short what, void *arg)
{
	struct redis *redis = arg;

	redis_timer_arm(redis->beat, redis->heartbeat_ms);
	redis_beat_send(redis, on_answer);
	redis_reap(redis);
	if (redis->starved)
		redis_look(redis);
	/* So far apart that a runner whose claims got lost has claimed them again in between. */
	if (++redis->beats > redis->grace_ms / redis->heartbeat_ms + 2) {
		redis->beats = 0;
		redis_sweep(redis);
	}
}
