/* SPDX-License-Identifier: MIT */
/* libberth's verbs: the words that it sends, and what it makes of the answers. */
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
sends_every_option_of_an_acquire(void **state)
{
	struct peer *p = *state;
	struct berth_options options = BERTH_OPTIONS_INIT;
	struct berth_lease *lease;
	struct berth_error e;

	options.run = "r1";
	options.kind = "database";
	options.name = "test_mine";
	options.redis = "private";
	options.label = "a label";
	options.ttl_ms = 90000;
	options.detach = true;
	options.template_key = "app@1f3c";
	peer_say_lease(p, NULL);
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, &e), 0);
	peer_heard(
		p,
		"ACQUIRE gw0 RUN r1 TEMPLATE app@1f3c KIND database NAME test_mine REDIS private "
		"TTL 90000 LABEL ? DETACH");
	berth_lease_free(lease);
}

static void
sends_only_the_worker_without_options(void **state)
{
	struct peer *p = *state;
	struct berth_lease *lease;

	peer_say_lease(p, NULL);
	assert_int_equal(berth_acquire(p->client, "gw0", NULL, &lease, NULL), 0);
	peer_heard(p, "ACQUIRE gw0");
	berth_lease_free(lease);
}

static void
reads_only_the_options_that_the_caller_was_compiled_with(void **state)
{
	struct peer *p = *state;
	struct {
		struct berth_options options;
		char later[64]; /* what a newer header would have added */
	} given = { .options = { .size = offsetof(struct berth_options, kind),
		                 .run = "r1",
		                 .kind = "never read" } };
	struct berth_lease *lease;

	peer_say_lease(p, NULL);
	assert_int_equal(berth_acquire(p->client, "gw0", &given.options, &lease, NULL), 0);
	peer_heard(p, "ACQUIRE gw0 RUN r1");
	berth_lease_free(lease);
	given.options.size = sizeof given;
	given.options.kind = "schema";
	memset(given.later, 'x', sizeof given.later);
	peer_say_lease(p, NULL);
	assert_int_equal(berth_acquire(p->client, "gw0", &given.options, &lease, NULL), 0);
	peer_heard(p, "ACQUIRE gw0 RUN r1 KIND schema");
	berth_lease_free(lease);
}

static void
reads_every_field_of_a_held_lease(void **state)
{
	struct peer *p = *state;
	struct berth_lease *l;

	peer_say_lease(p, NULL);
	assert_int_equal(berth_lease_get(p->client, "r1/gw0", 0, &l, NULL), 0);
	peer_heard(p, "LEASE r1/gw0");
	assert_string_equal(l->lease, "3fa9c1-17");
	assert_string_equal(l->run, "r1");
	assert_string_equal(l->worker, "gw0");
	assert_int_equal(l->state, BERTH_STATE_HELD);
	assert_int_equal(l->position, 0);
	assert_string_equal(l->kind, "schema");
	assert_string_equal(l->schema, "test_3fa9c1_17");
	assert_string_equal(l->role, "test_3fa9c1_17");
	assert_string_equal(l->dsn, "postgresql://test_3fa9c1_17:pw@127.0.0.1:5432/app");
	assert_string_equal(l->host, "127.0.0.1");
	assert_int_equal(l->port, 5432);
	assert_string_equal(l->dbname, "app");
	assert_string_equal(l->user, "test_3fa9c1_17");
	assert_string_equal(l->password, "pw");
	assert_string_equal(l->redis, "acl");
	assert_string_equal(l->redis_url, "redis://u:rpw@127.0.0.1:6379/3");
	assert_string_equal(l->redis_host, "127.0.0.1");
	assert_int_equal(l->redis_port, 6379);
	assert_null(l->redis_socket);
	assert_int_equal(l->redis_db, 3);
	assert_string_equal(l->redis_user, "u");
	assert_string_equal(l->redis_password, "rpw");
	assert_int_equal(l->fence, 41);
	assert_int_equal(l->expires_ms, 86400000);
	assert_null(l->why);
	assert_null(l->template_key);
	assert_null(l->builder);
	berth_lease_free(l);
}

static void
knows_nothing_of_servers_while_a_lease_is_queued(void **state)
{
	struct peer *p = *state;
	struct berth_lease *l;

	peer_say_queued(p, 2, "all 8 schemas are leased");
	assert_int_equal(berth_acquire(p->client, "gw0", NULL, &l, NULL), 0);
	assert_int_equal(l->state, BERTH_STATE_QUEUED);
	assert_int_equal(l->position, 2);
	assert_string_equal(l->why, "all 8 schemas are leased");
	assert_null(l->dsn);
	assert_int_equal(l->port, -1);
	assert_int_equal(l->fence, -1);
	berth_lease_free(l);
}

