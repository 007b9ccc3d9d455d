/* SPDX-License-Identifier: MIT */
/* Stamps, and what counts as an orphan: never anything that may live. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/orphan.h"
#include "tests/unit/unit.h"

/* ---- stamps ---- */

static void
a_stamp_tells_what_was_written(void **state)
{
	char text[STAMP_TEXT], host[65] = "";
	struct stamp stamp;

	assert_int_equal(gethostname(host, sizeof host - 1), 0);
	stamp_write("3fa9c1", 17, "app", 1763726400, text);
	assert_true(stamp_read(text, &stamp));
	assert_string_equal(stamp.runner, "3fa9c1");
	assert_int_equal(stamp.fence, 17);
	assert_string_equal(stamp.host, host);
	assert_string_equal(stamp.db, "app");
	assert_int_equal(stamp.made, 1763726400);
}

static void
a_stamp_holds_any_name_of_a_database(void **state)
{
	static const char *const names[] = { "a b", "é=%20", "'; DROP", "x fence=9 host=other", "" };
	char text[STAMP_TEXT];
	struct stamp stamp;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		stamp_write("3fa9c1", 17, names[i], 0, text);
		assert_true(stamp_read(text, &stamp));
		assert_string_equal(stamp.db, names[i]);
		assert_int_equal(stamp.fence, 17);
		assert_int_equal(stamp.made, 0);
	}
}

static void
an_early_stamp_and_one_with_more_words_are_read(void **state)
{
	struct stamp stamp;

	assert_true(stamp_read("berth runner=3fa9c1 fence=17", &stamp));
	assert_string_equal(stamp.host, "");
	assert_true(stamp_read("berth runner=3fa9c1 fence=17 colour=red made=5", &stamp));
	assert_int_equal(stamp.made, 5);
}

static void
other_comments_are_no_stamps(void **state)
{
	static const char *const texts[] = {
		"", "berth", "berth registry", "standard public schema", "berth runner=3fa9c fence=1", "berth runner=3fa9c1",
		"berth runner=3FA9C1 fence=1", "berth runner=3fa9c1 fence=-1", "berth runner=3fa9c1 fence=1x",
		" berth runner=3fa9c1 fence=1", "berth runner=3fa9c1f fence=1",
	};
	struct stamp stamp;

	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		assert_false(stamp_read(texts[i], &stamp));
}

static void
no_text_upsets_the_reader_of_stamps(void **state)
{
	static const char alphabet[] = "berth runner=3fa9c1 fence=17 host=db=made=%0% ";
	struct rng rng = { unit_seed() };
	struct stamp stamp;
	char text[128];

	for (int i = 0; i < 100000; i++) {
		size_t len = rng_below(&rng, sizeof text - 1);
		size_t head = rng_below(&rng, 29);

		for (size_t k = 0; k < len; k++)
			text[k] = k < head ? alphabet[k] : alphabet[rng_below(&rng, sizeof alphabet - 1)];
		text[len] = '\0';
		stamp_read(text, &stamp);
	}
}

/* ---- classes ---- */

static const struct orphans_ask list = { .what = ORPHANS_LIST, .older_ms = -1 };
static const struct orphans_ask dry = { .what = ORPHANS_DRYRUN, .older_ms = -1 };
static const struct orphans_ask foreign = { .what = ORPHANS_DRYRUN, .older_ms = -1, .foreign = true, .like = "test_%" };

/* A schema of berth's that no registry knows of, and that nothing speaks for. */
static struct orphan
stamped(void)
{
	struct orphan orphan = {
		.kind = ORPHAN_SCHEMA, .name = "test_3fa9c1_1", .stamp_text = "berth runner=3fa9c1 fence=7", .calm = true,
		.age_ms = 5000, .uid = -1, .tables = 40, .bytes = 1000, .sessions = 0,
	};

	assert_true(stamp_read(orphan.stamp_text, &orphan.stamp));
	return orphan;
}

static struct orphan
registered(int64_t silent_ms)
{
	struct orphan orphan = stamped();

	orphan.registered = true;
	strcpy(orphan.runner, "3fa9c1");
	strcpy(orphan.host, "ci-7");
	orphan.silent_ms = silent_ms;
	orphan.grace_ms = 15000;
	return orphan;
}

static struct orphan
unstamped(const char *name)
{
	struct orphan orphan = { .kind = ORPHAN_SCHEMA, .calm = true, .age_ms = -1, .uid = -1, .sessions = 0 };

	snprintf(orphan.name, sizeof orphan.name, "%s", name);
	return orphan;
}

static void
expect(struct orphan orphan, const struct orphans_ask *ask, enum orphan_class class, enum orphan_action action,
       const char *told)
{
	assert_true(orphan_judge(&orphan, ask));
	assert_int_equal(orphan.class, class);
	assert_int_equal(orphan.action, action);
	if (!strstr(orphan.why, told))
		fail_msg("'%s' is not in '%s'", told, orphan.why);
}

