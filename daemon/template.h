/* SPDX-License-Identifier: MIT */
/*
 * template: what slots are built from, sealed under a key.
 *
 *     UNKNOWN ──→ ASKING ──→ SEALED ──→ (gone)      somebody has sealed it
 *        ↑          ├──────→ THEIRS ──→ ASKING …    another runner's lease builds it; looked at again
 *        │          └──────→ OURS ────→ SEALED      a lease of ours builds it, or is to
 *        └──────────────────────┘ its builder gave up
 *
 * The row in berth.template decides: whoever gets it with state `building` and a new fence is the one that
 * builds. A builder whose runner is not in berth.runner any more is replaced. Only a row that is `sealed` is
 * trusted, and it says so in the transaction that writes its parts.
 *
 * templates  own every template
 * lease      borrows the one that it wants (template_hold … template_release)
 * slot       borrows its shelf
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "daemon/pg/flow.h"
#include "daemon/shelf.h"
#include "proto/limits.h"

struct doomed;
struct image;
struct lease;
struct pool;
struct slot_site;
struct templates;

enum template_state { TEMPLATE_UNKNOWN, TEMPLATE_ASKING, TEMPLATE_THEIRS, TEMPLATE_OURS, TEMPLATE_SEALED };

enum { TEMPLATE_BUILDER = LIMIT_RUN_BYTES + LIMIT_WORKER_BYTES + 320, TEMPLATES_MAX = 1024 };

struct template {
	struct templates *templates;
	char key[LIMIT_TEMPLATE_KEY_BYTES + 1];
	char index[LIMIT_TEMPLATE_KEY_BYTES + 16]; /* "schema/key" */
	struct shelf shelf;              /* its slots; the pool has it while SEALED or being sealed */
	bool shelved;
	enum template_state state;
	int64_t fence;                   /* of the build at hand, or of what was sealed */
	int64_t watched;                 /* of the build that those who wait now wait for; 0: they are new */
	char builder[TEMPLATE_BUILDER];  /* who builds it, for people */
	struct lease *lease;             /* of ours, that builds it; borrowed */
	char database[LIMIT_NAME_BYTES + 1]; /* kind database: the sealed copy */
	int64_t rows, bytes;
	int tables;
	int holders;                     /* leases that want it or have one of its slots */
	int waiters;                     /* of those, the ones that wait */
	bool gone;                       /* dropped: not found any more, freed with its last slot */
	struct event *look;              /* the next look at a build of theirs */
	struct flow flow;
	bool claimed;                    /* by the asking under way */
	bool asked_about;                /* by the sweep under way */
	char seen[16];                   /* the row's state, as seen by it; "" without a row */
	char message[BERTH_ERROR_MESSAGE_MAX];
	UT_hash_handle hh;
	TAILQ_ENTRY(template) link;      /* among those that are gone */
};

struct templates_events {
	/* It is sealed, or it is a lease of ours that shall build it: serve who waits. */
	void (*changed)(void *arg, struct template *template);
	/* Its builder gave up with a message, or it cannot be had: those who wait shall hear it. */
	void (*failed)(void *arg, struct template *template, const struct berth_error *e);
	/* The registry was asked about it, whatever came of it (NULL), or could not be. */
	void (*asked)(void *arg, struct template *template, const struct berth_error *e);
};

struct templates {
	struct event_base *base;
	const struct slot_site *site;
	struct pool *pool;
	const char *host;                /* borrowed */
	const struct templates_events *events;
	void *arg;
	struct template *by_index;
	TAILQ_HEAD(, template) gone;
	struct flow sweep;               /* of template_sweep.c */
	bool up;                         /* between templates_up() and templates_down() */
	struct doomed *doomed;           /* what it is dropping */
	bool sweeping;
	int64_t swept;                   /* clock_now() of the last full sweep */
};

void templates_init(struct templates *templates, struct event_base *base, const struct slot_site *site, struct pool *pool,
                    const char *host, const struct templates_events *events, void *arg);
/* After pg_fini(), pool_fini() having forgotten every slot, and the last lease. */
void templates_fini(struct templates *templates);
/* Slots have gone: so do templates that were dropped and had no others. */
void templates_settle(struct templates *templates);

/* Whether a template may have this key: visible ASCII, USAGE otherwise. */
int template_key_check(const char *key, size_t len, struct berth_error *e);
/* The template of that key and kind, known or not yet; NULL and LIMIT when there are too many. */
struct template *template_get(struct templates *templates, const char *key, enum slot_kind kind, struct berth_error *e);
struct template *template_find(struct templates *templates, const char *key, enum slot_kind kind);
void template_hold(struct template *template);
void template_release(struct template *template);

/* A lease waits for it (more), or does not any more. */
void template_wait(struct template *template, int change);
/* The registry is usable (again), or is not: asks for what is waited for. */
void templates_up(struct templates *templates);
void templates_down(struct templates *templates);

/* Asks for it although nobody waits; events->asked tells. Nothing while it is being asked for anyway. */
void template_load(struct template *template);

/* OURS: this lease builds it. */
void template_give(struct template *template, struct lease *lease);
/* The builder gave up: NULL lets the next one build, a message fails those who wait. */
void template_give_up(struct template *template, const char *message);
/* OURS → SEALED; image, database, fence and counts are set. */
void template_sealed(struct template *template);
/* Whether a lease may be given the template's empty slot, to build. */
bool template_wants_builder(const struct template *template);

/* Puts its shelf into the pool (again). */
void template_shelve(struct template *template);
/* It was dropped: nobody finds it any more, its free slots go. */
void template_forget(struct template *template);
