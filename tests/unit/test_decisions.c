/* SPDX-License-Identifier: MIT */
/* Plain decisions: how many to build and claim, when a lease ends, which moves a slot may make. */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/random.h"
#include "daemon/lease.h"
#include "daemon/pool.h"
#include "daemon/redis_pool.h"
#include "daemon/slot.h"
#include "tests/unit/unit.h"

/* ---- how many ---- */

static void
an_idle_pool_is_filled_up_and_no_further(void **state)
{
	struct pool_view view = { .target = 8, .free = 3, .building = 2, .busy = 2, .at_once = 4 };

	assert_int_equal(pool_shortage(&view), 2);
	view.free = 6;
	assert_int_equal(pool_shortage(&view), 0);
	view.free = 20;
	assert_int_equal(pool_shortage(&view), 0);
}

static void
leases_that_wait_are_built_for_beyond_the_pool(void **state)
{
	struct pool_view view = { .target = 0, .demand = 3, .at_once = 64 };

	assert_int_equal(pool_shortage(&view), 3);
	view.building = 3;
	assert_int_equal(pool_shortage(&view), 0);
}

static void
what_nobody_wants_any_more_is_surplus(void **state)
{
	struct pool_view view = { .target = 2, .free = 7, .demand = 1 };

	assert_int_equal(pool_surplus(&view), 4);
	view.free = 3;
	assert_int_equal(pool_surplus(&view), 0);
	view.free = 0;
	assert_int_equal(pool_surplus(&view), 0);
}

static void
builds_never_exceed_what_is_allowed_at_once(void **state)
{
	struct rng rng = { unit_seed() };

	for (int i = 0; i < 100000; i++) {
		struct pool_view view = {
			.target = (int)rng_below(&rng, 50), .free = (int)rng_below(&rng, 50),
			.building = (int)rng_below(&rng, 50), .demand = (int)rng_below(&rng, 2000),
			.busy = (int)rng_below(&rng, 70), .at_once = 1 + (int)rng_below(&rng, 64),
		};
		int started = pool_shortage(&view);

		assert_true(started >= 0);
		assert_true(started == 0 || view.busy + started <= view.at_once);
		assert_true(started == 0 || view.free + view.building + started <= view.target + view.demand);
	}
}

static void
redis_databases_kept_ahead_are_an_eighth_at_most(void **state)
{
	assert_int_equal(redis_pool_shortage(4, 14, 0, 0, 0), 1);
	assert_int_equal(redis_pool_shortage(4, 1022, 0, 0, 0), 4);
	assert_int_equal(redis_pool_shortage(0, 1022, 0, 0, 0), 0);
	assert_int_equal(redis_pool_shortage(4, 1022, 1, 1, 0), 2);
	assert_int_equal(redis_pool_shortage(0, 14, 0, 0, 3), 3);
	assert_int_equal(redis_pool_shortage(4, 1022, 0, 16, 500), 0);
	assert_int_equal(redis_pool_surplus(4, 14, 3, 1), 1);
	assert_int_equal(redis_pool_surplus(4, 1022, 3, 0), 0);
}

/* ---- when ---- */

static const struct lease_times times = { .ttl_max = 1000, .grace = 50, .build = 500 };

static void
an_attached_lease_ends_at_the_hard_maximum(void **state)
{
	struct lease lease = { .granted = 100, .connections = 1, .want.ttl = 10 };
	enum lease_end why = LEASE_END_COUNT;

	assert_int_equal(lease_deadline(&lease, &times, &why), 1100);
	assert_int_equal(why, LEASE_END_MAXIMUM);
}

static void
a_lease_without_connections_ends_after_the_grace(void **state)
{
	struct lease lease = { .granted = 100, .left = 300 };
	enum lease_end why = LEASE_END_COUNT;

	assert_int_equal(lease_deadline(&lease, &times, &why), 350);
	assert_int_equal(why, LEASE_END_GONE);
}

static void
a_detached_lease_ends_with_its_ttl_and_never_after_the_hard_maximum(void **state)
{
	struct lease lease = { .granted = 100, .detached = true, .renewed = 300, .want.ttl = 20 };
	enum lease_end why = LEASE_END_COUNT;

	assert_int_equal(lease_deadline(&lease, &times, &why), 320);
	assert_int_equal(why, LEASE_END_EXPIRED);
	lease.want.ttl = 5000;
	assert_int_equal(lease_deadline(&lease, &times, &why), 1100);
	assert_int_equal(why, LEASE_END_MAXIMUM);
}

