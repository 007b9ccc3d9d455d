/* SPDX-License-Identifier: MIT */
/* Emptying a slot without ending it: a lease is reset. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/redis/state.h"

enum { RETRY_MS = 10, RETRY_MAX_MS = 100 };

struct flush {
	struct redis *redis;
	struct conn *conn;       /* to a private server; NULL for the shared one */
	struct event *later;     /* the answer, in the next turn of the loop */
	struct berth_error error;
	redis_flush_done *done;
	void *arg;
};

static void
on_later(evutil_socket_t fd, short what, void *arg)
{
	struct flush *flush = arg;
	bool failed = flush->error.code != BERTH_OK;

	conn_free(flush->conn);
	event_free(flush->later);
	flush->done(flush->arg, failed ? &flush->error : NULL);
	free(flush);
}

static void
finish(struct flush *flush)
{
	event_active(flush->later, EV_TIMEOUT, 0);
}

static void
on_flushed(void *arg, const redisReply *reply)
{
	struct flush *flush = arg;
	const char *word = redis_reply_text(reply);

	if (!reply || reply->type == REDIS_REPLY_ERROR)
		redis_reply_error(flush->redis, reply, "FLUSHDB", &flush->error);
	else if (strcmp(word, "stale") == 0)
		berth_error_set(&flush->error, BERTH_STALE, "the Redis database is another runner's by now");
	finish(flush);
}

/* ---- a private server: nobody else is in it ---- */

static void
on_ready(void *arg)
{
	struct flush *flush = arg;

	conn_send(flush->conn, NULL, NULL, "FUNCTION FLUSH"); /* unknown before Redis 7, where there are none */
	conn_send(flush->conn, on_flushed, flush, "FLUSHALL ASYNC");
}

static void
on_lost(void *arg, const char *why)
{
	struct flush *flush = arg;

	if (flush->error.code == BERTH_OK)
		berth_error_set(&flush->error, BERTH_UNAVAILABLE, "the private Redis cannot be reached: %s", why);
	finish(flush);
}

static void
flush_private(struct flush *flush, const struct redis_slot *slot)
{
	static const struct conn_events events = { .ready = on_ready, .lost = on_lost };
	struct conn_config config = { .deadline_ms = flush->redis->deadline_ms, .retry_ms = RETRY_MS,
		                      .retry_max_ms = RETRY_MAX_MS };

	strcpy(config.url.socket, slot->socket);
	strcpy(config.url.password, slot->password);
	flush->conn = conn_new(flush->redis->base, NULL, &config, &events, flush);
	explicit_bzero(&config, sizeof config);
}

/* ---- */

void
redis_slot_flush(struct redis *redis, struct redis_slot *slot, redis_flush_done *done, void *arg)
{
	struct flush *flush = calloc(1, sizeof *flush);

	if (!flush)
		abort();
	*flush = (struct flush){ .redis = redis, .done = done, .arg = arg };
	flush->later = event_new(redis->base, -1, 0, on_later, flush);
	if (!flush->later)
		abort();
	if (slot->mode == REDIS_PRIVATE) {
		flush_private(flush, slot);
	} else if (!redis->ready || !conn_is_ready(redis->conn)) {
		redis_up(redis, &flush->error);
		if (flush->error.code == BERTH_OK)
			berth_error_set(&flush->error, BERTH_UNAVAILABLE, "Redis cannot be used now");
		finish(flush);
	} else {
		conn_send(redis->conn, on_flushed, flush, "EVAL %s 0 %s %d %" PRId64 " %d flush",
		          redis_script(SCRIPT_RELEASE), redis->runner, slot->db, slot->fence, redis->meta_db);
	}
}
