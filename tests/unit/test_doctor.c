/* SPDX-License-Identifier: MIT */
/* What the doctor makes of facts that no test can bring a server to in a moment. */
#include <string.h>
#include <sys/stat.h>

#include "daemon/doctor.h"
#include "tests/unit/unit.h"

/* A server that is big enough, with nothing wrong. */
static const struct doctor_facts well = {
	.server = true, .registry = true, .server_version = 160004,
	.max_connections = 200, .reserved = 3, .lock_rows = 200, .lock_table = 200 * 64, .runners = 1, .versions = 1,
	.workers = 8, .builds = 4, .pg_connections = 4, .role_connections = 16,
	.autovacuum = 1, .naptime_s = 60, .createrole = 1, .createdb = 1, .template_copies = 1, .database_create = 1, .enum_create = 1,
	.template_age_h = 336, .templates_mb = 8192,
	.redis_wanted = true, .redis = true, .redis_acl = true, .redis_leasable = 62,
	.sessions_most = 4096, .sessions_wanted = 4096,
	.socket_mode = S_IFSOCK | 0660, .dir_mode = S_IFDIR | 0755, .group_there = true,
	.pg_dump = "/usr/bin/pg_dump", .pg_dump_version = 16,
};

static enum severity
of(const char *key, const struct doctor_facts *facts)
{
	struct finding finding;

	for (int i = 0; i < DOCTOR_CHECKS; i++) {
		if (strcmp(doctor_checks[i].key, key) != 0)
			continue;
		assert_true(doctor_judge(&doctor_checks[i], facts, &finding));
		assert_true(finding.severity == SEVERITY_OK || *finding.remedy);
		return finding.severity;
	}
	fail_msg("there is no check %s", key);
	return SEVERITY_OK;
}

static void
where_nothing_is_wrong_all_is_well(void **state)
{
	struct finding finding;

	for (int i = 0; i < DOCTOR_CHECKS; i++) {
		assert_true(doctor_judge(&doctor_checks[i], &well, &finding));
		assert_int_equal(finding.severity, SEVERITY_OK);
	}
}

static void
connections_are_counted_for_this_runner_and_for_all(void **state)
{
	struct doctor_facts facts = well;

	facts.workers = 96; /* 5 + 192 of 197 */
	facts.role_connections = 1;
	assert_int_equal(of("connections", &facts), SEVERITY_OK);
	facts.workers = 97;
	assert_int_equal(of("connections", &facts), SEVERITY_BAD);
	facts.workers = 60;
	facts.runners = 2;
	assert_int_equal(of("connections", &facts), SEVERITY_WARN);
	facts.runners = 1;
	facts.role_connections = -1;
	assert_int_equal(of("connections", &facts), SEVERITY_INFO);
	facts.sessions = 190;
	assert_int_equal(of("connections", &facts), SEVERITY_WARN);
}

static void
locks_are_shared_by_builds_and_runners(void **state)
{
	struct doctor_facts facts = well;

	facts.template_tables = 66; /* 4 × 66 × 24 of 6400 */
	assert_int_equal(of("locks", &facts), SEVERITY_OK);
	facts.template_tables = 67;
	assert_int_equal(of("locks", &facts), SEVERITY_INFO);
	facts.template_tables = 267; /* 6408 */
	assert_int_equal(of("locks", &facts), SEVERITY_WARN);
	facts.template_tables = 534;
	assert_int_equal(of("locks", &facts), SEVERITY_BAD);
	facts.template_tables = 66;
	facts.runners = 2;
	assert_int_equal(of("locks", &facts), SEVERITY_INFO);
}

static void
the_clock_is_trusted_as_far_as_the_answer_took(void **state)
{
	struct doctor_facts facts = well;

	facts.asked_us = 1000000000;
	facts.answered_us = facts.asked_us + 4000000;
	facts.clock_us = facts.asked_us + 4900000;
	assert_int_equal(of("clock", &facts), SEVERITY_OK);
	facts.clock_us = facts.asked_us + 5100000;
	assert_int_equal(of("clock", &facts), SEVERITY_INFO);
	facts.clock_us = facts.asked_us - 40000000;
	assert_int_equal(of("clock", &facts), SEVERITY_WARN);
}

static void
what_only_time_brings_is_judged_too(void **state)
{
	struct doctor_facts facts = well;

	facts.catalog_mb = 65;
	facts.catalog_live = 1000;
	facts.catalog_dead = 1001;
	assert_int_equal(of("autovacuum", &facts), SEVERITY_WARN);
	facts.prepared = 1;
	strcpy(facts.prepared_end, "ROLLBACK PREPARED 'x';");
	assert_int_equal(of("prepared", &facts), SEVERITY_INFO);
	facts.prepared_age_s = 61;
	assert_int_equal(of("prepared", &facts), SEVERITY_WARN);
	facts.template_mb = 8000;
	assert_int_equal(of("templates", &facts), SEVERITY_WARN);
	facts.server_version = 150000;
	assert_int_equal(of("superuser", &facts), SEVERITY_INFO);
	facts.redis_leasable = 7;
	assert_int_equal(of("redis_databases", &facts), SEVERITY_WARN);
	facts.group_there = false;
	assert_int_equal(of("socket", &facts), SEVERITY_INFO);
	facts.socket_mode = 0;
	assert_int_equal(of("socket", &facts), SEVERITY_BAD);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(where_nothing_is_wrong_all_is_well),
		cmocka_unit_test(connections_are_counted_for_this_runner_and_for_all),
		cmocka_unit_test(locks_are_shared_by_builds_and_runners),
		cmocka_unit_test(the_clock_is_trusted_as_far_as_the_answer_took),
		cmocka_unit_test(what_only_time_brings_is_judged_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
