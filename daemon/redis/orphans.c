/* SPDX-License-Identifier: MIT */
/* What in Redis belongs to nobody who lives: one script tells, CLIENT LIST says who is in it. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/redis/state.h"

struct search {
	struct redis *redis;
	redis_orphans_done *done;
	void *arg;
	struct redis_orphan *found; /* owned */
	int count;
	struct berth_error error; /* code BERTH_OK: none so far */
};

static void
keep(struct search *search, const char *text)
{
	struct redis_orphan one = { .sessions = -1 };

	if (sscanf(text, "%d %15s %" SCNd64 " %" SCNd64 " %" SCNd64, &one.db, one.runner, &one.fence,
	           &one.keys, &one.age_ms) != 5)
		return;
	if (strcmp(one.runner, "-") == 0)
		one.runner[0] = '\0';
	search->found[search->count++] = one;
}

static void
on_found(void *arg, const redisReply *reply)
{
	struct search *search = arg;

	if (!redis_reply_is_array(reply, 0)) {
		redis_reply_error(search->redis, reply, "look for orphans", &search->error);
		return;
	}
	search->found = calloc(reply->elements + 1, sizeof *search->found);
	if (!search->found)
		abort();
	for (size_t i = 0; i < reply->elements; i++)
		keep(search, redis_reply_text(reply->element[i]));
}

/* A line for each client: "id=3 … db=7 …". */
static void
count_sessions(struct search *search, const char *lines)
{
	for (int i = 0; i < search->count; i++)
		search->found[i].sessions = 0;
	for (const char *at = strstr(lines, " db="); at; at = strstr(at + 1, " db="))
		for (int i = 0; i < search->count; i++)
			search->found[i].sessions += search->found[i].db == atoi(at + 4);
}

static void
on_clients(void *arg, const redisReply *reply)
{
	struct search *search = arg;

	if (reply && reply->type == REDIS_REPLY_STRING)
		count_sessions(search, reply->str);
	search->done(search->arg, search->found, search->count,
	             search->error.code == BERTH_OK ? NULL : &search->error);
	free(search->found);
	free(search);
}

int
redis_orphans_start(struct redis *redis, redis_orphans_done *done, void *arg, struct berth_error *e)
{
	struct search *search;

	if (!redis_up(redis, e))
		return -1;
	search = calloc(1, sizeof *search);
	if (!search)
		abort();
	*search = (struct search){ .redis = redis, .done = done, .arg = arg };
	conn_send(redis->conn, on_found, search, "EVAL %s 0 %d", redis_script(SCRIPT_ORPHANS),
	          redis->meta_db);
	conn_send(redis->conn, on_clients, search, "CLIENT LIST");
	return 0;
}
