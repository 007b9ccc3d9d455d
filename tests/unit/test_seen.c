/* SPDX-License-Identifier: MIT */
/* What an operator sees: times in buckets, where metrics may listen, lines of the log. */
#include <string.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/slow.h"
#include "daemon/web.h"
#include "tests/unit/unit.h"

static void
times_are_told_as_far_as_the_buckets_know(void **state)
{
	const struct metrics_times *times = metrics_times(METRIC_RESET);

	assert_int_equal(metrics_quantile(times, 0.5), 0);
	for (int i = 0; i < 98; i++)
		metrics_observe(METRIC_RESET, 900);
	metrics_observe(METRIC_RESET, 1000);    /* a bound belongs to its bucket */
	metrics_observe(METRIC_RESET, 400000000); /* beyond the last one */
	assert_int_equal(times->count, 100);
	assert_int_equal(times->most_us, 400000000);
	assert_int_equal(metrics_quantile(times, 0.5), 1000);
	assert_int_equal(metrics_quantile(times, 0.99), 1000);
	assert_int_equal(metrics_quantile(times, 1), 400000000);
	for (int i = 1; i < METRICS_BUCKETS; i++)
		assert_true(metrics_bounds[i] > metrics_bounds[i - 1]);
}

static void
a_quantile_is_never_more_than_what_was_seen(void **state)
{
	metrics_observe(METRIC_SLOT_DROP, 700);
	assert_int_equal(metrics_quantile(metrics_times(METRIC_SLOT_DROP), 0.99), 700);
}

static void
the_slowest_resets_are_kept_in_order_for_an_hour(void **state)
{
	struct slow slow = { .count = 0 };
	struct rng rng = { unit_seed() };

	for (int i = 0; i < 1000; i++) {
		struct slow_reset reset = { .us = rng_below(&rng, 1000000), .at = i };

		slow_note(&slow, &reset);
		assert_true(slow.count == (i < SLOW_MOST ? i + 1 : SLOW_MOST));
		for (int n = 1; n < slow.count; n++)
			assert_true(slow.rows[n - 1].us >= slow.rows[n].us);
	}
	slow_note(&slow, &(struct slow_reset){ .us = 1, .at = 3600000000LL + 2000 });
	assert_int_equal(slow.count, 1);
	assert_int_equal(slow.rows[0].us, 1);
}

static void
metrics_listen_where_nobody_else_comes(void **state)
{
	static const char *const good[] = { "127.0.0.1:9187", "127.1.2.3:0", "[::1]:65535", "localhost:1", "/run/m.sock" };
	static const char *const bad[] = { "0.0.0.0:1", "128.0.0.1:1", "[::]:1", "::1:1", "127.0.0.1", "127.0.0.1:", ":1",
		                           "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:1x", "example:1", "m.sock" };
	struct web_address address;
	struct berth_error e;
	char path[200];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		assert_int_equal(web_address_parse(good[i], &address, &e), 0);
		assert_true(address.len > 0);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(web_address_parse(bad[i], &address, &e), -1);
		assert_int_equal(address.len, 0);
	}
	assert_int_equal(web_address_parse("", &address, &e), 0);
	assert_int_equal(address.len, 0);
	memset(path, '/', sizeof path);
	path[sizeof path - 1] = '\0';
	assert_int_equal(web_address_parse(path, &address, &e), -1);
}

/* What is written to stderr while `write_it` runs. */
static void
said(void (*write_it)(void), char *out, size_t size)
{
	int fds[2], before = dup(STDERR_FILENO);
	ssize_t got;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	write_it();
	dup2(before, STDERR_FILENO);
	close(before);
	close(fds[1]);
	got = read(fds[0], out, size - 1);
	out[got > 0 ? got : 0] = '\0';
	close(fds[0]);
}

static void
write_lines(void)
{
	log_error("it.broke", LOG_T("why", "a \"word\"\nand = more"), LOG_N("n", -1));
	log_warn("it.creaks");
	log_info("it.runs", LOG_T("id", "3f-1"), LOG_T("empty", ""));
	log_debug("it.thinks");
}

static void
lines_are_logfmt_with_the_journal_s_priorities_in_front(void **state)
{
	char text[1024];

	said(write_lines, text, sizeof text);
	assert_string_equal(text, "it.broke level=error why=\"a \\\"word\\\"\\nand = more\" n=-1\nit.creaks level=warn\n"
	                          "it.runs level=info id=3f-1 empty=\"\"\n");
	log_set_priorities(true);
	log_set_level(LOG_LEVEL_DEBUG);
	said(write_lines, text, sizeof text);
	assert_string_equal(text, "<3>it.broke level=error why=\"a \\\"word\\\"\\nand = more\" n=-1\n<4>it.creaks level=warn\n"
	                          "<6>it.runs level=info id=3f-1 empty=\"\"\n<7>it.thinks level=debug\n");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_told_as_far_as_the_buckets_know),
		cmocka_unit_test(a_quantile_is_never_more_than_what_was_seen),
		cmocka_unit_test(the_slowest_resets_are_kept_in_order_for_an_hour),
		cmocka_unit_test(metrics_listen_where_nobody_else_comes),
		cmocka_unit_test(lines_are_logfmt_with_the_journal_s_priorities_in_front),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
