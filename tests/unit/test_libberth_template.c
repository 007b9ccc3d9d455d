/* SPDX-License-Identifier: MIT */
/* libberth's templates and resets: who builds, what is sent, what the answers come to. */
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
say_sealed(struct peer *p)
{
	struct reply *r = &p->reply;

	reply_map(r, 6);
	reply_field_text(r, "key", "k");
	reply_field_text(r, "kind", "schema");
	reply_field_int(r, "tables", 40);
	reply_field_int(r, "rows", 120);
	reply_field_int(r, "bytes", 3 << 20);
	reply_field_int(r, "us", 134000);
}

static void
say_reset(struct peer *p, int rebuilt)
{
	struct reply *r = &p->reply;

	reply_map(r, 5);
	reply_field_int(r, "tables", rebuilt ? 0 : 3);
	reply_field_int(r, "rows", rebuilt ? 0 : 30);
	reply_field_int(r, "sequences", rebuilt ? 0 : 2);
	reply_field_int(r, "rebuilt", rebuilt);
	reply_field_int(r, "us", 900);
}

static void
waits_while_somebody_else_builds_and_stops_when_it_is_our_turn(void **state)
{
	struct peer *p = *state;
	struct berth_options options = BERTH_OPTIONS_INIT;
	struct berth_lease *lease;

	options.template_key = "k";
	options.wait_ms = 3600000;
	peer_say_queued(p, 1, "run r1 worker gw1, pid 4711 on host h builds the template k");
	peer_say_builder(p, "k");
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, NULL), 0);
	assert_true(berth_lease_builds(lease));
	assert_string_equal(lease->template_key, "k");
	assert_non_null(lease->dsn);
	berth_lease_free(lease);
	peer_heard(p, "ACQUIRE gw0 TEMPLATE k WAIT 60000|LEASE 3fa9c1-17 WAIT 60000");
}

static void
waits_on_while_its_own_slot_is_being_made(void **state)
{
	struct peer *p = *state;
	struct berth_lease *lease;

	/* A waiting lease's map, but its state: the fields about servers are null. */
	peer_say(p,
	         "*56\r\n+lease\r\n+a-1\r\n+run\r\n+r\r\n+worker\r\n+w\r\n+state\r\n+building\r\n"
	         "+position\r\n:0\r\n+kind\r\n+schema\r\n+template\r\n+k\r\n");
	for (int i = 7; i < PEER_LEASE_FIELDS; i++) {
		peer_say(p, "+");
		peer_say(p, peer_lease[i].name);
		peer_say(p, "\r\n$-1\r\n");
	}
	peer_say_lease(p, NULL);
	assert_int_equal(berth_lease_get(p->client, "a-1", 60000, &lease, NULL), 0);
	assert_int_equal(lease->state, BERTH_STATE_HELD);
	assert_false(berth_lease_builds(lease));
	berth_lease_free(lease);
}

static void
a_failed_build_ends_the_wait_with_the_builders_message(void **state)
{
	struct peer *p = *state;
	struct berth_options options = { .wait_ms = 60000 };
	struct berth_lease *lease = NULL;
	struct berth_error e;

	peer_say_queued(p, 1, "somebody builds");
	peer_say(p, "-BUILDFAILED 'alembic upgrade head' exited with status 1\r\n");
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, &e), -1);
	assert_int_equal(e.code, BERTH_BUILDFAILED);
	assert_string_equal(e.message, "'alembic upgrade head' exited with status 1");
	assert_null(lease);
}

