/* SPDX-License-Identifier: MIT */
/* Leaving: once nothing is being ended any more, this runner's name leaves the registry. */
#include <stdlib.h>

#include "daemon/redis/state.h"

struct leaving {
	struct redis *redis;
	void (*done)(void *arg);
	void *arg;
	struct event *timer; /* the end of the patience; or the next turn, when there is nothing to
	                        wait for */
	bool sent;
};

void
redis_leave_finish(struct redis *redis)
{
	struct leaving *leaving = redis->leaving;
	struct leaving last;

	if (!leaving)
		return;
	last = *leaving;
	redis->leaving = NULL;
	event_free(leaving->timer);
	free(leaving);
	last.done(last.arg);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	redis_leave_finish(arg);
}

static void
on_left(void *arg, const redisReply *reply)
{
	redis_leave_finish(arg);
}

/* Called whenever there may be nothing left to wait for. */
void
redis_leave_look(struct redis *redis)
{
	struct leaving *leaving = redis->leaving;

	if (!leaving || leaving->sent)
		return;
	if (!redis->conn || !conn_is_ready(redis->conn)) {
		redis_timer_arm(leaving->timer, 0);
		return;
	}
	/* In the middle of the set-up our name and a user for trying are there: it ends first. */
	if (!redis->ready || redis_ending(redis) > 0)
		return;
	leaving->sent = true;
	evtimer_del(redis->beat); /* it would make us alive again */
	conn_send(redis->conn, on_left, redis, "DEL berth:runner:%s", redis->runner);
}

void
redis_leave_start(struct redis *redis, void (*done)(void *arg), void *arg)
{
	struct leaving *leaving = malloc(sizeof *leaving);

	if (!leaving || redis->leaving)
		abort();
	*leaving = (struct leaving){ .redis = redis, .done = done, .arg = arg };
	leaving->timer = evtimer_new(redis->base, on_timer, redis);
	if (!leaving->timer)
		abort();
	redis->leaving = leaving;
	redis_timer_arm(leaving->timer, redis->deadline_ms);
	redis_leave_look(redis);
}
