/* SPDX-License-Identifier: MIT */
/* What the files of redis/ share among themselves: the server as it was found, and every slot's
 * box. */
#pragma once

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/redis/acl.h"
#include "daemon/redis/conn.h"
#include "daemon/redis/redis.h"
#include "daemon/redis/scripts.h"
#include "daemon/redis/url.h"

enum {
	REDIS_DATABASES_MAX = 65536, /* more than that are not looked at */
	REDIS_WHERE_MAX = 320,
	REDIS_ID_MAX = 64, /* an ACL user, "db fence user" without the numbers */
};

/*
 * box: a redis slot with what is done to it.
 *
 * redis     owns every box
 * claim     borrows its box while MAKING
 * caller    borrows the slot inside while LIVE or LOST
 */
/* clang-format off */
/*        state    may move to */
#define BOX_STATES(X)                                                                              \
	X(MAKING,  TO(LIVE) | TO(ENDING)) /* claimed; its user, or its server, is being made */    \
	X(LIVE,    TO(LOST) | TO(ENDING)) /* the caller's */                                       \
	X(LOST,    TO(ENDING))            /* the caller's; the claim is somebody else's by now */  \
	X(ENDING,  0)                     /* being emptied and given back; freed after that */
/* clang-format on */

enum box_state {
#define X(state, next) BOX_##state,
	BOX_STATES(X)
#undef X
};

struct box {
	struct redis_slot slot; /* first: a slot's address is its box's */
	struct redis *redis;
	struct private_redis *private; /* the server of a private slot */
	enum box_state state;
	char acl_user[REDIS_ID_MAX]; /* the user made for this claim; "" without one */
	struct event *timer;         /* while ENDING: the next try or look */
	bool busy;                   /* while ENDING: a request is under way */
	int rounds;                  /* while ENDING: looks at an index without a user so far */
	int quiet;                   /* while ENDING: how many of the last of these found nobody */
	int attempt;                 /* while ENDING: failures so far */
	struct box *prev, *next;
};

/* What the server turned out to be; setup.c fills it in. */
struct server {
	char version[32];
	char run_id[REDIS_ID_MAX];
	char epoch[96];   /* "" before the first one */
	int databases;    /* 0: not known */
	int below, above; /* while looking for that: the highest that is, the lowest that is not (or
	                     0) */
	bool acl_allowed;
	struct acl acl;
};

struct redis {
	struct event_base *base;
	struct redis_events events;
	void *arg;

	struct redis_url url;
	char runner[16];
	int meta_db;
	int grace_ms;
	int heartbeat_ms;
	int deadline_ms;
	char *binary;
	char *private_dir;

	struct conn *conn; /* NULL when the URL is no good */
	struct server server;
	int step;               /* of the setup */
	int rounds;             /* of the setup's loop of claims and users */
	bool closing;           /* in redis_free(): nothing may be started */
	bool ready;             /* set up: slots can be ended */
	bool up;                /* and settled: databases can be claimed */
	bool renewed;           /* the setup found another epoch than the last */
	struct berth_error why; /* while not up */

	struct box *boxes;
	struct claim *claims;
	struct leaving *leaving;
	struct event *beat;   /* the next heartbeat */
	struct event *settle; /* the end of the wait for other runners' claims */
	int start;            /* the database at which the next claim begins to look */
	bool starved;         /* a claim found nothing: tell when there is something again */
	uint8_t foreign[REDIS_DATABASES_MAX / 8]; /* databases reported as holding foreign keys */
	int beats;                                /* since the last sweep */
	struct args suspects;                     /* users without a claim, as of the last sweep */
	bool kill_refused;                        /* reported: we may not see or end clients */
};

/* redis.c */
struct box *redis_box_new(struct redis *redis, int db, int64_t fence, const char *acl_user);
void redis_box_move(struct box *box, enum box_state next);
void redis_box_free(struct box *box);
struct box *redis_box_find(struct redis *redis, int db, int64_t fence);
/* Fills the slot's addresses and URL in from `url`, whose user, password and db count. */
void redis_slot_fill(struct redis_slot *slot, const struct redis_url *url);
void redis_timer_arm(struct event *timer, int ms);
/* "Redis at 127.0.0.1:6379". */
void redis_where(const struct redis *redis, char out[REDIS_WHERE_MAX]);
/* Sets `e` from an error reply, or UNAVAILABLE when there is none. */
void redis_reply_error(const struct redis *redis, const redisReply *reply, const char *what,
                       struct berth_error *e);
/* The reply's text; "" when it has none. Borrowed. */
const char *redis_reply_text(const redisReply *reply);
/* Whether the reply is an array of at least `count`. */
bool redis_reply_is_array(const redisReply *reply, size_t count);
/* Takes "db fence user" apart, as scripts name a claim; user is "" for "-". False: it is not that.
 */
bool redis_claim_parse(const char *text, int *db, int64_t *fence, char user[REDIS_ID_MAX]);
/* Whether this is the name of a user that some runner's claim made. */
bool redis_user_is_ours(const char *user);

/* setup.c: from a fresh connection to `ready` */
void redis_setup_start(struct redis *redis);

/* redis.c: the setup is through */
void redis_set_up(struct redis *redis);

/* beat.c */
void redis_on_beat(evutil_socket_t fd, short what, void *arg);
void redis_beat_send(struct redis *redis, conn_reply *fn);
/* Takes in the answer to redis_beat_send(): slots that are lost, claims that nobody knows of. Frees
 * `arg`. -1 when it was no answer or for another epoch; `ret` is the redis in any case. */
int redis_beat_take(void *arg, const redisReply *reply, struct redis **ret, struct berth_error *e);
/* Takes over what dead runners left. */
void redis_reap(struct redis *redis);

/* sweep.c: deletes users whose claim is gone */
void redis_sweep(struct redis *redis);

/* claim.c */
void redis_claims_fail(struct redis *redis);
/* After a claim found nothing: tells when there is something again. */
void redis_look(struct redis *redis);

/* end.c */
void redis_end(struct box *box);
/* Everything that is ending goes on. */
void redis_end_all(struct redis *redis);

/* private.c */
void redis_private_sweep(const struct redis *redis);
void redis_private_end(struct box *box);
void redis_private_free(struct private_redis *private);

/* leave.c */
void redis_leave_look(struct redis *redis);
void redis_leave_finish(struct redis *redis);
