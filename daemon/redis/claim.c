/* SPDX-License-Identifier: MIT */
/* Claiming a database: one script, and where the server allows it a user fenced into it. */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/redis/state.h"

enum { TRIES_MAX = 3 };

struct claim {
	struct redis *redis;
	redis_claim_done *done;
	void *arg;
	struct box *box;          /* once it is claimed */
	struct event *later;      /* to fail after the start call has returned */
	struct berth_error error; /* code BERTH_OK: none so far */
	int tries;
	bool index; /* no user of its own, as asked */
	struct claim *prev, *next;
};

static void claim_send(struct claim *claim);

/* Ends the claim; with an error, what it claimed is given back. */
static void
claim_finish(struct claim *claim)
{
	struct claim last = *claim;

	DL_DELETE(claim->redis->claims, claim);
	if (claim->later)
		event_free(claim->later);
	free(claim);
	if (last.box && last.error.code != BERTH_OK) {
		redis_box_move(last.box, BOX_ENDING);
		redis_end(last.box);
	} else if (last.box) {
		redis_box_move(last.box, BOX_LIVE);
	}
	if (last.error.code != BERTH_OK)
		last.done(last.arg, NULL, &last.error);
	else
		last.done(last.arg, &last.box->slot, NULL);
}

static void
claim_fail(struct claim *claim, const redisReply *reply, const char *what)
{
	redis_reply_error(claim->redis, reply, what, &claim->error);
	claim_finish(claim);
}

/* Somebody took the claim while the user was being made (we were silent for long): try another. */
static void
claim_again(struct claim *claim)
{
	redis_box_move(claim->box, BOX_ENDING);
	redis_end(claim->box);
	claim->box = NULL;
	if (++claim->tries < TRIES_MAX) {
		claim_send(claim);
		return;
	}
	berth_error_set(&claim->error, BERTH_UNAVAILABLE,
	                "the claims of this runner are taken over as it makes them");
	claim_finish(claim);
}

/* Only an error that comes while queueing says more than EXEC's "discarded because of previous
 * errors". The server may repeat arguments in it, so the text stays here. */
static void
on_user(void *arg, const redisReply *reply)
{
	struct claim *claim = arg;

	if (reply && reply->type == REDIS_REPLY_ERROR)
		berth_error_set(&claim->error, BERTH_REDISERR,
		                "Redis refuses to make a user (ACL SETUSER)");
}

static void
on_made(void *arg, const redisReply *reply)
{
	struct claim *claim = arg;

	if (!reply || claim->error.code != BERTH_OK) {
		if (claim->error.code == BERTH_OK)
			redis_reply_error(claim->redis, NULL, "", &claim->error);
		claim_finish(claim);
	} else if (!redis_reply_is_array(reply, 2)) {
		claim_fail(claim, reply, "make a user");
	} else if (reply->element[0]->type == REDIS_REPLY_ERROR) {
		berth_error_set(&claim->error, BERTH_REDISERR,
		                "Redis refuses to make a user (ACL SETUSER)");
		claim_finish(claim);
	} else if (!redis_reply_is_array(reply->element[1], 1)
	           || reply->element[1]->element[0]->integer != 1) {
		claim_again(claim);
	} else {
		claim_finish(claim);
	}
}

/* Nobody knows the password before the claim is seen to stand, so a user made too late does no
 * harm. */
static void
make_user(struct claim *claim)
{
	struct redis *redis = claim->redis;
	struct box *box = claim->box;
	struct args args = { 0 };

	acl_setuser(&redis->server.acl, &args, box->acl_user, box->slot.password, box->slot.db);
	conn_send(redis->conn, NULL, NULL, "MULTI");
	conn_sendv(redis->conn, on_user, claim, args.count, (const char *const *)args.words);
	conn_send(redis->conn, NULL, NULL, "EVAL %s 0 %s %d %" PRId64, redis_script(SCRIPT_CHECK),
	          redis->runner, box->slot.db, box->slot.fence);
	conn_send(redis->conn, on_made, claim, "EXEC");
	args_fini(&args);
}

/* { 1, db, fence, user, foreign … } */
static void
claimed(struct claim *claim, const redisReply *reply)
{
	struct redis *redis = claim->redis;
	int db = (int)reply->element[1]->integer;
	const char *user = redis_reply_text(reply->element[3]);
	struct redis_url url = redis->url;

	url.db = db;
	redis->start = db + 1;
	if (db >= 0 && db < REDIS_DATABASES_MAX)
		redis->foreign[db / 8] &= (uint8_t) ~(1u << db % 8);
	claim->box =
		redis_box_new(redis, db, strtoll(redis_reply_text(reply->element[2]), NULL, 10),
	                      redis_user_is_ours(user) ? user : "");
	claim->box->slot.mode = claim->box->acl_user[0] ? REDIS_ACL : REDIS_INDEX;
	if (claim->box->acl_user[0]) {
		snprintf(url.user, sizeof url.user, "%s", user);
		random_secret(url.password);
	}
	redis_slot_fill(&claim->box->slot, &url);
	explicit_bzero(&url, sizeof url);
	if (claim->box->acl_user[0])
		make_user(claim);
	else
		claim_finish(claim);
}

