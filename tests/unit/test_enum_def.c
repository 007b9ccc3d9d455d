/* SPDX-License-Identifier: MIT */
/* Enum definitions: what is taken, how berth.conf is read, how a difference is told. */
#include "daemon/enum_def.h"

#include <string.h>

#include "tests/unit/unit.h"

static struct enum_def
read_ok(const char *labels)
{
	struct enum_def def;
	struct berth_error e;

	assert_int_equal(enum_def_read(&def, "kind", labels, &e), 0);
	return def;
}

static void
labels_are_read_in_order_and_out_of_their_quotes(void **state)
{
	struct enum_def def = read_ok(" pending, in progress ,\"a, b\",\"say \"\"x\"\"\", it's");

	assert_int_equal(def.count, 5);
	assert_string_equal(def.labels[0], "pending");
	assert_string_equal(def.labels[1], "in progress");
	assert_string_equal(def.labels[2], "a, b");
	assert_string_equal(def.labels[3], "say \"x\"");
	assert_string_equal(def.labels[4], "it's");
}

static void
what_cannot_be_labels_is_refused(void **state)
{
	static const char *const bad[] = { "", "a,,b", "a,", "a, a", "\"open", "\"a\" b", "a\xff" };
	struct enum_def def;
	struct berth_error e;

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(enum_def_read(&def, "kind", bad[i], &e), -1);
		assert_int_equal(e.code, BERTH_USAGE);
	}
}

static void
names_and_labels_are_63_bytes_of_utf8(void **state)
{
	char longest[65];
	struct enum_def def;
	struct berth_error e;

	memset(longest, 'a', sizeof longest);
	assert_int_equal(enum_def_name(&def, longest, 63, &e), 0);
	assert_int_equal(enum_def_name(&def, longest, 64, &e), -1);
	assert_int_equal(enum_def_name(&def, "", 0, &e), -1);
	assert_int_equal(enum_def_name(&def, "a\0b", 3, &e), -1);
	assert_int_equal(enum_def_name(&def, "\xc3\xbc\xf0\x9f\x98\x80", 6, &e), 0);
	assert_int_equal(enum_def_name(&def, "\xc3", 1, &e), -1);
	assert_int_equal(enum_def_name(&def, "\xbc", 1, &e), -1);
}

static void
expect_difference(const char *want, const char *there, const char *told)
{
	struct enum_def one = read_ok(want), other = read_ok(there);
	struct berth_error e;

	assert_int_equal(enum_def_compare(&one, &other, &e), -1);
	assert_int_equal(e.code, BERTH_DRIFT);
	assert_non_null(strstr(e.message, told));
}

static void
a_difference_is_spelled_out(void **state)
{
	struct enum_def def = read_ok("a, b");
	struct berth_error e;

	assert_int_equal(enum_def_compare(&def, &def, &e), 0);
	expect_difference("a, b, c", "a, b", "it lacks 'c' ");
	expect_difference("a", "a, b, c", "it has besides 'b', 'c' ");
	expect_difference("a, x", "a, b", "it lacks 'x'; it has besides 'b' ");
	expect_difference("a, b", "b, a", "the same labels stand in another order");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_are_read_in_order_and_out_of_their_quotes),
		cmocka_unit_test(what_cannot_be_labels_is_refused),
		cmocka_unit_test(names_and_labels_are_63_bytes_of_utf8),
		cmocka_unit_test(a_difference_is_spelled_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
