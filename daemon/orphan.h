/* SPDX-License-Identifier: MIT */
/*
 * orphan: a schema, role, database or Redis database that nobody who lives owns.
 *
 *     dead      berth's, and its runner is dead: berthd drops it by itself
 *     stamped   bears berth's stamp, and no registry knows of it (a restored dump, a lost registry)
 *     foreign   not berth's at all; only for those who say FOREIGN and a pattern
 *
 * Facts go in, decisions come out: nothing here knows a server or a clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/stamp.h"
#include "proto/errors.h"
#include "proto/limits.h"

/* In the order in which they are listed, and dropped: what is owned before its owner. */
#define ORPHAN_KINDS(X) X(DATABASE, "database") X(SCHEMA, "schema") X(ROLE, "role") X(REDIS, "redis")

enum orphan_kind {
#define X(kind, word) ORPHAN_##kind,
	ORPHAN_KINDS(X)
#undef X
	ORPHAN_KIND_COUNT
};

#define ORPHAN_CLASSES(X) X(LIVE, "live") X(DEAD, "dead") X(STAMPED, "stamped") X(FOREIGN, "foreign")

/* LIVE is none; it is not told. */
enum orphan_class {
#define X(class, word) ORPHAN_##class,
	ORPHAN_CLASSES(X)
#undef X
};

#define ORPHAN_ACTIONS(X) \
	X(NONE, "none") X(WOULD_DROP, "would-drop") X(DROPPED, "dropped") X(DROPPING, "dropping") X(EMPTIED, "emptied") \
	X(KEPT, "kept")

/* DROPPING: some of it is gone, the rest goes when it is asked for again. */
enum orphan_action {
#define X(action, word) ORPHAN_##action,
	ORPHAN_ACTIONS(X)
#undef X
};

enum { ORPHAN_WHY = 384 };

struct orphan {
	/* what it is */
	enum orphan_kind kind;
	char name[LIMIT_NAME_BYTES + 1]; /* of a Redis database: its number */
	int64_t oid, owner;
	char stamp_text[STAMP_TEXT];     /* "": it bears none */
	struct stamp stamp;
	bool system;      /* the server's own, an extension's, the daemon's, or a role with powers */

	/* what the registry says */
	bool registered;
	bool dropping;    /* its row says so */
	char runner[STAMP_RUNNER + 1]; /* of its row, or of its claim in Redis; "" for none */
	int64_t silent_ms, grace_ms;   /* of that runner */
	int lock_pid;     /* the session that holds the lock of its runner (of the stamp's where there is no row); 0: none */
	bool prepared;    /* the role of its name has prepared transactions */
	bool calm;        /* PostgreSQL is up for so long that whoever lives is back */

	/* whose it was, and how much it is; "" and -1: not known */
	char host[256], run[LIMIT_RUN_BYTES + 1], worker[LIMIT_WORKER_BYTES + 1];
	int64_t uid, age_ms, tables, bytes, sessions;

	/* what was decided */
	enum orphan_class class;
	enum orphan_action action;
	char why[ORPHAN_WHY];
};

enum orphans_what { ORPHANS_LIST, ORPHANS_DRYRUN, ORPHANS_DROP };

/* What is asked for. */
struct orphans_ask {
	enum orphans_what what;
	int64_t older_ms;  /* only what is known to be at least as old; -1: any */
	char like[256];    /* SQL's pattern of names; "" for any */
	bool foreign;
	bool sessions;     /* end the sessions that are in the way */
	bool empty;        /* schemas alone: what is in one goes, itself, its owner and rights stay */
	bool brief;        /* do not find out how large it is: that takes longer than all else */
	enum orphan_kind after_kind; /* go on behind this one … */
	char after[LIMIT_NAME_BYTES + 1]; /* … of this name; "" begins */
	int count;         /* at most so many in one answer */
};

/* Whether that may be asked for; USAGE says why not. */
int orphans_check(const struct orphans_ask *ask, struct berth_error *e);

/*
 * Decides class, action and why. False: it is none, or not asked for. The action is NONE for a list,
 * else KEPT (why: what stands in the way) or WOULD_DROP.
 */
bool orphan_judge(struct orphan *orphan, const struct orphans_ask *ask);

/* Whether a thing of that name is never anybody's orphan: PostgreSQL's, `public`, berth's own. */
bool orphan_is_sacred(enum orphan_kind kind, const char *name);

const char *orphan_kind_word(enum orphan_kind kind);
int orphan_kind_of(const char *word, int len); /* -1 for none */
const char *orphan_class_word(enum orphan_class class);
const char *orphan_action_word(enum orphan_action action);
