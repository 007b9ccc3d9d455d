/* SPDX-License-Identifier: MIT */
/* libberth's waiting: until a lease is held, until the time is over, until a late reply is past. */
#include "tests/unit/libberth_peer.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

static int
setup(void **state)
{
	struct peer *p = calloc(1, sizeof *p);

	peer_open(p);
	*state = p;
	return 0;
}

static int
teardown(void **state)
{
	peer_close(*state);
	free(*state);
	return 0;
}

static void
polls_a_queued_lease_until_it_is_held(void **state)
{
	struct peer *p = *state;
	struct berth_options options = { .wait_ms = 3600000 };
	struct berth_lease *lease;

	peer_say_queued(p, 2, "a turn");
	peer_say_queued(p, 1, "a turn");
	peer_say_lease(p, NULL);
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, NULL), 0);
	assert_int_equal(lease->state, BERTH_STATE_HELD);
	berth_lease_free(lease);
	/* No WAIT is longer than a minute, so a wait of any length stays below the daemon's limit.
	 */
	peer_heard(p,
	           "ACQUIRE gw0 WAIT 60000|LEASE 3fa9c1-17 WAIT 60000|LEASE 3fa9c1-17 WAIT 60000");
}

static void
waits_without_end_when_told_so(void **state)
{
	struct peer *p = *state;
	struct berth_lease *lease;

	peer_say_queued(p, 1, NULL);
	peer_say_lease(p, NULL);
	assert_int_equal(berth_lease_get(p->client, "a/b", BERTH_WAIT_FOREVER, &lease, NULL), 0);
	assert_int_equal(lease->state, BERTH_STATE_HELD);
	berth_lease_free(lease);
	peer_heard(p, "LEASE a/b WAIT 60000|LEASE 3fa9c1-17 WAIT 60000");
}

/* Looks at the clock until a wait of a millisecond is over. */
static int
dawdle(void *arg, int position, const char *why)
{
	int64_t over = libberth_now_ms() + 2;

	while (libberth_now_ms() < over)
		continue;
	return 0;
}

static void
gives_back_the_queued_lease_when_the_time_is_over(void **state)
{
	struct peer *p = *state;
	struct berth_options options = { .wait_ms = 1, .progress = dawdle };
	struct berth_lease *lease;

	peer_say_queued(p, 2, "a turn");
	peer_say_queued(p, 1, "a turn"); /* the last look, if the first answer came in time */
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, NULL), 0);
	assert_int_equal(lease->state, BERTH_STATE_QUEUED);
	berth_lease_free(lease);
}

/* What progress() was told, and when it says stop. */
struct told {
	int calls;
	int stop_at;
	int position;
	char why[64];
};

static int
tell(void *arg, int position, const char *why)
{
	struct told *told = arg;

	told->position = position;
	strncpy(told->why, why ? why : "", sizeof told->why - 1);
	return ++told->calls == told->stop_at;
}

static void
tells_the_place_in_the_queue_and_why(void **state)
{
	struct peer *p = *state;
	struct told told = { 0 };
	struct berth_options options = { .wait_ms = 60000,
		                         .progress = tell,
		                         .progress_arg = &told };
	struct berth_lease *lease;

	peer_say_queued(p, 3, "all 8 schemas are leased");
	peer_say_lease(p, NULL);
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, NULL), 0);
	assert_int_equal(told.calls, 1);
	assert_int_equal(told.position, 3);
	assert_string_equal(told.why, "all 8 schemas are leased");
	berth_lease_free(lease);
	peer_heard(p, "ACQUIRE gw0 WAIT 500|LEASE 3fa9c1-17 WAIT 500");
}

static void
stops_waiting_when_progress_says_so(void **state)
{
	struct peer *p = *state;
	struct told told = { .stop_at = 2 };
	struct berth_options options = { .wait_ms = 60000,
		                         .progress = tell,
		                         .progress_arg = &told };
	struct berth_lease *lease;

	peer_say_queued(p, 3, NULL);
	peer_say_queued(p, 2, NULL);
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, NULL), 0);
	assert_int_equal(lease->state, BERTH_STATE_QUEUED);
	assert_int_equal(lease->position, 2);
	berth_lease_free(lease);
}

static void
asks_anew_while_a_server_is_away(void **state)
{
	struct peer *p = *state;
	struct told told = { 0 };
	struct berth_options options = { .wait_ms = 60000,
		                         .progress = tell,
		                         .progress_arg = &told };
	struct berth_lease *lease;

	peer_say_queued(p, 1, NULL);
	peer_say(p, "-UNAVAILABLE PostgreSQL: connection refused\r\n");
	peer_say_lease(p, NULL);
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, NULL), 0);
	assert_int_equal(lease->state, BERTH_STATE_HELD);
	assert_string_equal(told.why, "PostgreSQL: connection refused");
	berth_lease_free(lease);
	peer_heard(p, "ACQUIRE gw0 WAIT 500|LEASE 3fa9c1-17 WAIT 500|ACQUIRE gw0 WAIT 500");
}

static void
does_not_ask_anew_without_waiting(void **state)
{
	struct peer *p = *state;
	struct berth_lease *lease;
	struct berth_error e;

	peer_say(p, "-UNAVAILABLE PostgreSQL: connection refused\r\n");
	assert_int_equal(berth_acquire(p->client, "gw0", NULL, &lease, &e), -1);
	assert_int_equal(e.code, BERTH_UNAVAILABLE);
	assert_true(berth_connected(p->client));
	peer_heard(p, "ACQUIRE gw0");
}

static void
ends_the_wait_with_any_other_error(void **state)
{
	struct peer *p = *state;
	struct berth_options options = { .wait_ms = 60000 };
	struct berth_lease *lease;
	struct berth_error e;

	peer_say_queued(p, 1, NULL);
	peer_say(p, "-NOLEASE it was released by somebody else\r\n");
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, &e), -1);
	assert_int_equal(e.code, BERTH_NOLEASE);
	peer_say(p, "-DENIED not you\r\n");
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, NULL), -1);
}

static void
drops_a_reply_that_came_too_late(void **state)
{
	struct peer *p = *state;
	struct berth_error e;
	long long left = 0;

	berth_set_timeout(p->client, 1);
	assert_int_equal(berth_ping(p->client, NULL, &e), -1);
	assert_int_equal(e.code, BERTH_TIMEOUT);
	assert_int_equal(berth_renew(p->client, "a-1", 0, &left, &e), -1);
	assert_int_equal(e.code, BERTH_TIMEOUT);
	assert_true(berth_connected(p->client));
	berth_set_timeout(p->client, 60000);
	peer_say(p, "+PONG\r\n:1\r\n:2\r\n");
	assert_int_equal(berth_renew(p->client, "a-1", 0, &left, &e), 0);
	assert_int_equal(left, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(polls_a_queued_lease_until_it_is_held, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(waits_without_end_when_told_so, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_back_the_queued_lease_when_the_time_is_over,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(tells_the_place_in_the_queue_and_why, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(stops_waiting_when_progress_says_so, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(asks_anew_while_a_server_is_away, setup, teardown),
		cmocka_unit_test_setup_teardown(does_not_ask_anew_without_waiting, setup, teardown),
		cmocka_unit_test_setup_teardown(ends_the_wait_with_any_other_error, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(drops_a_reply_that_came_too_late, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
