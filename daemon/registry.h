/* SPDX-License-Identifier: MIT */
/*
 * registry: the tables in PostgreSQL (schema berth) that outlive any daemon, and this runner's life in them.
 *
 *     berth.meta    which version the registry is, and of which database: a copy of it is refused
 *     berth.fence   the sequence behind every fence
 *     berth.runner  one row a berthd, with its heartbeat; only the database's clock counts
 *     berth.slot    one row a slot, whose it is, its fence, and whether anything was made for it yet
 *     berth.lease   who holds it; written behind the grant, gone with the slot's release
 *     berth.template, berth.template_part   templates: who builds one, what was sealed
 *     berth.gate    one row a key of ONCE: who runs it, or how it ended
 *
 * A connection of its own (the keeper) holds this runner's advisory lock (LOCK_CLASS, id). A runner
 * whose lock is free *and* whose heartbeat is older than its grace is dead: PostgreSQL's restart
 * frees every lock at once, so the lock alone proves nothing.
 *
 * Who drops schema berth loses the gates and templates in it. Every runner makes the tables again, and writes
 * down what is its own; what no runner writes down is an orphan that bears a stamp.
 */
#pragma once

#include <event2/event.h>
#include <libpq-fe.h>
#include <stdbool.h>

#include "daemon/pg/conn.h"
#include "daemon/slot.h"

struct config;
struct lease;
struct pg;
struct pg_target;
struct evdns_base;

enum { REGISTRY_VERSION = 4, REGISTRY_LOCK_CLASS = 0x6265 /* "be" */, RUNNER_ID = 6 };

/* What this runner made in an earlier life. */
struct registry_past {
	void (*write_known)(void *arg, struct sql *sql);   /* VALUES rows (name, fence) of the slots that are known, at least one */
	void (*found)(void *arg, const PGresult *result);  /* the names of those that are there */
	void *arg;
};

struct registry_events {
	void (*ready)(void *arg);                 /* tables are there and we are in them (again) */
	void (*pulse)(void *arg);                 /* a heartbeat got through */
	void (*down)(void *arg);                  /* the keeper's connection went away */
	void (*fenced)(void *arg);                /* others declared us dead: touch nothing any more */
	void (*inherit)(void *arg, const char *name, const char *role, enum slot_kind kind, int64_t fence);
	/* a dead runner's slot is ours now, to be dropped; told again until that has begun */
	void (*recall)(void *arg, struct sql *sql); /* the tables are new: INSERT every slot that is ours, if there is one */
	void (*recalled)(void *arg);                /* that is committed: note the leases */
};

struct registry {
	struct pg_conn keeper;
	struct pg *pg;
	const struct config *config;
	struct event *tick;
	const struct registry_events *events;
	struct registry_past past; /* write_known: NULL once that is done, or without one */
	void *arg;
	char runner[RUNNER_ID + 1];
	char application[64];
	char host[256];
	struct flow flow;
	bool ready;       /* heartbeats get through */
	bool registered;  /* the row was made once: from now on its absence means that we are fenced */
	bool locked;      /* the advisory lock is held by the keeper's session */
	bool fenced;
	bool recalling;   /* the tables were lost */
	bool leaving;
	void (*left)(void *arg);       /* to be signed off; NULL before, and while that is under way */
	void (*signed_off)(void *arg); /* while that is under way */
	struct berth_error why; /* what stands in the way of being ready */
	int64_t steady_since; /* clock_now() since which pulses came without a gap; 0: none did */
	int64_t pulse_sent, last_pulse; /* clock_now() when the one under way, the last that came back, was sent */
	char heartbeat[48];   /* as the server wrote it */
	long runners_buried;
	int runners;          /* there are, this one too */
	struct inherited *inherited; /* what the pulse in flight took over; told once it is committed */
	int inherited_count;
};

/* Chooses the runner's id: that of an earlier life, or a new one for "". The rest follows by events. */
void registry_init(struct registry *registry, const struct config *config, const char *runner);
/* Before registry_start(): the runner has lived before, and is `fenced` if its row is gone by now. What it had made and is
 * not known goes the way of the inherited. */
void registry_resume(struct registry *registry, const struct registry_past *past);
void registry_start(struct registry *registry, struct event_base *base, struct evdns_base *dns,
                    struct pg_target *target, struct pg *pg, const struct registry_events *events, void *arg);
void registry_fini(struct registry *registry);

/* false sets `why`: UNAVAILABLE, or what the registry said. */
bool registry_ready(const struct registry *registry, struct berth_error *why);

/* Writes down that the lease was granted; nobody waits for it. */
void registry_note_grant(struct registry *registry, const struct lease *lease);
/* Takes the runner's row away, if no slot hangs on it; then `left`, in any case. */
void registry_leave(struct registry *registry, void (*left)(void *arg));
