/* SPDX-License-Identifier: MIT */
/* budget: what is bounded, how much of it is taken; for INFO, metrics and the status page. */
#pragma once

#include <stdint.h>

struct berthd;

/*  symbol     name          used                                                    limit */
#define BUDGETS_OF(X)                                                                                               \
	X(LEASES,   "leases",    berthd->book.held + berthd->book.queue.length,          berthd->config.max_leases)     \
	X(SESSIONS, "sessions",  berthd->listener.count,                                 berthd->listener.most)         \
	X(BUILDS,   "builds",    pool_count(&berthd->pool, SLOT_SCHEMA, SLOT_BUILDING)                                  \
	  + pool_count(&berthd->pool, SLOT_DATABASE, SLOT_BUILDING),                     berthd->config.builds)         \
	X(DROPS,    "drops",     berthd->pool.dropping,                                  berthd->config.drops)          \
	X(LOCKS,    "locks",     pool_locks_taken(&berthd->pool),                        pool_lock_budget(&berthd->pool)) \
	X(REDIS,    "redis",     redis_taken(berthd->redis),                              redis_leasable(berthd->redis))

enum budget_kind {
#define X(symbol, name, used, limit) BUDGET_##symbol,
	BUDGETS_OF(X)
#undef X
	BUDGETS
};

struct budget {
	const char *name;
	int64_t used, limit; /* limit 0: not known yet */
};

struct budget budget_of(const struct berthd *berthd, enum budget_kind kind);
