/* SPDX-License-Identifier: MIT */
/*
 * Sweeping up users whose claim is gone: a runner that dies between making a user and hearing of
 * it, or whose registry is flushed under it, leaves one behind that no claim names.
 *
 * A user goes when two sweeps in a row find it without a claim; in between every living runner has
 * said what it claims.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/redis/state.h"

struct sweep {
	struct redis *redis;
	struct args users; /* the server's, of our kind */
};

static bool
contains(const struct args *list, const char *word)
{
	for (int i = 0; i < list->count; i++)
		if (strcmp(list->words[i], word) == 0)
			return true;
	return false;
}

static bool
reply_contains(const redisReply *list, const char *word)
{
	for (size_t i = 0; i < list->elements; i++)
		if (list->element[i]->str && strcmp(list->element[i]->str, word) == 0)
			return true;
	return false;
}

static void
on_users(void *arg, const redisReply *reply)
{
	struct sweep *sweep = arg;

	if (!redis_reply_is_array(reply, 0))
		return;
	for (size_t i = 0; i < reply->elements; i++)
		if (reply->element[i]->str && redis_user_is_ours(reply->element[i]->str))
			args_add(&sweep->users, reply->element[i]->str);
}

static void
judge(struct redis *redis, const struct args *users, const redisReply *claims)
{
	struct args suspects = { 0 };

	for (int i = 0; i < users->count; i++) {
		const char *user = users->words[i];

		if (reply_contains(claims, user))
			continue;
		if (!contains(&redis->suspects, user)) {
			args_add(&suspects, user);
			continue;
		}
		log_info("redis.sweep", LOG_T("user", user));
		conn_send(redis->conn, NULL, NULL, "ACL DELUSER %s", user);
	}
	args_fini(&redis->suspects);
	redis->suspects = suspects;
}

static void
on_claims(void *arg, const redisReply *reply)
{
	struct sweep *sweep = arg;

	if (redis_reply_is_array(reply, 0))
		judge(sweep->redis, &sweep->users, reply);
	args_fini(&sweep->users);
	free(sweep);
}

void
redis_sweep(struct redis *redis)
{
	struct sweep *sweep;

	if (!redis->server.acl_allowed)
		return;
	sweep = calloc(1, sizeof *sweep);
	if (!sweep)
		abort();
	sweep->redis = redis;
	conn_send(redis->conn, on_users, sweep, "ACL USERS");
	conn_send(redis->conn, on_claims, sweep, "EVAL %s 0", redis_script(SCRIPT_USERS));
}
