/* SPDX-License-Identifier: MIT */
/*
 * From a fresh connection to a server that can be used: what it is, its registry, our claims in it,
 * and the users of our live slots, which a restart has made it forget.
 *
 * Nothing else uses the connection until this is through, which WATCH relies on.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/redis/state.h"

enum step {
	INFO,
	DATABASES,
	PROBE,
	REGISTRY,
	EPOCH,
	USER,
	NO_USER,
	CLAIMS,
	WATCH,
	CHECK,
	USERS,
	DONE
};
enum { FAILED = -1, ROUNDS_MAX = 50 };

static void setup_run(struct redis *redis, int step);

/* A line "name:value" of INFO. */
static void
info_field(const char *info, const char *name, char *out, size_t size)
{
	const char *at = strstr(info, name);
	size_t len = at ? strcspn(at + strlen(name), "\r\n") : 0;

	if (at && len < size)
		snprintf(out, size, "%.*s", (int)len, at + strlen(name));
}

static bool
send_info(struct redis *redis, conn_reply *fn)
{
	conn_send(redis->conn, fn, redis, "INFO server");
	return true;
}

/* A server that does not let us look is still good enough. */
static int
take_info(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	struct server *server = &redis->server;

	strcpy(server->run_id, "unknown");
	server->version[0] = '\0';
	if (reply->type != REDIS_REPLY_STRING)
		return DATABASES;
	info_field(reply->str, "\nredis_version:", server->version, sizeof server->version);
	info_field(reply->str, "\nvalkey_version:", server->version, sizeof server->version);
	info_field(reply->str, "\nrun_id:", server->run_id, sizeof server->run_id);
	return DATABASES;
}

static bool
send_databases(struct redis *redis, conn_reply *fn)
{
	conn_send(redis->conn, fn, redis, "CONFIG GET databases");
	return true;
}

static int
take_databases(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	struct server *server = &redis->server;

	server->databases =
		redis_reply_is_array(reply, 2) ? atoi(redis_reply_text(reply->element[1])) : 0;
	if (server->databases > REDIS_DATABASES_MAX)
		server->databases = REDIS_DATABASES_MAX;
	server->below = server->above = 0;
	return server->databases > 0 ? REGISTRY : PROBE;
}

/* Doubles until there is none, then halves the distance. */
static int
next_probe(const struct server *server)
{
	if (server->above)
		return (server->below + server->above) / 2;
	return server->below ? 2 * server->below : 1;
}

static bool
send_probe(struct redis *redis, conn_reply *fn)
{
	conn_send(redis->conn, fn, redis, "SELECT %d", next_probe(&redis->server));
	return true;
}

static int
take_probe(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	struct server *server = &redis->server;
	int probed = next_probe(server);

	if (reply->type == REDIS_REPLY_ERROR)
		server->above = probed;
	else
		server->below = probed;
	if (server->below < REDIS_DATABASES_MAX && server->above != server->below + 1)
		return PROBE;
	server->databases = server->below + 1;
	return REGISTRY;
}

static bool
send_registry(struct redis *redis, conn_reply *fn)
{
	conn_send(redis->conn, fn, redis, "SELECT %d", redis->meta_db);
	return true;
}

static int
take_registry(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	if (reply->type != REDIS_REPLY_ERROR)
		return EPOCH;
	berth_error_set(e, BERTH_UNAVAILABLE,
	                "the registry's database %d (redis_meta_db): %s (it has %d databases)",
	                redis->meta_db, reply->str, redis->server.databases);
	return FAILED;
}

static bool
send_epoch(struct redis *redis, conn_reply *fn)
{
	conn_send(redis->conn, fn, redis, "EVAL %s 0 %s", redis_script(SCRIPT_HELLO),
	          redis->server.run_id);
	return true;
}

static int
take_epoch(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	struct server *server = &redis->server;

	if (reply->type != REDIS_REPLY_STRING || reply->len >= sizeof server->epoch) {
		berth_error_set(e, BERTH_UNAVAILABLE, "the registry cannot be used: %s",
		                reply->str ? reply->str : "its epoch is malformed");
		return FAILED;
	}
	redis->renewed |= server->epoch[0] && strcmp(server->epoch, reply->str) != 0;
	strcpy(server->epoch, reply->str);
	server->acl = (struct acl){ 0 };
	redis->rounds = 0;
	return USER;
}

/* A user that nobody can log in as, with a name that a sweep recognises if we do not come to delete
 * it. */
static void
probe_name(const struct redis *redis, char out[REDIS_ID_MAX])
{
	snprintf(out, REDIS_ID_MAX, "berth_%s_0_0", redis->runner);
}

static bool
send_user(struct redis *redis, conn_reply *fn)
{
	char name[REDIS_ID_MAX];
	struct args args = { 0 };

	probe_name(redis, name);
	acl_setuser(&redis->server.acl, &args, name, NULL, 1);
	conn_sendv(redis->conn, fn, redis, args.count, (const char *const *)args.words);
	args_fini(&args);
	return true;
}

static int
take_user(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	redis->server.acl_allowed = reply->type != REDIS_REPLY_ERROR;
	if (redis->server.acl_allowed)
		return NO_USER;
	if (acl_drop(&redis->server.acl, reply->str))
		return USER;
	log_warn("redis.no_users", LOG_T("why", reply->str));
	return CLAIMS;
}