static void
seals_aborts_and_drops(void **state)
{
	struct peer *p = *state;
	struct berth_seal_report report;

	say_sealed(p);
	say_sealed(p);
	peer_say(p, "+OK\r\n+OK\r\n+OK\r\n");
	assert_int_equal(berth_template_seal(p->client, "a-1", &report, NULL), 0);
	assert_int_equal(report.tables, 40);
	assert_int_equal(report.rows, 120);
	assert_int_equal(report.bytes, 3 << 20);
	assert_int_equal(report.us, 134000);
	assert_int_equal(berth_template_seal(p->client, "a-1", NULL, NULL), 0);
	assert_int_equal(berth_template_abort(p->client, "a-1", NULL, NULL), 0);
	assert_int_equal(berth_template_abort(p->client, "a-1", "no such table", NULL), 0);
	assert_int_equal(berth_template_drop(p->client, "k", NULL), 0);
	peer_heard(p, "TEMPLATE SEAL a-1|TEMPLATE SEAL a-1|TEMPLATE ABORT a-1|TEMPLATE ABORT a-1 ?|"
	              "TEMPLATE DROP k");
}

static void
resets_and_declares_the_baseline(void **state)
{
	struct peer *p = *state;
	struct berth_reset_report report;

	say_reset(p, 0);
	say_reset(p, 1);
	peer_say(p, "+OK\r\n");
	assert_int_equal(berth_reset(p->client, "a-1", false, &report, NULL), 0);
	assert_int_equal(report.tables, 3);
	assert_int_equal(report.rows, 30);
	assert_int_equal(report.sequences, 2);
	assert_int_equal(report.rebuilt, 0);
	assert_int_equal(report.us, 900);
	assert_int_equal(berth_reset(p->client, "a-1", true, &report, NULL), 0);
	assert_int_equal(report.rebuilt, 1);
	assert_int_equal(berth_baseline(p->client, "a-1", NULL), 0);
	peer_heard(p, "RESET a-1|RESET a-1 FORCE|BASELINE a-1");
}

static void
what_is_refused_leaves_the_report_as_it_was(void **state)
{
	struct peer *p = *state;
	struct berth_seal_report sealed = { .tables = 7 };
	struct berth_reset_report reset = { .tables = 7 };
	struct berth_error e;

	peer_say(
		p,
		"-DENIED lease a-1 does not build a template\r\n-BUSY pid 4711 is in a transaction\r\n"
		"*2\r\n+tables\r\n:9\r\n+RESET\r\n");
	assert_int_equal(berth_template_seal(p->client, "a-1", &sealed, &e), -1);
	assert_int_equal(e.code, BERTH_DENIED);
	assert_int_equal(berth_reset(p->client, "a-1", false, &reset, &e), -1);
	assert_int_equal(e.code, BERTH_BUSY);
	assert_int_equal(berth_reset(p->client, "a-1", false, &reset, &e),
	                 -1); /* a field is missing */
	assert_int_equal(e.code, BERTH_ERR);
	assert_int_equal(berth_reset(p->client, "a-1", false, &reset, &e),
	                 -1); /* an older daemon's */
	assert_int_equal(e.code, BERTH_ERR);
	assert_int_equal(sealed.tables, 7);
	assert_int_equal(reset.tables, 7);
}

static void
without_a_lease_or_a_key_nothing_is_sent(void **state)
{
	struct peer *p = *state;
	struct berth_error e;

	assert_int_equal(berth_reset(p->client, NULL, false, NULL, &e), -1);
	assert_int_equal(e.code, BERTH_USAGE);
	assert_int_equal(berth_template_seal(p->client, NULL, NULL, &e), -1);
	assert_int_equal(e.code, BERTH_USAGE);
	assert_int_equal(berth_template_drop(p->client, NULL, &e), -1);
	assert_int_equal(e.code, BERTH_USAGE);
	peer_heard(p, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			waits_while_somebody_else_builds_and_stops_when_it_is_our_turn, setup,
			teardown),
		cmocka_unit_test_setup_teardown(waits_on_while_its_own_slot_is_being_made, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
			a_failed_build_ends_the_wait_with_the_builders_message, setup, teardown),
		cmocka_unit_test_setup_teardown(seals_aborts_and_drops, setup, teardown),
		cmocka_unit_test_setup_teardown(resets_and_declares_the_baseline, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_refused_leaves_the_report_as_it_was, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(without_a_lease_or_a_key_nothing_is_sent, setup,
		                                teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
