/* SPDX-License-Identifier: MIT */
/* What is an orphan, why, and whether it may be dropped. */
#include "daemon/orphan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Fewer characters that mean themselves would match what nobody thinks of. */
enum { TELLING = 3 };

static const char *const kind_words[] = {
#define X(kind, word) word,
	ORPHAN_KINDS(X)
#undef X
};
static const char *const class_words[] = {
#define X(class, word) word,
	ORPHAN_CLASSES(X)
#undef X
};
static const char *const action_words[] = {
#define X(action, word) word,
	ORPHAN_ACTIONS(X)
#undef X
};

const char *
orphan_kind_word(enum orphan_kind kind)
{
	return kind_words[kind];
}

int
orphan_kind_of(const char *word, int len)
{
	for (int i = 0; i < ORPHAN_KIND_COUNT; i++)
		if ((int)strlen(kind_words[i]) == len && memcmp(kind_words[i], word, (size_t)len) == 0)
			return i;
	return -1;
}

const char *
orphan_class_word(enum orphan_class class)
{
	return class_words[class];
}

const char *
orphan_action_word(enum orphan_action action)
{
	return action_words[action];
}

/* ---- the question ---- */

/* How many characters of the pattern mean themselves; -1: it ends in the middle of an escape. */
static int
literals(const char *like)
{
	int n = 0;

	for (; *like; like++) {
		bool escaped = *like == '\\';

		if (escaped && !*++like)
			return -1;
		n += escaped || (*like != '%' && *like != '_');
	}
	return n;
}

int
orphans_check(const struct orphans_ask *ask, struct berth_error *e)
{
	int n = literals(ask->like);

	if (n < 0)
		return berth_error_set(e, BERTH_USAGE, "the pattern of LIKE ends with a backslash, which escapes nothing");
	if (ask->foreign && !*ask->like)
		return berth_error_set(e, BERTH_USAGE, "FOREIGN is for what berth did not make: it needs LIKE pattern, "
		                       "which says what is meant");
	if (ask->foreign && ask->what == ORPHANS_DROP && n < TELLING)
		return berth_error_set(e, BERTH_USAGE, "LIKE '%s' matches nearly everything; to drop what berth did not "
		                       "make, give %d characters at least besides %% and _", ask->like, TELLING);
	return 0;
}

/* ---- the verdict ---- */

static bool
begins_with(const char *name, const char *with)
{
	return strncmp(name, with, strlen(with)) == 0;
}

bool
orphan_is_sacred(enum orphan_kind kind, const char *name)
{
	static const char *const names[] = { "public", "information_schema", "postgres", "template0", "template1" };

	if (kind == ORPHAN_REDIS)
		return strcmp(name, "0") == 0;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return begins_with(name, "pg_") || begins_with(name, "berth");
}

#define WHY(orphan, ...) snprintf((orphan)->why, sizeof (orphan)->why, __VA_ARGS__)

static enum orphan_class
judge_redis(struct orphan *o, const struct orphans_ask *ask)
{
	if (*o->runner) {
		WHY(o, "runner %s, which claimed it, shows no sign of life", o->runner);
		return ORPHAN_DEAD;
	}
	if (!ask->foreign || orphan_is_sacred(o->kind, o->name))
		return ORPHAN_LIVE;
	WHY(o, "it holds %" PRId64 " keys, and nobody has claimed it", o->tables);
	return ORPHAN_FOREIGN;
}

static enum orphan_class
judge_registered(struct orphan *o)
{
	const char *host = *o->host ? o->host : "?";

	if (o->dropping && *o->stamp_text && strcmp(o->stamp.runner, o->runner) != 0) {
		WHY(o, "its runner %s is dead, and runner %s drops it", o->stamp.runner, o->runner);
		return ORPHAN_DEAD;
	}
	if (o->silent_ms <= o->grace_ms)
		return ORPHAN_LIVE;
	if (o->lock_pid)
		WHY(o, "its runner %s on %s is silent for %" PRId64 " s, but the session %d still holds its lock: if that "
		       "machine is gone, SELECT pg_terminate_backend(%d)",
		    o->runner, host, o->silent_ms / 1000, o->lock_pid, o->lock_pid);
	else
		WHY(o, "its runner %s on %s is dead: its lock is free, and it is silent for %" PRId64 " s", o->runner, host,
		    o->silent_ms / 1000);
	return ORPHAN_DEAD;
}

static enum orphan_class
judge_stamped(struct orphan *o)
{
	WHY(o, "berth made it (runner %s, fence %" PRId64 "), and no registry knows of it", o->stamp.runner,
	    o->stamp.fence);
	return ORPHAN_STAMPED;
}

static enum orphan_class
judge_foreign(struct orphan *o, const struct orphans_ask *ask)
{
	if (!ask->foreign || o->system || orphan_is_sacred(o->kind, o->name))
		return ORPHAN_LIVE;
	WHY(o, "berth did not make it; its name is like '%s'", ask->like);
	return ORPHAN_FOREIGN;
}

static enum orphan_class
classify(struct orphan *o, const struct orphans_ask *ask)
{
	if (o->kind == ORPHAN_REDIS)
		return judge_redis(o, ask);
	if (o->registered)
		return judge_registered(o);
	return *o->stamp_text ? judge_stamped(o) : judge_foreign(o, ask);
}

/* False: something stands in the way, and `why` says it. */
static bool
may_drop(struct orphan *o, const struct orphans_ask *ask)
{
	size_t len = strlen(o->why);

	if (o->class == ORPHAN_DEAD)
		snprintf(o->why + len, sizeof o->why - len, o->lock_pid ? "" : "; berthd drops it by itself");
	else if (o->kind == ORPHAN_REDIS)
		snprintf(o->why + len, sizeof o->why - len,
		         "; berth never flushes what it did not write: redis-cli -n %s FLUSHDB", o->name);
	else if (o->class == ORPHAN_STAMPED && o->lock_pid)
		WHY(o, "its runner %s lives: the session %d holds its lock", o->stamp.runner, o->lock_pid);
	else if (o->class == ORPHAN_STAMPED && !o->calm)
		WHY(o, "PostgreSQL has just started: whoever lives may not be back yet; try again in a moment");
	else if (o->sessions > 0 && !ask->sessions)
		WHY(o, "%" PRId64 " session%s may be at work in it; SESSIONS ends what is in the way", o->sessions,
		    o->sessions == 1 ? "" : "s");
	else
		return true;
	return false;
}

bool
orphan_judge(struct orphan *o, const struct orphans_ask *ask)
{
	if (ask->empty && o->kind != ORPHAN_SCHEMA)
		return false;
	o->class = classify(o, ask);
	if (o->class == ORPHAN_LIVE || (ask->older_ms >= 0 && o->age_ms < ask->older_ms))
		return false;
	if (ask->what == ORPHANS_LIST)
		o->action = ORPHAN_NONE;
	else
		o->action = may_drop(o, ask) ? ORPHAN_WOULD_DROP : ORPHAN_KEPT;
	return true;
}
