/* SPDX-License-Identifier: MIT */
/*
 * slot: one schema, or one database, and the login role that owns it: of the same name, its own. Where
 * berthd may make no roles all slots share one (lease_role); then nothing is done to the role itself, and
 * what bounds a slot is its name, which is used again for nobody but who asks for it.
 *
 *     BUILDING ──→ FREE ──→ HELD ──→ CLEANING ──→ FREE …
 *         │         │         │          │
 *         └─────────┴─────────┴──────────┴──→ DROPPING ──→ (gone)
 *
 * pool     owns every slot
 * shelf    lists none; says of which make a slot is
 * lease    borrows its slot while HELD, or from the start of its building when it was built for it
 * flow     borrows its slot until done(); a slot in a flow is never freed
 *
 * A slot of a template that is given back is cleaned and handed out again; every other, and one that
 * is in doubt, is dropped.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/base/random.h"
#include "proto/errors.h"
#include "proto/limits.h"

struct baseline;
struct guest;
struct lease;
struct reset;
struct restore;
struct seal;
struct shelf;
struct slot_build;
struct slot_clean;
struct slot_drop;

enum { SLOT_PASSWORD = 255 };

enum slot_kind { SLOT_SCHEMA, SLOT_DATABASE, SLOT_KINDS };

#define SLOT_TO(state) (1u << (state))

/*        state          may move to */
#define SLOT_STATES(X)                                                              \
	X(SLOT_BUILDING, SLOT_TO(SLOT_FREE) | SLOT_TO(SLOT_DROPPING))               \
	X(SLOT_FREE,     SLOT_TO(SLOT_HELD) | SLOT_TO(SLOT_DROPPING))               \
	X(SLOT_HELD,     SLOT_TO(SLOT_CLEANING) | SLOT_TO(SLOT_DROPPING))           \
	X(SLOT_CLEANING, SLOT_TO(SLOT_FREE) | SLOT_TO(SLOT_DROPPING))               \
	X(SLOT_DROPPING, 0)

enum slot_state {
#define X(state, next) state,
	SLOT_STATES(X)
#undef X
	SLOT_STATE_COUNT
};

struct slot {
	char name[LIMIT_NAME_BYTES + 1]; /* of the schema or database */
	char role[LIMIT_NAME_BYTES + 1]; /* that logs in and owns it: of the same name, or see slot_is_shared() */
	enum slot_kind kind;
	enum slot_state state;           /* written by slot_move() alone */
	int64_t since;                   /* clock_now() of that */
	int64_t fence;                   /* 0 until it is claimed in the registry */
	int64_t made;                    /* when that was, in seconds since 1970 by the server's clock; 0: not known */
	char password[SLOT_PASSWORD + 1]; /* the role's; "" when it needs none */
	struct shelf *shelf;             /* borrowed: of which make it is */
	struct lease *lease;             /* borrowed; who holds it or had it built; NULL for anybody's */
	struct baseline *baseline;       /* owned; what a reset brings back; NULL: an empty schema */
	struct guest *guest;             /* owned, may be NULL: our connection as its role */
	bool prepared;                   /* that connection knows the look */
	bool doubt;                      /* a reset went wrong half-way */
	bool adopted;                    /* an earlier life of this runner made it; not yet seen to be as it was then */
	bool forgetful;                  /* a BASELINE was declared in that life: nobody knows any more what it was */
	struct slot_build *build;        /* under way, owned by itself; a slot has one of the two at most */
	struct slot_clean *clean;
	struct slot_drop *drop;
	struct reset *reset;             /* under way; it waits for nobody else's flow */
	struct event *retry;             /* owned; the next try of a drop that failed */
	int drop_tries;
	bool unwanted;                   /* its lease ended while it was being built for it, or talked to */
	bool again;                      /* and whoever gave it back was its holder */
	bool named;                      /* its name was asked for */
	struct seal *seal;               /* of these; they free themselves */
	struct restore *restore;
	int talks;                       /* conversations of verbs with it, while it is held */
	bool started;                    /* a drop is under way, not merely waiting for its turn */
	TAILQ_ENTRY(slot) link;          /* in its pool's list of `state` */
};
TAILQ_HEAD(slot_list, slot);

struct slot *slot_new(const char *name, enum slot_kind kind); /* with a role of its own */
/* It has this role instead: one that others have too, unless it bears the name of the slot. */
void slot_share(struct slot *slot, const char *role, const char *password);
bool slot_is_shared(const struct slot *slot);
/* That role, as the registry notes it; NULL for a slot with one of its own. */
const char *slot_shared_role(const struct slot *slot);
void slot_free(struct slot *slot); /* in no list, in no flow */

/* Asserts that the move is allowed, unlinks, sets, links. `lists` is indexed by state. */
void slot_move(struct slot *slot, enum slot_state next, struct slot_list lists[SLOT_STATE_COUNT]);

const char *slot_state_word(enum slot_state state); /* "building" … */
const char *slot_kind_word(enum slot_kind kind);    /* "schema", "database" */
int slot_kind_of(const char *word);                 /* -1 for neither */