static void
a_detached_lease_that_is_attached_again_does_not_expire(void **state)
{
	struct lease lease = { .granted = 100, .detached = true, .renewed = 100, .want.ttl = 20, .connections = 1 };
	enum lease_end why = LEASE_END_COUNT;

	assert_int_equal(lease_deadline(&lease, &times, &why), 1100);
}

static void
a_lease_that_waits_counts_from_its_asking(void **state)
{
	struct lease lease = { .created = 7, .connections = 1 };
	enum lease_end why = LEASE_END_COUNT;

	assert_int_equal(lease_deadline(&lease, &times, &why), 1007);
}

/* ---- which way ---- */

struct walk {
	struct slot *slot;
	struct slot_list *lists;
	enum slot_state next;
};

static void
walk_on(void *arg)
{
	struct walk *walk = arg;

	slot_move(walk->slot, walk->next, walk->lists);
}

static void
a_slot_moves_as_its_table_says_and_no_other_way(void **state)
{
	static const bool allowed[SLOT_STATE_COUNT][SLOT_STATE_COUNT] = {
		[SLOT_BUILDING] = { [SLOT_FREE] = true, [SLOT_DROPPING] = true },
		[SLOT_FREE]     = { [SLOT_HELD] = true, [SLOT_DROPPING] = true },
		[SLOT_HELD]     = { [SLOT_CLEANING] = true, [SLOT_DROPPING] = true },
		[SLOT_CLEANING] = { [SLOT_FREE] = true, [SLOT_DROPPING] = true },
	};
	struct slot_list lists[SLOT_STATE_COUNT];
	struct slot *slot = slot_new("test_x", SLOT_SCHEMA);

	for (int from = 0; from < SLOT_STATE_COUNT; from++) {
		for (int to = 0; to < SLOT_STATE_COUNT; to++) {
			for (int i = 0; i < SLOT_STATE_COUNT; i++)
				TAILQ_INIT(&lists[i]);
			slot->state = from;
			TAILQ_INSERT_TAIL(&lists[from], slot, link);
			struct walk walk = { slot, lists, to };

			assert_int_equal(unit_aborts(walk_on, &walk), !allowed[from][to]);
		}
	}
	slot_free(slot);
}

static void
every_slot_has_a_password_of_its_own(void **state)
{
	struct slot *one = slot_new("test_a", SLOT_SCHEMA), *other = slot_new("test_b", SLOT_SCHEMA);

	assert_int_equal(strlen(one->password), 32);
	assert_string_not_equal(one->password, other->password);
	slot_free(one);
	slot_free(other);
}

static void
a_backoff_doubles_to_its_limit_and_is_spread_over_half_of_it(void **state)
{
	for (int attempt = 0; attempt < 200; attempt++) {
		int whole = attempt < 6 ? 20 << attempt : 1000;

		if (whole > 1000)
			whole = 1000;
		int ms = random_backoff_ms(attempt, 20, 1000);

		assert_in_range(ms, whole / 2, whole);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_pool_is_filled_up_and_no_further),
		cmocka_unit_test(leases_that_wait_are_built_for_beyond_the_pool),
		cmocka_unit_test(what_nobody_wants_any_more_is_surplus),
		cmocka_unit_test(builds_never_exceed_what_is_allowed_at_once),
		cmocka_unit_test(redis_databases_kept_ahead_are_an_eighth_at_most),
		cmocka_unit_test(an_attached_lease_ends_at_the_hard_maximum),
		cmocka_unit_test(a_lease_without_connections_ends_after_the_grace),
		cmocka_unit_test(a_detached_lease_ends_with_its_ttl_and_never_after_the_hard_maximum),
		cmocka_unit_test(a_detached_lease_that_is_attached_again_does_not_expire),
		cmocka_unit_test(a_lease_that_waits_counts_from_its_asking),
		cmocka_unit_test(a_slot_moves_as_its_table_says_and_no_other_way),
		cmocka_unit_test(every_slot_has_a_password_of_its_own),
		cmocka_unit_test(a_backoff_doubles_to_its_limit_and_is_spread_over_half_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