static bool
send_no_user(struct redis *redis, conn_reply *fn)
{
	char name[REDIS_ID_MAX];

	probe_name(redis, name);
	conn_send(redis->conn, fn, redis, "ACL DELUSER %s", name);
	return true;
}

static int
take_no_user(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	redis->server.acl_allowed = reply->type != REDIS_REPLY_ERROR;
	return CLAIMS;
}

/* Answered by on_claims(), which knows what was asked. */
static void
on_claims(void *arg, const redisReply *reply)
{
	struct redis *redis;
	struct berth_error e;

	if (redis_beat_take(arg, reply, &redis, &e) == 0)
		setup_run(redis, WATCH);
	else if (reply)
		conn_reset(redis->conn, e.message);
}

static bool
send_claims(struct redis *redis, conn_reply *fn)
{
	redis_beat_send(redis, on_claims);
	return true;
}

static bool
needs_user(const struct box *box)
{
	return box->state == BOX_LIVE && box->acl_user[0] && box->redis->server.acl_allowed;
}

static bool
send_watch(struct redis *redis, conn_reply *fn)
{
	struct box *box;
	bool any = false;

	for (box = redis->boxes; box; box = box->next)
		any |= needs_user(box);
	if (any)
		conn_send(redis->conn, fn, redis, "WATCH berth:claims");
	return any;
}

static int
take_watch(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	return CHECK;
}

static bool
send_check(struct redis *redis, conn_reply *fn)
{
	struct args args = { 0 };
	struct box *box;

	args_add(&args, "EVAL");
	args_add(&args, redis_script(SCRIPT_CHECK));
	args_add(&args, "0");
	for (box = redis->boxes; box; box = box->next) {
		if (!needs_user(box))
			continue;
		args_add(&args, redis->runner);
		args_add_number(&args, box->slot.db);
		args_add_number(&args, box->slot.fence);
	}
	conn_sendv(redis->conn, fn, redis, args.count, (const char *const *)args.words);
	args_fini(&args);
	return true;
}

/* Somebody changed a claim of ours since: look again. */
static int
again(struct redis *redis, struct berth_error *e)
{
	if (redis->rounds++ < ROUNDS_MAX)
		return CLAIMS;
	berth_error_set(e, BERTH_UNAVAILABLE, "the registry changes too fast to make users in it");
	return FAILED;
}

static int
take_check(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	if (!redis_reply_is_array(reply, 0)) {
		redis_reply_error(redis, reply, "check", e);
		return FAILED;
	}
	for (size_t i = 0; i < reply->elements; i++) {
		if (reply->element[i]->integer == 1)
			continue;
		conn_send(redis->conn, NULL, NULL, "UNWATCH");
		return again(redis, e);
	}
	return USERS;
}

static bool
send_users(struct redis *redis, conn_reply *fn)
{
	struct box *box;

	conn_send(redis->conn, NULL, NULL, "MULTI");
	for (box = redis->boxes; box; box = box->next) {
		struct args args = { 0 };

		if (!needs_user(box))
			continue;
		acl_setuser(&redis->server.acl, &args, box->acl_user, box->slot.password,
		            box->slot.db);
		conn_sendv(redis->conn, NULL, NULL, args.count, (const char *const *)args.words);
		args_fini(&args);
	}
	conn_send(redis->conn, fn, redis, "EXEC");
	return true;
}

static int
take_users(struct redis *redis, const redisReply *reply, struct berth_error *e)
{
	if (reply->type == REDIS_REPLY_NIL)
		return again(redis, e);
	for (size_t i = 0; redis_reply_is_array(reply, 0) && i < reply->elements; i++)
		if (reply->element[i]->type == REDIS_REPLY_ERROR)
			reply = reply->element[i];
	if (reply->type == REDIS_REPLY_ARRAY)
		return DONE;
	berth_error_set(e, BERTH_UNAVAILABLE, "the users of live slots cannot be made again");
	return FAILED;
}

static const struct {
	const char *name;
	/* Sends the request; false: there is nothing to do, go on with DONE. */
	bool (*send)(struct redis *redis, conn_reply *fn);
	/* The next step, or FAILED with `e` set. */
	int (*take)(struct redis *redis, const redisReply *reply, struct berth_error *e);
} steps[] = {
	[INFO] = { "info", send_info, take_info },
	[DATABASES] = { "databases", send_databases, take_databases },
	[PROBE] = { "probe databases", send_probe, take_probe },
	[REGISTRY] = { "select the registry", send_registry, take_registry },
	[EPOCH] = { "epoch", send_epoch, take_epoch },
	[USER] = { "try a user", send_user, take_user },
	[NO_USER] = { "delete it", send_no_user, take_no_user },
	[CLAIMS] = { "claims", send_claims, NULL },
	[WATCH] = { "watch the claims", send_watch, take_watch },
	[CHECK] = { "check the claims", send_check, take_check },
	[USERS] = { "users", send_users, take_users },
};

static void
on_step(void *arg, const redisReply *reply)
{
	struct redis *redis = arg;
	struct berth_error e;
	int next;

	if (!reply)
		return;
	next = steps[redis->step].take(redis, reply, &e);
	if (next == FAILED)
		conn_reset(redis->conn, e.message);
	else
		setup_run(redis, next);
}

static void
setup_run(struct redis *redis, int step)
{
	redis->step = step;
	if (step == DONE || !steps[step].send(redis, on_step))
		redis_set_up(redis);
}

void
redis_setup_start(struct redis *redis)
{
	setup_run(redis, INFO);
}