struct redis_slot *
redis_slot_restore(struct redis *redis, const struct redis_slot *was)
{
	struct box *box = redis_box_new(redis, was->db, was->fence, was->mode == REDIS_ACL ? was->user : "");
	struct redis_url url = redis->url;

	url.db = was->db;
	if (was->mode == REDIS_ACL) {
		snprintf(url.user, sizeof url.user, "%s", was->user);
		snprintf(url.password, sizeof url.password, "%s", was->password);
	}
	box->slot.mode = was->mode;
	redis_slot_fill(&box->slot, &url);
	explicit_bzero(&url, sizeof url);
	redis_box_move(box, BOX_LIVE);
	return &box->slot;
}

/* Reports a database with foreign keys once, and lists them. */
static void
note_foreign(struct redis *redis, const redisReply *reply, size_t from, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = from; i < reply->elements; i++) {
		int db = (int)reply->element[i]->integer;
		uint8_t bit = (uint8_t)(1u << db % 8);

		if (db < 0 || db >= REDIS_DATABASES_MAX)
			continue;
		if (!(redis->foreign[db / 8] & bit))
			log_warn("redis.quarantine", LOG_N("db", db),
			         LOG_T("why", "it holds keys that are not ours"));
		redis->foreign[db / 8] |= bit;
		if (len < size)
			len += (size_t)snprintf(out + len, size - len, "%s%d", len ? " " : "", db);
	}
}

/* { 0, leased, foreign … } */
static void
found_none(struct claim *claim, const redisReply *reply)
{
	struct redis *redis = claim->redis;
	char foreign[128];

	note_foreign(redis, reply, 2, foreign, sizeof foreign);
	redis->starved = true;
	redis_reap(redis);
	berth_error_set(
		&claim->error, BERTH_LIMIT,
		"all %d Redis databases are taken: %lld leased, %zu with keys that are not berth's%s%s%s "
		"(raise `databases` in redis.conf, or end leases)",
		redis_leasable(redis), reply->element[1]->integer, reply->elements - 2,
		foreign[0] ? " (" : "", foreign, foreign[0] ? ")" : "");
	claim_finish(claim);
}

static void
on_claim(void *arg, const redisReply *reply)
{
	struct claim *claim = arg;
	struct redis *redis = claim->redis;
	char foreign[128];

	if (!redis_reply_is_array(reply, 1)) {
		claim_fail(claim, reply, "claim");
	} else if (reply->element[0]->integer == 1 && reply->elements >= 4) {
		note_foreign(redis, reply, 4, foreign, sizeof foreign);
		claimed(claim, reply);
	} else if (reply->element[0]->integer == 0 && reply->elements >= 2) {
		found_none(claim, reply);
	} else {
		berth_error_set(&claim->error, BERTH_UNAVAILABLE,
		                "the registry was lost; waiting for other runners");
		conn_reset(redis->conn, "the registry was lost");
		claim_finish(claim);
	}
}

static void
send_script(struct redis *redis, conn_reply *fn, void *arg, bool user, bool take)
{
	conn_send(redis->conn, fn, arg, "EVAL %s 0 %s %s %d %d %d %d %d %d",
	          redis_script(SCRIPT_CLAIM), redis->runner, redis->server.epoch, redis->grace_ms,
	          redis->meta_db, redis->server.databases, redis->start, user, take);
}

static void
claim_send(struct claim *claim)
{
	send_script(claim->redis, on_claim, claim,
	            !claim->index && claim->redis->server.acl_allowed, true);
}

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	claim_finish(arg);
}

void
redis_claim_start(struct redis *redis, enum redis_mode mode, redis_claim_done *done, void *arg)
{
	struct claim *claim = calloc(1, sizeof *claim);

	if (!claim)
		abort();
	assert(!redis->closing && (mode == REDIS_ACL || mode == REDIS_INDEX));
	*claim = (struct claim){
		.redis = redis, .index = mode == REDIS_INDEX, .done = done, .arg = arg
	};
	DL_APPEND(redis->claims, claim);
	if (redis_up(redis, &claim->error)) {
		claim_send(claim);
		return;
	}
	claim->later = evtimer_new(redis->base, on_later, claim);
	if (!claim->later)
		abort();
	redis_timer_arm(claim->later, 0);
}

void
redis_claims_fail(struct redis *redis)
{
	while (redis->claims) {
		berth_error_set(&redis->claims->error, BERTH_UNAVAILABLE, "berthd is stopping");
		claim_finish(redis->claims);
	}
}

static void
on_look(void *arg, const redisReply *reply)
{
	struct redis *redis = arg;

	if (!redis_reply_is_array(reply, 2) || reply->element[0]->integer != 1 || !redis->starved)
		return;
	redis->starved = false;
	redis->events.freed(redis->arg);
}

void
redis_look(struct redis *redis)
{
	send_script(redis, on_look, redis, true, false);
}
