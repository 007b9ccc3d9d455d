/* SPDX-License-Identifier: MIT */
/* The table of budget.h, read. */
#include "daemon/budget.h"

#include "daemon/berthd.h"
#include "daemon/redis/redis.h"

struct budget
budget_of(const struct berthd *berthd, enum budget_kind kind)
{
	switch (kind) {
#define X(symbol, name, used, limit) case BUDGET_##symbol: return (struct budget){ name, used, limit };
	BUDGETS_OF(X)
#undef X
	case BUDGETS: break;
	}
	return (struct budget){ 0 };
}
