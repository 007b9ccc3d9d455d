/* SPDX-License-Identifier: MIT */
/* What `berth` makes of texts: durations, FORMATs, the variables of a lease. */
#include <stdlib.h>
#include <string.h>

#include "client/cli/amount.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/fields.h"
#include "client/cli/format.h"
#include "client/cli/vars.h"
#include "tests/unit/unit.h"

static void
durations_are_a_number_and_a_unit(void **state)
{
	static const struct {
		const char *text;
		long long ms;
	} good[] = {
		{ "0", 0 },        { "0s", 0 },
		{ "1ms", 1 },      { "500ms", 500 },
		{ "30s", 30000 },  { "10m", 600000 },
		{ "2h", 7200000 }, { "1d", 86400000 },
		{ "007s", 7000 },  { "106751991167d", 9223372036828800000 },
	};

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		long long ms = -1;

		assert_true(duration_parse(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
}

static void
everything_else_is_no_duration(void **state)
{
	static const char *const bad[] = {
		"",
		"s",
		"30",
		"-1s",
		"+1s",
		" 1s",
		"1 s",
		"1s ",
		"1.5h",
		"1h30m",
		"1S",
		"1sec",
		"0x10s",
		"1y",
		"106751991168d",
		"99999999999999999999s",
		"1e3s",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		long long ms = -1;

		if (duration_parse(bad[i], &ms))
			fail_msg("'%s' became %lld ms", bad[i], ms);
		assert_int_equal(ms, -1);
	}
}

static void
durations_are_shown_in_two_units_at_most(void **state)
{
	static const struct {
		long long ms;
		const char *text;
	} shown[] = {
		{ 0, "0ms" },      { 999, "999ms" },    { 1000, "1s" },      { 1999, "1s" },
		{ 59999, "59s" },  { 60000, "1m" },     { 200000, "3m20s" }, { 3600000, "1h" },
		{ 3659000, "1h" }, { 7500000, "2h5m" }, { 86400000, "1d" },  { 273600000, "3d4h" },
	};
	char buf[DURATION_TEXT_MAX];

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		assert_string_equal(duration_show(shown[i].ms, buf), shown[i].text);
}

static void
microseconds_are_shown_finer(void **state)
{
	static const struct {
		long long us;
		const char *text;
	} shown[] = {
		{ 0, "0us" },        { 999, "999us" },  { 1000, "1.0ms" },    { 99949, "99.9ms" },
		{ 134000, "134ms" }, { 2300000, "2s" }, { 61000000, "1m1s" },
	};
	char buf[DURATION_TEXT_MAX];

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		assert_string_equal(duration_show_us(shown[i].us, buf), shown[i].text);
}

static void
amounts_are_shown_as_people_say_them(void **state)
{
	static const struct {
		long long bytes;
		const char *text;
	} shown[] = {
		{ 0, "0B" },           { 1023, "1023B" },   { 1024, "1.0K" },
		{ 10188, "9.9K" },     { 10240, "10K" },    { 1048000, "1023K" },
		{ 1048575, "1.0M" },   { 3250585, "3.1M" }, { 21474836480, "20G" },
		{ 1LL << 62, "4.0E" },
	};
	char buf[AMOUNT_TEXT_MAX];

	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
		assert_string_equal(amount_bytes(shown[i].bytes, buf), shown[i].text);
	assert_string_equal(amount_of(0, "row", buf), "0 rows");
	assert_string_equal(amount_of(1, "row", buf), "1 row");
	assert_string_equal(amount_of(1LL << 62, "sequence", buf), "4611686018427387904 sequences");
}

static const struct berth_lease lease = {
	.lease = "3fa9c1-17",
	.run = "r1",
	.worker = "gw0",
	.state = BERTH_STATE_BUILDING,
	.kind = "schema",
	.schema = "test_x",
	.role = "test_x",
	.dsn = "postgresql://test_x:pw@h:5432/app",
	.host = "h",
	.port = 5432,
	.dbname = "app",
	.user = "test_x",
	.password = "pw'$\\",
	.redis = "none",
	.redis_port = -1,
	.redis_db = -1,
	.fence = 7,
	.expires_ms = 1,
};

static void
expect_format(const char *format, const char *text, bool wants_missing)
{
	struct berth_error e = { 0 };
	bool missing = !wants_missing;
	char *got;

	if (format_check(format, &e) < 0)
		fail_msg("'%s': %s", format, e.message);
	got = format_expand(format, &lease, &missing);
	assert_string_equal(got, text);
	assert_int_equal(missing, wants_missing);
	free(got);
}

static void
fields_stand_for_the_values_of_the_lease(void **state)
{
	expect_format("", "", false);
	expect_format("plain", "plain", false);
	expect_format("{user}:{password}@{host}:{port}/{dbname}", "test_x:pw'$\\@h:5432/app",
	              false);
	expect_format("{lease}{fence}{run}{worker}{kind}{redis}", "3fa9c1-177r1gw0schemanone",
	              false);
	expect_format("{state} {template}", "building ", true);
	expect_format("{{{user}}}", "{test_x}", false);
	expect_format("{{user}}", "{user}", false);
	expect_format("a{redis_url}b{redis_db}c", "abc", true);
}

static void
what_is_no_field_is_refused(void **state)
{
	static const char *const bad[] = {
		"{nothing}", "{}", "{ user}", "{User}",    "{user", "user}",        "{user{host}}",
		"{",         "}",  "a{{}",    "{builder}", "{why}", "{expires_ms}",
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct berth_error e = { 0 };

		if (format_check(bad[i], &e) == 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(e.code, BERTH_USAGE);
	}
}

static void
the_message_names_every_field_there_is(void **state)
{
	struct berth_error e;

	assert_int_equal(format_check("{nothing}", &e), -1);
	for (const struct cli_field *f = lease_fields; f->name; f++)
		if (f->in_formats && !strstr(e.message, f->name))
			fail_msg("'%s' does not name %s", e.message, f->name);
}

static void
any_text_is_refused_or_filled_in(void **state)
{
	static const char *const pieces[] = { "{",      "}",          "{{", "}}",
		                              "{user}", "{redis_db}", "x",  "user" };
	struct rng rng = { unit_seed() };
	int taken = 0;

	for (int round = 0; round < 20000; round++) {
		char format[64] = "";

		for (uint32_t n = rng_below(&rng, 6); n > 0; n--)
			strcat(format, pieces[rng_below(&rng, 8)]);
		if (format_check(format, NULL) == 0) {
			free(format_expand(format, &lease, NULL));
			taken++;
		}
	}
	assert_true(taken > 1000 && taken < 19000);
}

static const char *
value_of(const struct vars *vars, const char *name)
{
	for (size_t i = 0; i < vars->count; i++)
		if (strcmp(vars->items[i].name, name) == 0)
			return vars->items[i].value;
	return "absent";
}

static void
a_lease_becomes_the_usual_variables_and_those_asked_for(void **state)
{
	const char *asked[] = { "PGUSER=someone", "MINE={schema}", "MINE={role}!", "EMPTY=" };
	struct texts env = { asked, 4 };
	struct vars vars;

	assert_int_equal(vars_check(&env, NULL), 0);
	vars_init(&vars, &lease, "/a/socket", &env);
	assert_string_equal(value_of(&vars, "BERTH_SOCKET"), "/a/socket");
	assert_string_equal(value_of(&vars, "BERTH_FENCE"), "7");
	assert_string_equal(value_of(&vars, "BERTH_STATE"), "building");
	assert_string_equal(value_of(&vars, "PGPORT"), "5432");
	assert_string_equal(value_of(&vars, "PGUSER"), "someone");
	assert_string_equal(value_of(&vars, "MINE"), "test_x!");
	assert_string_equal(value_of(&vars, "EMPTY"), "");
	assert_string_equal(value_of(&vars, "REDIS_URL"), "absent"); /* the user's own stays */
	assert_null(value_of(&vars, "BERTH_REDIS_DB"));              /* another lease's must not */
	assert_null(value_of(&vars, "PGSERVICE"));
	vars_fini(&vars);
}

static void
what_cannot_be_a_variable_is_refused(void **state)
{
	static const char *const bad[] = { "",      "=x",    "1A=x",       "A",
		                           "A-B=x", "A B=x", "\303\204=x", "A={" };

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		const char *items[] = { bad[i] };
		struct texts env = { items, 1 };
		struct berth_error e = { 0 };

		if (vars_check(&env, &e) == 0)
			fail_msg("'%s' was taken", bad[i]);
		assert_int_equal(e.code, BERTH_USAGE);
	}
}

static void
text_that_is_not_UTF8_becomes_JSON_all_the_same(void **state)
{
	json_t *json = text_json("a\377b\303\244");

	assert_string_equal(json_string_value(json), "a?b??");
	json_decref(json);
	json = text_json("\303\244");
	assert_string_equal(json_string_value(json), "\303\244");
	json_decref(json);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations_are_a_number_and_a_unit),
		cmocka_unit_test(everything_else_is_no_duration),
		cmocka_unit_test(durations_are_shown_in_two_units_at_most),
		cmocka_unit_test(microseconds_are_shown_finer),
		cmocka_unit_test(amounts_are_shown_as_people_say_them),
		cmocka_unit_test(fields_stand_for_the_values_of_the_lease),
		cmocka_unit_test(what_is_no_field_is_refused),
		cmocka_unit_test(the_message_names_every_field_there_is),
		cmocka_unit_test(any_text_is_refused_or_filled_in),
		cmocka_unit_test(a_lease_becomes_the_usual_variables_and_those_asked_for),
		cmocka_unit_test(what_cannot_be_a_variable_is_refused),
		cmocka_unit_test(text_that_is_not_UTF8_becomes_JSON_all_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