static void
expect_none(struct orphan orphan, const struct orphans_ask *ask)
{
	assert_false(orphan_judge(&orphan, ask));
}

static void
what_bears_a_stamp_and_is_in_no_registry_may_go(void **state)
{
	expect(stamped(), &list, ORPHAN_STAMPED, ORPHAN_NONE, "no registry knows of it");
	expect(stamped(), &dry, ORPHAN_STAMPED, ORPHAN_WOULD_DROP, "runner 3fa9c1, fence 7");
}

static void
nothing_of_a_runner_that_lives_may_go(void **state)
{
	struct orphan orphan = stamped();

	expect_none(registered(15000), &dry);
	orphan.lock_pid = 4711;
	expect(orphan, &dry, ORPHAN_STAMPED, ORPHAN_KEPT, "its runner 3fa9c1 lives: the session 4711");
	orphan = stamped();
	orphan.calm = false;
	expect(orphan, &dry, ORPHAN_STAMPED, ORPHAN_KEPT, "has just started");
}

static void
a_dead_runners_slots_are_the_reapers(void **state)
{
	struct orphan orphan = registered(15001);

	expect(orphan, &list, ORPHAN_DEAD, ORPHAN_NONE, "its runner 3fa9c1 on ci-7 is dead");
	expect(orphan, &dry, ORPHAN_DEAD, ORPHAN_KEPT, "; berthd drops it by itself");
	orphan.lock_pid = 4711;
	expect(orphan, &dry, ORPHAN_DEAD, ORPHAN_KEPT, "SELECT pg_terminate_backend(4711)");
}

static void
what_was_taken_over_from_the_dead_is_told_while_it_is_dropped(void **state)
{
	struct orphan orphan = registered(0);

	strcpy(orphan.runner, "77aa01");
	expect_none(orphan, &list); /* adopted, and in use */
	orphan.dropping = true;
	expect(orphan, &dry, ORPHAN_DEAD, ORPHAN_KEPT, "its runner 3fa9c1 is dead, and runner 77aa01 drops it");
	strcpy(orphan.runner, "3fa9c1");
	expect_none(orphan, &list); /* an ordinary drop */
}

static void
one_with_sessions_stays_unless_it_was_said(void **state)
{
	struct orphans_ask told = dry;
	struct orphan orphan = stamped();

	orphan.sessions = 2;
	expect(orphan, &dry, ORPHAN_STAMPED, ORPHAN_KEPT, "2 sessions may be at work in it; SESSIONS");
	told.sessions = true;
	expect(orphan, &told, ORPHAN_STAMPED, ORPHAN_WOULD_DROP, "");
}

static void
what_is_foreign_needs_foreign(void **state)
{
	expect_none(unstamped("test_gw0"), &list);
	expect_none(unstamped("test_gw0"), &dry);
	expect(unstamped("test_gw0"), &foreign, ORPHAN_FOREIGN, ORPHAN_WOULD_DROP, "its name is like 'test_%'");
}

static void
what_is_sacred_is_nobodys_orphan(void **state)
{
	static const char *const names[] = { "public", "information_schema", "pg_catalog", "pg_toast", "pg_temp_3", "berth",
		                             "berth_lease", "berth_orphan_1", "postgres", "template0", "template1" };
	struct orphan orphan = unstamped("test_x");

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		for (int kind = ORPHAN_DATABASE; kind <= ORPHAN_ROLE; kind++) {
			assert_true(orphan_is_sacred((enum orphan_kind)kind, names[i]));
			expect_none(unstamped(names[i]), &foreign);
		}
	orphan.system = true;
	expect_none(orphan, &foreign);
}

static void
only_what_is_known_to_be_older_counts(void **state)
{
	struct orphans_ask ask = list;
	struct orphan orphan = stamped();

	ask.older_ms = 5000;
	expect(orphan, &ask, ORPHAN_STAMPED, ORPHAN_NONE, "");
	ask.older_ms = 5001;
	expect_none(orphan, &ask);
	orphan.age_ms = -1;
	ask.older_ms = 0;
	expect_none(orphan, &ask);
}

static void
redis_is_never_flushed_from_here(void **state)
{
	struct orphan orphan = { .kind = ORPHAN_REDIS, .name = "7", .runner = "3fa9c1", .age_ms = 1, .tables = 12 };

	expect(orphan, &dry, ORPHAN_DEAD, ORPHAN_KEPT, "shows no sign of life; berthd drops it by itself");
	orphan.runner[0] = '\0';
	expect_none(orphan, &dry);
	expect(orphan, &foreign, ORPHAN_FOREIGN, ORPHAN_KEPT, "redis-cli -n 7 FLUSHDB");
	strcpy(orphan.name, "0");
	expect_none(orphan, &foreign);
}

