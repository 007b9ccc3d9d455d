/* SPDX-License-Identifier: MIT */
/* When a lease ends by itself: a plain decision. */
#include "daemon/lease.h"

#include "daemon/template.h"

static const char *const end_words[] = {
#define X(symbol, words) [LEASE_END_##symbol] = (words),
	LEASE_ENDS(X)
#undef X
};

static int64_t
earlier(int64_t one, int64_t other, enum lease_end why, enum lease_end *ret_why)
{
	if (other >= one)
		return one;
	*ret_why = why;
	return other;
}

bool
lease_builds(const struct lease *lease)
{
	return lease->want.template && lease->want.template->lease == lease;
}

/* How long it lives without a connection. */
static int64_t
patience(const struct lease *lease, const struct lease_times *times)
{
	return lease->adopted && times->reattach > times->grace ? times->reattach : times->grace;
}

int64_t
lease_deadline(const struct lease *lease, const struct lease_times *times, enum lease_end *ret_why)
{
	int64_t begun = lease->granted ? lease->granted : lease->created;
	int64_t at = INT64_MAX;

	if (lease->told)
		return earlier(at, 0, LEASE_END_FAILED, ret_why);
	at = earlier(at, begun + times->ttl_max, LEASE_END_MAXIMUM, ret_why);
	if (lease_builds(lease))
		at = earlier(at, begun + times->build, LEASE_END_LATE, ret_why);
	if (lease->detached && lease->connections == 0)
		at = earlier(at, lease->renewed + lease->want.ttl, LEASE_END_EXPIRED, ret_why);
	else if (lease->connections == 0)
		at = earlier(at, lease->left + patience(lease, times), LEASE_END_GONE, ret_why);
	return at;
}

const char *
lease_state_word(const struct lease *lease)
{
	switch (lease->state) {
	case LEASE_HELD: return lease_builds(lease) ? "building" : "held";
	case LEASE_FAILED: return "failed";
	case LEASE_WAITING: break;
	}
	return (lease->slot && lease->slot->state == SLOT_BUILDING) || lease->errand ? "building" : "queued";
}

const char *
lease_end_words(enum lease_end why)
{
	return end_words[why];
}
