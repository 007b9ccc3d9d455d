/* SPDX-License-Identifier: MIT */
/* What a pool writes into a registry that was lost and is made again: all that is its own, under the same fences. */
#include <stdbool.h>

#include "daemon/pg/sql.h"
#include "daemon/pool.h"
#include "daemon/shelf.h"
#include "daemon/slot.h"

static void
recall_slot(const struct pool *pool, const struct slot *slot, bool first, struct sql *sql)
{
	sql_add(sql, "%s(%L, %L, %L, %l, true, %L, %L, %L)",
	        first ? "INSERT INTO berth.slot (name, runner, kind, fence, built, state, template, role) VALUES " : ", ",
	        slot->name, pool->site.runner, slot_kind_word(slot->kind), slot->fence,
	        slot->state == SLOT_DROPPING ? "dropping" : "ready", slot->shelf ? slot->shelf->key : NULL,
	        slot_shared_role(slot));
}

void
pool_recall(const struct pool *pool, struct sql *sql)
{
	const struct slot *slot;
	bool first = true;

	for (int state = SLOT_FREE; state < SLOT_STATE_COUNT; state++) {
		TAILQ_FOREACH(slot, &pool->lists[state], link) {
			recall_slot(pool, slot, first, sql);
			first = false;
		}
	}
	if (!first)
		sql_add(sql, " ON CONFLICT (name) DO NOTHING"); /* somebody was quicker: then it is not ours any more */
}