/* Whatever the facts: what is dropped is berth's and spoken for by nobody, or was named. */
static void
no_facts_make_it_drop_what_may_live(void **state)
{
	struct rng rng = { unit_seed() };

	for (int i = 0; i < 200000; i++) {
		struct orphan orphan = rng_below(&rng, 2) ? stamped() : unstamped(rng_below(&rng, 2) ? "public" : "test_a");
		struct orphans_ask ask = {
			.what = ORPHANS_DROP, .older_ms = (int64_t)rng_below(&rng, 3) - 1, .foreign = rng_below(&rng, 2),
			.sessions = rng_below(&rng, 2), .like = "test_%",
		};

		orphan.kind = (enum orphan_kind)rng_below(&rng, ORPHAN_KIND_COUNT);
		orphan.registered = rng_below(&rng, 2);
		orphan.dropping = rng_below(&rng, 2);
		orphan.silent_ms = rng_below(&rng, 3);
		orphan.grace_ms = 1;
		orphan.lock_pid = (int)rng_below(&rng, 2);
		orphan.calm = rng_below(&rng, 2);
		orphan.system = rng_below(&rng, 2);
		orphan.sessions = (int64_t)rng_below(&rng, 3) - 1;
		orphan.age_ms = (int64_t)rng_below(&rng, 3) - 1;
		strcpy(orphan.runner, rng_below(&rng, 2) ? "3fa9c1" : "77aa01");
		if (!orphan_judge(&orphan, &ask) || orphan.action != ORPHAN_WOULD_DROP)
			continue;
		assert_false(orphan.registered);
		assert_true(orphan.kind != ORPHAN_REDIS);
		assert_true(orphan.sessions <= 0 || ask.sessions);
		assert_true(orphan.age_ms >= ask.older_ms);
		if (*orphan.stamp_text)
			assert_true(!orphan.lock_pid && orphan.calm);
		else
			assert_true(ask.foreign && !orphan.system && !orphan_is_sacred(orphan.kind, orphan.name));
	}
}

/* ---- questions ---- */

static void
foreign_needs_a_pattern_that_tells(void **state)
{
	static const struct { const char *like; bool list, drop; } rows[] = {
		{ "", false, false }, { "%", true, false }, { "_%_", true, false }, { "t_%", true, false },
		{ "tes%", true, true }, { "%\\_%%", true, false }, { "a\\_\\%", true, true }, { "test\\", false, false },
	};
	struct berth_error e;

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct orphans_ask ask = { .what = ORPHANS_LIST, .foreign = true };

		strcpy(ask.like, rows[i].like);
		assert_int_equal(orphans_check(&ask, &e) == 0, rows[i].list);
		ask.what = ORPHANS_DROP;
		assert_int_equal(orphans_check(&ask, &e) == 0, rows[i].drop);
		ask.foreign = false;
		assert_int_equal(orphans_check(&ask, &e) == 0, strcmp(rows[i].like, "test\\") != 0);
	}
}

static void
words_lead_there_and_back(void **state)
{
	for (int kind = 0; kind < ORPHAN_KIND_COUNT; kind++) {
		const char *word = orphan_kind_word((enum orphan_kind)kind);

		assert_int_equal(orphan_kind_of(word, (int)strlen(word)), kind);
	}
	assert_int_equal(orphan_kind_of("rol", 3), -1);
	assert_string_equal(orphan_class_word(ORPHAN_STAMPED), "stamped");
	assert_string_equal(orphan_action_word(ORPHAN_WOULD_DROP), "would-drop");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stamp_tells_what_was_written),
		cmocka_unit_test(a_stamp_holds_any_name_of_a_database),
		cmocka_unit_test(an_early_stamp_and_one_with_more_words_are_read),
		cmocka_unit_test(other_comments_are_no_stamps),
		cmocka_unit_test(no_text_upsets_the_reader_of_stamps),
		cmocka_unit_test(what_bears_a_stamp_and_is_in_no_registry_may_go),
		cmocka_unit_test(nothing_of_a_runner_that_lives_may_go),
		cmocka_unit_test(a_dead_runners_slots_are_the_reapers),
		cmocka_unit_test(what_was_taken_over_from_the_dead_is_told_while_it_is_dropped),
		cmocka_unit_test(one_with_sessions_stays_unless_it_was_said),
		cmocka_unit_test(what_is_foreign_needs_foreign),
		cmocka_unit_test(what_is_sacred_is_nobodys_orphan),
		cmocka_unit_test(only_what_is_known_to_be_older_counts),
		cmocka_unit_test(redis_is_never_flushed_from_here),
		cmocka_unit_test(no_facts_make_it_drop_what_may_live),
		cmocka_unit_test(foreign_needs_a_pattern_that_tells),
		cmocka_unit_test(words_lead_there_and_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