static void
a_caller_without_templates_asks_for_none(void **state)
{
	struct peer *p = *state;
	struct berth_options options = { .template_key = "beyond the first form" };
	struct berth_lease *lease;

	peer_say_lease(p, NULL);
	assert_int_equal(berth_acquire(p->client, "gw0", &options, &lease, NULL), 0);
	peer_heard(p, "ACQUIRE gw0");
	berth_lease_free(lease);
}

static void
binds_detaches_renews_and_releases(void **state)
{
	struct peer *p = *state;
	struct berth_lease *l;
	long long left = 0;

	peer_say_lease(p, NULL);
	assert_int_equal(berth_attach(p->client, "3fa9c1-17", 41, &l, NULL), 0);
	berth_lease_free(l);
	peer_say(p, "+OK\r\n:90000\r\n:1\r\n+OK\r\n+OK\r\n");
	assert_int_equal(berth_detach(p->client, "3fa9c1-17", NULL), 0);
	assert_int_equal(berth_renew(p->client, "3fa9c1-17", 90000, &left, NULL), 0);
	assert_int_equal(left, 90000);
	assert_int_equal(berth_renew(p->client, "3fa9c1-17", 0, NULL, NULL), 0);
	assert_int_equal(berth_release(p->client, "3fa9c1-17", 0, NULL), 0);
	assert_int_equal(berth_release(p->client, "3fa9c1-17", 600000, NULL), 0);
	peer_heard(p,
	           "ATTACH 3fa9c1-17 41|DETACH 3fa9c1-17|RENEW 3fa9c1-17 TTL 90000|RENEW 3fa9c1-17|"
	           "RELEASE 3fa9c1-17|RELEASE 3fa9c1-17 KEEP 600000");
}

