/* SPDX-License-Identifier: MIT */
/*
 * Ending a slot: nobody can use it, it is empty, its claim is given back; in this order and for
 * good.
 *
 * With a user that is one transaction, for deleting a user closes its connections: no command of
 * theirs can come between. Without one all that helps is to end every client in the database and to
 * flush, until neither a client nor a key was found for a few looks in a row. A client that comes
 * back later than that cannot be told from one of the next lease.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/redis/state.h"

enum {
	LOOK_MS = 10,
	LOOK_MAX_MS = 250,
	RETRY_MS = 100,
	RETRY_MAX_MS = 10000,
	BUSY_ROUNDS = 10,
	QUIET_LOOKS = 3, /* in a row without a client: some come back at once */
};

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	redis_end(arg);
}

static void
end_later(struct box *box, int ms)
{
	if (!box->timer)
		box->timer = evtimer_new(box->redis->base, on_timer, box);
	if (!box->timer)
		abort();
	redis_timer_arm(box->timer, ms);
}

static void
end_retry(struct box *box, const char *why)
{
	log_warn("redis.end_failed", LOG_N("db", box->slot.db), LOG_N("fence", box->slot.fence),
	         LOG_T("why", why));
	end_later(box, random_backoff_ms(box->attempt, RETRY_MS, RETRY_MAX_MS));
	if (box->attempt < 30)
		box->attempt++;
}

static void
end_done(struct box *box, bool freed)
{
	struct redis *redis = box->redis;

	if (!freed)
		log_info("redis.stale", LOG_N("db", box->slot.db), LOG_N("fence", box->slot.fence));
	else
		log_debug("redis.freed", LOG_N("db", box->slot.db),
		          LOG_N("fence", box->slot.fence));
	redis_box_free(box);
	/* Given back before, and we did not hear the answer? The next heartbeat looks. */
	redis->starved |= !freed;
	if (freed) {
		redis->starved = false;
		redis->events.freed(redis->arg);
	}
	redis_leave_look(redis);
}

/* What SCRIPT_RELEASE said. */
static void
released(struct box *box, const redisReply *reply)
{
	const char *word = reply->str ? reply->str : "no answer";

	if (strcmp(word, "freed") == 0 || strcmp(word, "stale") == 0) {
		end_done(box, word[0] == 'f');
		return;
	}
	if (strcmp(word, "flushed") != 0) {
		end_retry(box, word);
		return;
	}
	if (++box->rounds == BUSY_ROUNDS)
		log_warn("redis.busy", LOG_N("db", box->slot.db),
		         LOG_T("why", "clients keep coming back to it"));
	end_later(box, random_backoff_ms(box->rounds, LOOK_MS, LOOK_MAX_MS));
}

static void
on_exec(void *arg, const redisReply *reply)
{
	struct box *box = arg;

	box->busy = false;
	if (!reply) /* goes on when the connection is back */
		return;
	if (redis_reply_is_array(reply, 2))
		released(box, reply->element[1]);
	else
		end_retry(box, reply->str ? reply->str : "the transaction did not run");
}

static void
on_release(void *arg, const redisReply *reply)
{
	struct box *box = arg;

	box->busy = false;
	if (reply)
		released(box, reply);
}

static void
release(struct box *box, conn_reply *fn, const char *how)
{
	struct redis *redis = box->redis;

	conn_send(redis->conn, fn, box, "EVAL %s 0 %s %d %" PRId64 " %d %s",
	          redis_script(SCRIPT_RELEASE), redis->runner, box->slot.db, box->slot.fence,
	          redis->meta_db, how);
}

static void
end_user(struct box *box)
{
	struct conn *conn = box->redis->conn;

	conn_send(conn, NULL, NULL, "MULTI");
	conn_send(conn, NULL, NULL, "ACL DELUSER %s", box->acl_user);
	release(box, NULL, "now");
	conn_send(conn, on_exec, box, "EXEC");
}

/* Ends the client that a line of CLIENT LIST describes, if it is in this database. We are in META.
 */
static int
kill_client(struct redis *redis, const char *line, int db)
{
	const char *at = strstr(line, " db=");
	long long id;

	if (!at || atoi(at + 4) != db || sscanf(line, "id=%lld", &id) != 1)
		return 0;
	conn_send(redis->conn, NULL, NULL, "CLIENT KILL ID %lld", id);
	return 1;
}

static int
kill_clients(struct redis *redis, char *list, int db)
{
	int killed = 0;

	for (char *rest, *line = strtok_r(list, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		killed += kill_client(redis, line, db);
	return killed;
}

static void
on_list(void *arg, const redisReply *reply)
{
	struct box *box = arg;
	int killed = 0;

	if (!reply) {
		box->busy = false;
		return;
	}
	if (reply->type == REDIS_REPLY_STRING)
		killed = kill_clients(box->redis, reply->str, box->slot.db);
	else if (!box->redis->kill_refused)
		log_warn("redis.no_kill", LOG_T("why", reply->str));
	box->redis->kill_refused = reply->type != REDIS_REPLY_STRING;
	box->quiet = killed == 0 ? box->quiet + 1 : 0;
	release(box, on_release, box->quiet >= QUIET_LOOKS ? "quiet" : "flush");
}

void
redis_end(struct box *box)
{
	struct redis *redis = box->redis;

	if (box->busy || !redis->ready || !conn_is_ready(redis->conn))
		return;
	box->busy = true;
	if (box->acl_user[0])
		end_user(box);
	else
		conn_send(redis->conn, on_list, box, "CLIENT LIST");
}

void
redis_end_all(struct redis *redis)
{
	struct box *box;

	for (box = redis->boxes; box; box = box->next)
		if (box->state == BOX_ENDING && !box->private)
			redis_end(box);
}

void
redis_slot_end(struct redis *redis, struct redis_slot *slot)
{
	struct box *box = (struct box *)slot;

	slot->owner = NULL;
	redis_box_move(box, BOX_ENDING);
	if (box->private)
		redis_private_end(box);
	else
		redis_end(box);
}
