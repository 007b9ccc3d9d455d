/* SPDX-License-Identifier: MIT */
/* The table of errors: every code has its word, and no word makes a Redis client act by itself. */
#include <string.h>

#include "proto/errors.h"
#include "tests/unit/unit.h"

static void
every_code_is_found_by_its_word(void **state)
{
	for (int code = 1; code < BERTH_ERROR_CODES; code++) {
		const char *name = berth_error_name(code);

		assert_int_equal(berth_error_code(name, strlen(name)), code);
		assert_true(strlen(berth_error_meaning(code)) > 0);
	}
}

static void
a_word_that_is_no_code_is_ERR(void **state)
{
	assert_int_equal(berth_error_code("WRONGTYPE", 9), BERTH_ERR);
	assert_int_equal(berth_error_code("LIMITS", 6), BERTH_ERR);
	assert_int_equal(berth_error_code("LIMI", 4), BERTH_ERR);
	assert_int_equal(berth_error_code("", 0), BERTH_ERR);
	assert_int_equal(berth_error_code("OK", 2), BERTH_ERR);
}

static void
no_code_begins_with_a_word_on_which_clients_act(void **state)
{
	static const char *const taken[] = { "LOADING", "READONLY", "TRYAGAIN",   "MOVED",
		                             "ASK",     "NOAUTH",   "MASTERDOWN", "CLUSTERDOWN" };

	for (int code = 1; code < BERTH_ERROR_CODES; code++)
		for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
			const char *name = berth_error_name(code);

			assert_int_not_equal(strncmp(name, taken[i], strlen(taken[i])), 0);
		}
}

static void
what_may_be_retried_exits_as_a_temporary_failure(void **state)
{
	assert_int_equal(berth_error_exit_status(BERTH_OK), 0);
	for (int code = 1; code < BERTH_ERROR_CODES; code++)
		assert_int_equal(berth_error_retry(code), berth_error_exit_status(code) == 75);
}

static void
an_error_that_is_too_long_is_cut(void **state)
{
	struct berth_error e;

	assert_int_equal(berth_error_set(&e, BERTH_LIMIT, "%1000d", 7), -1);
	assert_int_equal(strlen(e.message), BERTH_ERROR_MESSAGE_MAX - 1);
	assert_int_equal(berth_error_set(NULL, BERTH_LIMIT, "nobody wants to know"), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_is_found_by_its_word),
		cmocka_unit_test(a_word_that_is_no_code_is_ERR),
		cmocka_unit_test(no_code_begins_with_a_word_on_which_clients_act),
		cmocka_unit_test(what_may_be_retried_exits_as_a_temporary_failure),
		cmocka_unit_test(an_error_that_is_too_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
