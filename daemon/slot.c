/* SPDX-License-Identifier: MIT */
/* The slot's states, checked. */
#include "daemon/slot.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/baseline.h"

static const unsigned may_move[SLOT_STATE_COUNT] = {
#define X(state, next) [state] = (next),
	SLOT_STATES(X)
#undef X
};

static const char *const state_words[] = { "building", "free", "held", "cleaning", "dropping" };
static const char *const kind_words[] = { "schema", "database" };

struct slot *
slot_new(const char *name, enum slot_kind kind)
{
	struct slot *slot = calloc(1, sizeof *slot);

	if (!slot)
		abort();
	slot->kind = kind;
	slot->state = SLOT_BUILDING;
	slot->since = clock_now();
	snprintf(slot->name, sizeof slot->name, "%s", name);
	snprintf(slot->role, sizeof slot->role, "%s", name);
	random_secret(slot->password);
	return slot;
}

void
slot_share(struct slot *slot, const char *role, const char *password)
{
	snprintf(slot->role, sizeof slot->role, "%s", role);
	snprintf(slot->password, sizeof slot->password, "%s", password);
}

bool
slot_is_shared(const struct slot *slot)
{
	return strcmp(slot->role, slot->name) != 0;
}

const char *
slot_shared_role(const struct slot *slot)
{
	return slot_is_shared(slot) ? slot->role : NULL;
}

void
slot_free(struct slot *slot)
{
	assert(!slot->build && !slot->clean && !slot->drop && !slot->reset && !slot->lease && !slot->guest);
	if (slot->state == SLOT_DROPPING)
		metrics_observe(METRIC_SLOT_DROP, clock_now() - slot->since);
	baseline_free(slot->baseline);
	if (slot->retry)
		event_free(slot->retry);
	explicit_bzero(slot->password, sizeof slot->password);
	free(slot);
}

void
slot_move(struct slot *slot, enum slot_state next, struct slot_list lists[SLOT_STATE_COUNT])
{
	assert(may_move[slot->state] & SLOT_TO(next));
	TAILQ_REMOVE(&lists[slot->state], slot, link);
	if (next == SLOT_FREE)
		metrics_observe(slot->state == SLOT_BUILDING ? METRIC_SLOT_BUILD : METRIC_SLOT_CLEAN, clock_now() - slot->since);
	slot->state = next;
	slot->since = clock_now();
	TAILQ_INSERT_TAIL(&lists[next], slot, link);
}

const char *
slot_state_word(enum slot_state state)
{
	return state_words[state];
}

const char *
slot_kind_word(enum slot_kind kind)
{
	return kind_words[kind];
}

int
slot_kind_of(const char *word)
{
	for (int i = 0; i < SLOT_KINDS; i++)
		if (strcasecmp(kind_words[i], word) == 0)
			return i;
	return -1;
}
