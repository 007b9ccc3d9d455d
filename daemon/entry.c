/* SPDX-License-Identifier: MIT */
/* Fields to words, words to fields. */
#include "daemon/entry.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/baseline.h"
#include "daemon/journal.h"
#include "daemon/lease.h"
#include "daemon/shelf.h"
#include "daemon/slot.h"
#include "daemon/template.h"
#include "proto/request.h"

#define SLOT_FIELDS(TEXT, NUMBER)  \
	TEXT(slot->name)           \
	NUMBER(slot->kind)         \
	NUMBER(slot->fence)        \
	NUMBER(slot->made)         \
	TEXT(slot->password)       \
	NUMBER(slot->named)        \
	TEXT(rest->template)       \
	NUMBER(rest->declared)

#define LEASE_FIELDS(TEXT, NUMBER) \
	TEXT(lease->id)            \
	TEXT(lease->key)           \
	TEXT(lease->run)           \
	TEXT(lease->worker)        \
	TEXT(lease->label)         \
	NUMBER(lease->uid)         \
	NUMBER(lease->pid)         \
	NUMBER(lease->want.kind)   \
	TEXT(lease->want.name)     \
	NUMBER(lease->want.redis)  \
	NUMBER(lease->want.exactly) \
	NUMBER(lease->want.ttl)    \
	NUMBER(lease->detached)    \
	NUMBER(lease->created)     \
	NUMBER(lease->granted)     \
	NUMBER(lease->renewed)     \
	NUMBER(rest->redis.mode)   \
	NUMBER(rest->redis.db)     \
	NUMBER(rest->redis.fence)  \
	TEXT(rest->redis.user)     \
	TEXT(rest->redis.password)

/* At the end, for what an older berthd has written lacks it. */
#define LATER_FIELDS(TEXT, NUMBER) \
	TEXT(slot->role)

enum { WORDS = 32, KEY_BYTES = LIMIT_NAME_BYTES + 16 };

/* ---- writing ---- */

struct words {
	const char *argv[WORDS];
	char numbers[WORDS][24];
	int count;
};

static void
add_text(struct words *words, const char *text)
{
	words->argv[words->count++] = text;
}

static void
add_number(struct words *words, int64_t number)
{
	char *text = words->numbers[words->count];

	snprintf(text, sizeof words->numbers[0], "%" PRId64, number);
	add_text(words, text);
}

#define ADD_TEXT(at)   add_text(&words, at);
#define ADD_NUMBER(at) add_number(&words, (int64_t)(at));

static void
rest_of_slot(const struct slot *slot, struct entry_rest *rest)
{
	const struct shelf *shelf = slot->shelf;

	snprintf(rest->template, sizeof rest->template, "%s", shelf->key ? shelf->key : "");
	rest->declared = slot->forgetful || (slot->baseline && slot->baseline->image != shelf->image);
}

static void
rest_of_redis(const struct redis_slot *redis, struct entry_rest *rest)
{
	rest->redis.mode = redis->mode;
	rest->redis.db = redis->db;
	rest->redis.fence = redis->fence;
	if (redis->mode == REDIS_ACL) { /* of an index alone, both are the daemon's own */
		strcpy(rest->redis.user, redis->user);
		strcpy(rest->redis.password, redis->password);
	}
}

static void
key_of(const char *prefix, const char *name, char key[KEY_BYTES])
{
	snprintf(key, KEY_BYTES, "%s%s", prefix, name);
}

void
entry_put_lease(struct journal *journal, const struct lease *lease)
{
	const struct slot *slot = lease->slot;
	struct entry_rest whole = { 0 }, *rest = &whole;
	struct words words = { 0 };
	char key[KEY_BYTES];

	if (lease_builds(lease) || (lease->redis && lease->redis->mode == REDIS_PRIVATE))
		return;
	rest_of_slot(slot, rest);
	if (lease->redis)
		rest_of_redis(lease->redis, rest);
	SLOT_FIELDS(ADD_TEXT, ADD_NUMBER)
	LEASE_FIELDS(ADD_TEXT, ADD_NUMBER)
	LATER_FIELDS(ADD_TEXT, ADD_NUMBER)
	key_of(ENTRY_LEASE, lease->id, key);
	journal_put(journal, key, words.count, words.argv);
	explicit_bzero(&whole, sizeof whole);
}

void
entry_drop_lease(struct journal *journal, const struct lease *lease)
{
	char key[KEY_BYTES];

	key_of(ENTRY_LEASE, lease->id, key);
	journal_drop(journal, key);
}

void
entry_put_slot(struct journal *journal, const struct slot *slot)
{
	struct entry_rest whole = { 0 }, *rest = &whole;
	struct words words = { 0 };
	char key[KEY_BYTES];

	rest_of_slot(slot, rest);
	SLOT_FIELDS(ADD_TEXT, ADD_NUMBER)
	LATER_FIELDS(ADD_TEXT, ADD_NUMBER)
	key_of(ENTRY_SLOT, slot->name, key);
	journal_put(journal, key, words.count, words.argv);
}

void
entry_drop_slot(struct journal *journal, const struct slot *slot)
{
	char key[KEY_BYTES];

	key_of(ENTRY_SLOT, slot->name, key);
	journal_drop(journal, key);
}

/* ---- reading ---- */

struct reading {
	const struct request *record;
	int at;
	bool bad;
};

static const struct request_arg *
next_word(struct reading *reading)
{
	static const struct request_arg none = { "", 0 };

	if (reading->at < reading->record->argc)
		return &reading->record->argv[reading->at++];
	reading->bad = true;
	return &none;
}

static void
read_text(struct reading *reading, char *out, size_t size)
{
	const struct request_arg *word = next_word(reading);

	reading->bad |= word->len >= size;
	snprintf(out, size, "%.*s", (int)word->len, word->ptr);
}

static int64_t
read_number(struct reading *reading)
{
	int64_t number = 0;

	reading->bad |= !request_arg_int(next_word(reading), &number);
	return number;
}

#define READ_TEXT(at)   read_text(&reading, at, sizeof at);
#define READ_NUMBER(at) at = (__typeof__(at))read_number(&reading);

static bool
is_whole(const struct reading *reading)
{
	return !reading->bad && reading->at == reading->record->argc;
}

/* For an older berthd each slot had a role of its own. */
static bool
read_later(struct reading reading, struct slot *slot)
{
	if (is_whole(&reading)) {
		strcpy(slot->role, slot->name);
		return true;
	}
	LATER_FIELDS(READ_TEXT, READ_NUMBER)
	return is_whole(&reading);
}

bool
entry_read_lease(const struct request *record, struct lease *lease, struct slot *slot, struct entry_rest *rest)
{
	struct reading reading = { .record = record, .at = 1 };

	SLOT_FIELDS(READ_TEXT, READ_NUMBER)
	LEASE_FIELDS(READ_TEXT, READ_NUMBER)
	return read_later(reading, slot);
}

bool
entry_read_slot(const struct request *record, struct slot *slot, struct entry_rest *rest)
{
	struct reading reading = { .record = record, .at = 1 };

	SLOT_FIELDS(READ_TEXT, READ_NUMBER)
	return read_later(reading, slot);
}
