/* SPDX-License-Identifier: MIT */
/*
 * slot: one schema, or one database, and the login role of the same name that owns it.
 *
 *     BUILDING ──→ FREE ──→ HELD ──→ DROPPING ──→ (gone)
 *         └─────────┴──────────────────↑
 *
 * pool     owns every slot
 * lease    borrows its slot while HELD, or from the start of its building when it asked by name
 * flow     borrows its slot until done(); a slot in a flow is never freed
 *
 * A released slot is dropped: it is not handed out twice.
 */
#pragma once

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "daemon/base/random.h"
#include "proto/errors.h"
#include "proto/limits.h"

struct lease;
struct slot_build;
struct slot_drop;

enum slot_kind { SLOT_SCHEMA, SLOT_DATABASE, SLOT_KINDS };

#define SLOT_TO(state) (1u << (state))

/*        state          may move to */
#define SLOT_STATES(X)                                                              \
	X(SLOT_BUILDING, SLOT_TO(SLOT_FREE) | SLOT_TO(SLOT_DROPPING))               \
	X(SLOT_FREE,     SLOT_TO(SLOT_HELD) | SLOT_TO(SLOT_DROPPING))               \
	X(SLOT_HELD,     SLOT_TO(SLOT_DROPPING))                                    \
	X(SLOT_DROPPING, 0)

enum slot_state {
#define X(state, next) state,
	SLOT_STATES(X)
#undef X
	SLOT_STATE_COUNT
};

struct slot {
	char name[LIMIT_NAME_BYTES + 1]; /* of the schema or database, and of the role */
	enum slot_kind kind;
	enum slot_state state;           /* written by slot_move() alone */
	int64_t fence;                   /* 0 until it is claimed in the registry */
	char password[SECRET_TEXT];
	struct lease *lease;             /* borrowed; who holds it or had it built; NULL for anybody's */
	struct slot_build *build;        /* under way, owned by itself; a slot has one of the two at most */
	struct slot_drop *drop;
	struct event *retry;             /* owned; the next try of a drop that failed */
	int drop_tries;
	bool unwanted;                   /* its lease ended while it was being built for it */
	bool started;                    /* a drop is under way, not merely waiting for its turn */
	TAILQ_ENTRY(slot) link;          /* in its pool's list of `state` */
};
TAILQ_HEAD(slot_list, slot);

struct slot *slot_new(const char *name, enum slot_kind kind);
void slot_free(struct slot *slot); /* in no list, in no flow */

/* Asserts that the move is allowed, unlinks, sets, links. `lists` is indexed by state. */
void slot_move(struct slot *slot, enum slot_state next, struct slot_list lists[SLOT_STATE_COUNT]);

const char *slot_state_word(enum slot_state state); /* "building" … */
const char *slot_kind_word(enum slot_kind kind);    /* "schema", "database" */
int slot_kind_of(const char *word);                 /* -1 for neither */
