/* SPDX-License-Identifier: MIT */
/*
 * redis: the daemon's conversation with the shared Redis server, and redis slots.
 *
 * A redis slot is one DB index that nobody else holds, with a fence and, where the server allows it,
 * an ACL user that can do nothing outside that index; or a private redis-server of its own.
 * The authority is in Redis itself: a registry in a reserved META database, one Lua script for each
 * transition, so that many runners on one server never overlap and a late release by a paused runner
 * is harmless. Nothing here blocks; nothing here knows what a lease is.
 *
 * What cannot be had: a connection begins in database 0, and Redis' ACLs know no databases, so a
 * client that never says SELECT works in database 0, whatever its user. Pub/sub channels and functions
 * are the whole server's. Where the default user has no password, anybody may be that user.
 *
 * redis    owns the connection, its slots until they are handed to `done`, and those being ended
 * caller   owns a slot from `done` until it calls redis_slot_end(), which takes it
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/errors.h"

struct evdns_base;
struct redis;

enum redis_mode { REDIS_NONE, REDIS_INDEX, REDIS_ACL, REDIS_PRIVATE };

struct redis_config {
	const char *url;          /* redis://[user:password@]host[:port], or unix://[user:password@]/path */
	const char *runner;       /* this runner's id, [0-9a-f]{6}; names the ACL users and claims */
	int meta_db;              /* the registry's database; never leased, like 0 */
	int grace_ms;             /* a runner silent for longer has lost its claims */
	int heartbeat_ms;
	int deadline_ms;          /* for one command or connect */
	const char *server;       /* redis-server binary for private ones (searched in PATH) */
	const char *private_dir;  /* where private servers keep their sockets; made by the caller, and
	                           * open (x) to others: started by root, the servers run as nobody */
};

struct redis_slot {
	enum redis_mode mode;         /* REDIS_ACL or REDIS_INDEX (as the server allows), or REDIS_PRIVATE */
	int db;                       /* 0 for a private one */
	int64_t fence;
	char user[64];                /* index: whom the daemon itself logs in as, "" for the default user */
	char password[256];           /* "" without one */
	char host[256];               /* "" when only a socket leads there */
	int port;                     /* 0 then */
	char socket[256];             /* "" when only TCP leads there */
	char url[1536];               /* all of it as redis-py and go understand it; secret */
	void *owner;                  /* the caller's, for redis_events.lost */
};

struct redis_events {
	void (*up)(void *arg);                                      /* connected, able to claim */
	void (*down)(void *arg);                                    /* redis_up() says why */
	void (*lost)(void *arg, struct redis_slot *slot, const char *why);
	/* somebody else owns the claim now (we were silent beyond grace_ms), or a private server died:
	 * the caller must end whatever uses it and still call redis_slot_end() */
	void (*freed)(void *arg);                                   /* a database became claimable again */
};

/* Copies what it needs of config; the process must ignore SIGPIPE. Connects and reconnects (backoff, jitter) by itself. */
struct redis *redis_new(struct event_base *base, struct evdns_base *dns, const struct redis_config *config,
                        const struct redis_events *events, void *arg);
/* Closes at once; slots that are still being ended stay claimed until a reaper comes. Kills the
 * private servers. Claims under way are answered with UNAVAILABLE, and redis_leave_start() with
 * `done`, before it returns: nothing may be started from there. The caller has ended or forgotten
 * its slots. Not from inside a callback. */
void redis_free(struct redis *redis);

/* Whether claims can be made now; false sets `why` (UNAVAILABLE, with the server and the reason). */
bool redis_up(const struct redis *redis, struct berth_error *why);
/* Whether the server lets us make users; known once it was up. */
bool redis_acl_allowed(const struct redis *redis);
/* "7.0.15", or "" before the first connection. Borrowed. */
const char *redis_version(const struct redis *redis);
/* How many databases there are to lease (all but 0 and META). */
int redis_leasable(const struct redis *redis);

/* Exactly once, never before the start call has returned: the slot is the caller's, or NULL with
 * `e` set: LIMIT (all are leased or hold foreign keys: says how many of each), UNAVAILABLE, REDISERR. */
typedef void redis_claim_done(void *arg, struct redis_slot *slot, const struct berth_error *e);

/* Claims a database that is unclaimed *and* empty. REDIS_ACL makes a user for it where ACLs are allowed (the
 * slot's mode tells), REDIS_INDEX makes none. */
void redis_claim_start(struct redis *redis, enum redis_mode mode, redis_claim_done *done, void *arg);
/* A claim that an earlier life of this runner made, before the first connection: mode, db, fence, and of an ACL user
 * its name and password are read from `was`. Should it be another's by now, `lost` tells. */
struct redis_slot *redis_slot_restore(struct redis *redis, const struct redis_slot *was);
/* Starts a redis-server of its own: password, loopback port and socket; dies with this process. */
void redis_private_start(struct redis *redis, redis_claim_done *done, void *arg);

/*
 * Ends a slot; takes it, and frees it once it is done. Deletes the user (which closes its
 * connections), flushes the database (ASYNC), frees the claim, all fenced and in one transaction;
 * an index without a user has its connections killed by CLIENT LIST and is flushed until it stays
 * empty. Goes on trying across reconnects. A private server is killed and its files removed.
 */
void redis_slot_end(struct redis *redis, struct redis_slot *slot);
/* Exactly once, never before the call has returned. e: UNAVAILABLE, REDISERR, STALE (the claim was lost). */
typedef void redis_flush_done(void *arg, const struct berth_error *e);
/* Empties a slot that is in use (ASYNC); its user and the claim stay. */
void redis_slot_flush(struct redis *redis, struct redis_slot *slot, redis_flush_done *done, void *arg);

struct redis_orphan {
	int db;
	char runner[16];  /* of the claim; "": nobody claims it, and it holds keys */
	int64_t fence;
	int64_t keys;
	int64_t age_ms;   /* of the claim; -1: not known */
	int sessions;     /* clients in it; -1: we may not see them */
};

/* `list` is borrowed for the call. UNAVAILABLE, REDISERR; then the list is empty. */
typedef void redis_orphans_done(void *arg, const struct redis_orphan *list, int count,
                                const struct berth_error *e);

/* Looks for claims whose runner shows no sign of life (they are taken over by themselves) and for
 * databases with keys that nobody claims (nobody of berth's ever flushes them). -1: not up, `done` is
 * not called; otherwise exactly once, never before this has returned. */
int redis_orphans_start(struct redis *redis, redis_orphans_done *done, void *arg, struct berth_error *e);

/* How many databases are claimed: leased, free or being ended. */
int redis_taken(const struct redis *redis);
/* How many slots are still being ended. */
int redis_ending(const struct redis *redis);
/* Everything of this runner is gone from the registry, best effort; then `done`. For shutdown. */
void redis_leave_start(struct redis *redis, void (*done)(void *arg), void *arg);

/* The word of a mode ("acl"); and back, -1 for none. */
const char *redis_mode_word(enum redis_mode mode);
int redis_mode_of(const char *word);
