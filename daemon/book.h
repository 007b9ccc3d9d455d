/* SPDX-License-Identifier: MIT */
/*
 * book: every lease there is, who waits, and the grant itself.
 *
 * A grant takes schema (or database) and Redis database together or not at all, and only while both
 * servers can be used.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <sys/types.h>

#include "daemon/lease.h"
#include "daemon/queue.h"

struct config;
struct enums;
struct journal;
struct pg;
struct pool;
struct redis_pool;
struct registry;
struct template;

struct book_stats {
	long acquires, grants, longest_wait_us;
	int most_held; /* at one time */
	long ends[LEASE_END_COUNT];
};

struct book {
	struct event_base *base;
	const struct config *config;
	struct pg *pg;
	struct pool *pool;
	struct redis_pool *redis_pool;
	struct redis *redis;
	struct registry *registry;
	struct enums *enums;
	struct journal *journal;
	struct lease *by_id, *by_key;
	struct queue queue;
	int held;
	bool adopting;              /* what an earlier life has granted is not to be touched yet */
	bool closing;               /* no new leases */
	void (*empty)(void *arg);   /* after book_close(): the last lease has ended */
	void *arg;
	struct book_stats stats;
};

void book_init(struct book *book);
void book_fini(struct book *book); /* asserts that it is empty */

/* What somebody asks for; texts are borrowed for the call. */
struct book_request {
	const char *run, *worker, *label;
	struct lease_want want;
	bool kind_said, name_said; /* a lease that is there already must match what was said */
	uid_t uid;
	pid_t pid;
};

/*
 * The lease of (uid, run, worker): the one that is there, or a new one, waiting or held. It is bound
 * to `session` unless it was asked for detached. NULL: `e` says why not.
 */
struct lease *book_acquire(struct book *book, struct session *session, const struct book_request *request,
                           struct berth_error *e);
/* The lease of (uid, run, worker) that is there already, or NULL. */
const struct lease *book_peek(struct book *book, const struct book_request *request);
/* By id, "run/worker" of that uid, or the name of its schema: NOLEASE, or DENIED when it is another uid's and this one is not
 * privileged. */
struct lease *book_find(struct book *book, const char *text, size_t len, uid_t uid, bool privileged,
                        struct berth_error *e);

/* Ties the lease's life to the session too; twice is once. */
void book_bind(struct lease *lease, struct session *session);
/* The session is closing: its leases lose it. */
void book_unbind_all(struct book *book, struct binding_list *bindings);
void book_detach(struct lease *lease);
/* Something of it changed that outlives berthd: its time, or that a BASELINE was declared. */
void book_changed(struct lease *lease);
/* Starts the lease's time again, with `ttl` µs where that is > 0. */
void book_renew(struct lease *lease, int64_t ttl);
/* Pins it for a look: detached, for that long, and (run, worker) is free for a new lease. */
void book_keep(struct lease *lease, int64_t ttl);
/* Ends it, whatever its state; wakes who waits for it. The lease is gone afterwards. */
void book_end(struct lease *lease, enum lease_end why);

/* The holder was told of its failure: the lease goes, in the next turn of the loop. */
void book_told(struct lease *lease);

/* Something may have become possible: grants what can be granted. */
void book_serve(struct book *book);
/* Writes every lease that is held down in the registry, which was lost. */
void book_note_all(struct book *book);
/* Events of the pool and of redis. */
void book_slot_failed(struct book *book, struct slot *slot, const struct berth_error *e);
void book_slot_refused(struct book *book, struct shelf *shelf);
void book_template_failed(struct book *book, struct template *template, const struct berth_error *e);
/* The lease has sealed its template and goes on with the slot that was the proof. */
void book_hand_over(struct book *book, struct lease *lease, struct slot *proof);
void book_redis_lost(struct book *book, struct redis_slot *slot, const char *why);

/* What the lease's slot comes from; NULL while that is not known. A builder begins with an empty one. */
struct shelf *book_shelf(const struct lease *lease);
/* Whether its slot is built for it alone. A builder's is not: it has its name when the template is sealed. */
bool book_is_named(const struct lease *lease);
/* What the lease waits for, for people; NULL when it does not wait. Points into `buffer` or a constant. */
const char *book_why(const struct lease *lease, char *buffer, size_t size);
/* Whether leases can be granted now at all; false sets UNAVAILABLE. */
bool book_usable(const struct book *book, enum redis_mode redis, struct berth_error *why);
/* ms left until the lease ends by itself. */
int64_t book_ms_left(const struct lease *lease);

/* A lease of an earlier life, to be filled in; then it is HELD by its slot, which the pool has by now. */
struct lease *book_blank(struct book *book);
void book_discard(struct lease *lease); /* a blank one */
void book_restore(struct lease *lease, struct slot *slot, struct redis_slot *redis);
/* Whether it is of an earlier life and not to be touched yet; then `e` says so (UNAVAILABLE). */
bool book_is_adopting(const struct lease *lease, struct berth_error *e);
/* What was restored has been seen to be there: `adopting` is over, its time goes on. */
void book_resume(struct book *book);

/* No new leases; when `now`, ends all of them; `empty` is called once there is none. */
void book_close(struct book *book, bool now, void (*empty)(void *arg), void *arg);
