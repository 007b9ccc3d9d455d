/* SPDX-License-Identifier: MIT */
/* The ACL user of a slot: what a server does not know is dropped, but never what the fence is made
 * of. */
#include <stdio.h>
#include <string.h>

#include "daemon/redis/acl.h"
#include "tests/unit/unit.h"

static bool
has(const struct args *args, const char *word)
{
	for (int i = 0; i < args->count; i++)
		if (strcmp(args->words[i], word) == 0)
			return true;
	return false;
}

static int
place(const struct args *args, const char *word)
{
	for (int i = 0; i < args->count; i++)
		if (strcmp(args->words[i], word) == 0)
			return i;
	return -1;
}

static bool
drop(struct acl *acl, const char *token)
{
	char error[160];

	snprintf(error, sizeof error,
	         "ERR Error in ACL SETUSER modifier '%s': Unknown command or category name in ACL",
	         token);
	return acl_drop(acl, error);
}

static void
the_user_is_made_anew_and_fenced_into_its_database(void **state)
{
	struct acl acl = { 0 };
	struct args args = { 0 };

	acl_setuser(&acl, &args, "berth_abcdef_7_42", "s3cret", 7);
	assert_string_equal(args.words[0], "ACL");
	assert_string_equal(args.words[1], "SETUSER");
	assert_string_equal(args.words[2], "berth_abcdef_7_42");
	assert_string_equal(args.words[3], "reset");
	assert_true(has(&args, "+select|7") && has(&args, ">s3cret") && has(&args, "on"));
	args_fini(&args);
}

static void
nobody_can_log_in_as_a_user_without_a_password(void **state)
{
	struct acl acl = { 0 };
	struct args args = { 0 };

	acl_setuser(&acl, &args, "berth_abcdef_0_0", NULL, 1);
	assert_false(has(&args, "on"));
	for (int i = 0; i < args.count; i++)
		assert_int_not_equal(args.words[i][0], '>');
	args_fini(&args);
}

/* Redis applies the words in order: a container is closed before parts of it are opened. */
static void
what_is_taken_away_is_taken_before_parts_of_it_are_given(void **state)
{
	static const char *const pairs[][2] = {
		{ "+@all", "-@admin" },
		{ "-@dangerous", "+flushdb" },
		{ "-select", "+select|3" },
		{ "-client", "+client|id" },
		{ "-script", "+script|load" },
		{ "-acl", "+acl|whoami" },
		{ "-function", "+function|list" },
		{ "-memory", "+memory|usage" },
	};
	struct acl acl = { 0 };
	struct args args = { 0 };

	acl_setuser(&acl, &args, "u", "p", 3);
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		assert_true(place(&args, pairs[i][0]) > 0);
		assert_true(place(&args, pairs[i][0]) < place(&args, pairs[i][1]));
	}
	args_fini(&args);
}

static void
a_token_that_the_server_does_not_know_is_dropped_once(void **state)
{
	struct acl acl = { 0 };
	struct args args = { 0 };

	assert_true(drop(&acl, "+client|capa"));
	assert_true(drop(&acl, "-function"));
	assert_false(drop(&acl, "+client|capa"));
	acl_setuser(&acl, &args, "u", "p", 3);
	assert_false(has(&args, "+client|capa") || has(&args, "-function"));
	assert_true(has(&args, "+client|id"));
	args_fini(&args);
}

static void
what_the_fence_is_made_of_is_never_dropped(void **state)
{
	static const char *const kept[] = { "-@admin", "-@dangerous", "-select",  "-move",
		                            "-copy",   "-swapdb",     "-client",  "-script",
		                            "-acl",    "-memory",     "-migrate", "-flushall" };
	struct acl acl = { 0 };

	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
		assert_false(drop(&acl, kept[i]));
	assert_int_equal(acl.dropped, 0);
}

static void
an_error_of_another_kind_drops_nothing(void **state)
{
	struct acl acl = { 0 };

	assert_false(acl_drop(
		&acl, "NOPERM this user has no permissions to run the 'acl|setuser' command"));
	assert_false(
		acl_drop(&acl, "ERR Error in ACL SETUSER modifier '+client|capa': Syntax error"));
	assert_false(drop(&acl, "+nonsense"));
	assert_int_equal(acl.dropped, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_user_is_made_anew_and_fenced_into_its_database),
		cmocka_unit_test(nobody_can_log_in_as_a_user_without_a_password),
		cmocka_unit_test(what_is_taken_away_is_taken_before_parts_of_it_are_given),
		cmocka_unit_test(a_token_that_the_server_does_not_know_is_dropped_once),
		cmocka_unit_test(what_the_fence_is_made_of_is_never_dropped),
		cmocka_unit_test(an_error_of_another_kind_drops_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