static void
asks_for_information_and_signs_of_life(void **state)
{
	struct peer *p = *state;
	long long us = -1;
	char *text;

	peer_say(p, "$17\r\n# Server\r\npid:1\r\n\r\n$0\r\n\r\n+PONG\r\n+OK\r\n+OK\r\n");
	assert_int_equal(berth_info(p->client, NULL, &text, NULL), 0);
	assert_string_equal(text, "# Server\r\npid:1\r\n");
	free(text);
	assert_int_equal(berth_info(p->client, "leases", &text, NULL), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(berth_ping(p->client, &us, NULL), 0);
	assert_true(us >= 0);
	assert_int_equal(berth_shutdown(p->client, BERTH_SHUTDOWN_DRAIN, NULL), 0);
	assert_int_equal(berth_shutdown(p->client, BERTH_SHUTDOWN_NOW, NULL), 0);
	peer_heard(p, "INFO|INFO leases|PING|SHUTDOWN|SHUTDOWN NOW");
}

/* A row of LEASES: held, without a Redis database, and waiting. */
static void
say_row(struct peer *p, const char *lease, const char *state, bool held)
{
	struct reply *r = &p->reply;
	static const char *const texts[] = { "schema", "role", "dbname", "redis" };

	reply_map(r, 18);
	reply_field_text(r, "lease", lease);
	reply_field_text(r, "run", "r1");
	reply_field_text(r, "worker", "gw0");
	reply_field_text(r, "state", state);
	reply_field_int(r, "position", held ? 0 : 1);
	reply_field_text(r, "kind", "schema");
	for (int i = 0; i < 4; i++)
		reply_field_text(r, texts[i], held ? "x" : NULL);
	reply_text(r, "redis_db");
	reply_null(r);
	held ? reply_field_int(r, "fence", 9) : reply_field_text(r, "fence", NULL);
	reply_field_int(r, "uid", 1000);
	reply_field_int(r, "pid", 4711);
	reply_field_text(r, "label", NULL);
	reply_field_int(r, "age_ms", 1500);
	held ? reply_field_int(r, "expires_ms", 7) : reply_field_text(r, "expires_ms", NULL);
	reply_field_int(r, "connections", 2);
}

static void
walks_the_list_of_leases(void **state)
{
	struct peer *p = *state;
	const struct berth_lease_row *row;
	struct berth_leases *list;

	reply_array(&p->reply, 2);
	say_row(p, "a-1", "held", true);
	say_row(p, "a-2", "queued", false);
	assert_int_equal(berth_leases(p->client, "r1", 1000, &list, NULL), 0);
	row = berth_leases_next(list);
	assert_string_equal(row->lease, "a-1");
	assert_int_equal(row->redis_db, -1);
	assert_int_equal(row->pid, 4711);
	assert_int_equal(row->age_ms, 1500);
	assert_int_equal(row->connections, 2);
	row = berth_leases_next(list);
	assert_int_equal(row->state, BERTH_STATE_QUEUED);
	assert_null(row->schema);
	assert_int_equal(row->fence, -1);
	assert_null(berth_leases_next(list));
	assert_null(berth_leases_next(list));
	berth_leases_free(list);
	peer_say(p, "*0\r\n");
	assert_int_equal(berth_leases(p->client, NULL, -1, &list, NULL), 0);
	assert_null(berth_leases_next(list));
	berth_leases_free(list);
	peer_heard(p, "LEASES RUN r1 UID 1000|LEASES");
}

static void
refuses_a_list_with_one_bad_row(void **state)
{
	struct peer *p = *state;
	struct berth_leases *list = NULL;
	struct berth_error e;

	reply_array(&p->reply, 2);
	say_row(p, "a-1", "held", true);
	say_row(p, "a-2", "held", false); /* held, and yet without a schema */
	assert_int_equal(berth_leases(p->client, NULL, -1, &list, &e), -1);
	assert_int_equal(e.code, BERTH_ERR);
	assert_non_null(strstr(e.message, "'schema'"));
	assert_null(list);
}

static void
gives_any_verb_and_its_whole_reply(void **state)
{
	struct peer *p = *state;
	const char *const words[] = { "SLOTS", "x" };
	struct berth_reply *r;

	peer_say(p, "*4\r\n$3\r\na\r\n\r\n:-7\r\n$-1\r\n*1\r\n-BUSY now\r\n");
	assert_int_equal(berth_command(p->client, 0, 2, words, &r, NULL), 0);
	assert_int_equal(r->count, 4);
	assert_int_equal(r->items[0]->len, 3);
	assert_memory_equal(r->items[0]->text, "a\r\n", 4);
	assert_int_equal(r->items[1]->integer, -7);
	assert_int_equal(r->items[2]->type, BERTH_REPLY_NULL);
	assert_int_equal(r->items[3]->items[0]->type, BERTH_REPLY_ERROR);
	berth_reply_free(r);
	peer_heard(p, "SLOTS x");
}

static void
an_error_reply_becomes_the_error_with_its_code(void **state)
{
	struct peer *p = *state;
	struct berth_error e;

	peer_say(p, "-NOLEASE no lease r1/gw9\r\n-FUTURE a code of a newer daemon\r\n-STALE\r\n");
	assert_int_equal(berth_release(p->client, "r1/gw9", 0, &e), -1);
	assert_int_equal(e.code, BERTH_NOLEASE);
	assert_string_equal(e.message, "no lease r1/gw9");
	assert_int_equal(berth_release(p->client, "r1/gw9", 0, &e), -1);
	assert_int_equal(e.code, BERTH_ERR);
	assert_string_equal(e.message, "FUTURE a code of a newer daemon");
	assert_int_equal(berth_release(p->client, "r1/gw9", 0, &e), -1);
	assert_int_equal(e.code, BERTH_STALE);
	assert_true(berth_connected(p->client));
}

static void
refuses_a_request_beyond_the_limits_before_sending_it(void **state)
{
	struct peer *p = *state;
	const char *words[65];
	struct berth_reply *r;
	struct berth_error e;
	char *long_word = malloc(70000);

	for (int i = 0; i < 65; i++)
		words[i] = "x";
	assert_int_equal(berth_command(p->client, 0, 65, words, &r, &e), -1);
	assert_int_equal(e.code, BERTH_LIMIT);
	assert_int_equal(berth_command(p->client, 0, 0, words, &r, &e), -1);
	assert_int_equal(e.code, BERTH_LIMIT);
	memset(long_word, 'x', 69999);
	long_word[69999] = '\0';
	words[1] = long_word;
	assert_int_equal(berth_command(p->client, 0, 2, words, &r, &e), -1);
	assert_int_equal(e.code, BERTH_LIMIT);
	assert_int_equal(berth_release(p->client, NULL, 0, &e), -1);
	assert_int_equal(e.code, BERTH_USAGE);
	peer_heard(p, "");
	free(long_word);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sends_every_option_of_an_acquire, setup, teardown),
		cmocka_unit_test_setup_teardown(sends_only_the_worker_without_options, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
			reads_only_the_options_that_the_caller_was_compiled_with, setup, teardown),
		cmocka_unit_test_setup_teardown(reads_every_field_of_a_held_lease, setup, teardown),
		cmocka_unit_test_setup_teardown(knows_nothing_of_servers_while_a_lease_is_queued,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(a_caller_without_templates_asks_for_none, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(binds_detaches_renews_and_releases, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(asks_for_information_and_signs_of_life, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(walks_the_list_of_leases, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_a_list_with_one_bad_row, setup, teardown),
		cmocka_unit_test_setup_teardown(gives_any_verb_and_its_whole_reply, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(an_error_reply_becomes_the_error_with_its_code,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(
			refuses_a_request_beyond_the_limits_before_sending_it, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
