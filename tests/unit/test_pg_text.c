/* SPDX-License-Identifier: MIT */
/* Quoting, names, verifiers and URIs: what is put together as text for PostgreSQL. */
#include <libpq-fe.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/pg/conn.h"
#include "daemon/pg/scram.h"
#include "daemon/pg/sql.h"
#include "daemon/pg/target.h"
#include "daemon/slot.h"
#include "daemon/url.h"
#include "tests/unit/unit.h"

static void
identifiers_and_literals_are_quoted(void **state)
{
	struct sql sql = { 0 };

	sql_add(&sql, "%I %L %L %L %s %d %l %%", "a\"b", "it's", "back\\'", NULL, "raw", -7, INT64_MIN);
	assert_string_equal(sql.text, "\"a\"\"b\" 'it''s'  E'back\\\\''' NULL raw -7 -9223372036854775808 %");
	sql_clear(&sql);
	assert_string_equal(sql.text, "");
	sql_fini(&sql);
}

/* A small reader of PostgreSQL's literals, to undo what was quoted. */
static void
unquote(const char *text, char *out)
{
	bool escapes = text[0] == ' ' && text[1] == 'E';

	text += escapes ? 3 : 1;
	while (!(text[0] == '\'' && text[1] != '\'')) {
		text += text[0] == '\'' || (escapes && text[0] == '\\');
		*out++ = *text++;
	}
	assert_int_equal(text[1], '\0');
	*out = '\0';
}

static void
any_text_survives_being_a_literal(void **state)
{
	static const char letters[] = "a'\\\"%\n;-E ";
	struct rng rng = { unit_seed() };
	char text[32], back[32];

	for (int round = 0; round < 50000; round++) {
		struct sql sql = { 0 };
		size_t len = rng_below(&rng, sizeof text - 1);

		for (size_t i = 0; i < len; i++)
			text[i] = letters[rng_below(&rng, sizeof letters - 1)];
		text[len] = '\0';
		sql_add(&sql, "%L", text);
		unquote(sql.text, back);
		assert_string_equal(back, text);
		sql_fini(&sql);
	}
}

static void
names_are_plain_identifiers_that_are_nobody_elses(void **state)
{
	static const char *const good[] = { "test_gw0", "_a", "x", "t1" };
	static const char *const bad[] = { "", "Test", "1a", "a-b", "a b", "pg_temp", "public", "berth", "a\"b",
		                           "information_schema", "postgres", "a\xc3\xa9", "berth_lease" };
	char longest[65];

	for (size_t i = 0; i < sizeof good / sizeof *good; i++)
		assert_true(sql_is_name(good[i], strlen(good[i])));
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(sql_is_name(bad[i], strlen(bad[i])));
	memset(longest, 'a', sizeof longest);
	assert_true(sql_is_name(longest, 63));
	assert_false(sql_is_name(longest, 64));
	assert_false(sql_is_name("a\0b", 3));
}

static void
a_verifier_has_the_form_that_the_server_stores(void **state)
{
	char one[SCRAM_TEXT], other[SCRAM_TEXT];

	scram_verifier("secret", 1, one);
	scram_verifier("secret", 1, other);
	/* SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>, 24, 44 and 44 characters of base64. */
	assert_int_equal(strncmp(one, "SCRAM-SHA-256$1:", 16), 0);
	assert_int_equal(strlen(one), 16 + 24 + 1 + 44 + 1 + 44);
	assert_int_equal(one[40], '$');
	assert_int_equal(one[85], ':');
	assert_string_not_equal(one, other);
	assert_null(strstr(one, "secret"));
}

static void
a_uri_of_a_slot_is_read_back_by_libpq(void **state)
{
	static const struct { const char *host; const char *expected; } hosts[] = {
		{ "/run/my pg", "/run/my pg" }, { "db.example", "db.example" }, { "::1", "::1" },
		{ "127.0.0.1", "127.0.0.1" },
	};
	struct slot *slot = slot_new("test_x", SLOT_SCHEMA);
	struct pg_facts facts = { .database = "a b/c?d" };
	struct url_server server = { .port = "5433", .sslmode = "verify-full", .sslrootcert = "/etc/my ca&b", .options = "" };
	char uri[2048];

	for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
		server.host = hosts[i].host;
		url_of_slot(slot, &facts, &server, uri, sizeof uri);
		PQconninfoOption *options = PQconninfoParse(uri, NULL);

		assert_non_null(options);
		for (PQconninfoOption *o = options; o->keyword; o++) {
			if (strcmp(o->keyword, "host") == 0)
				assert_string_equal(o->val, hosts[i].expected);
			if (strcmp(o->keyword, "port") == 0)
				assert_string_equal(o->val, "5433");
			if (strcmp(o->keyword, "dbname") == 0)
				assert_string_equal(o->val, "a b/c?d");
			if (strcmp(o->keyword, "sslrootcert") == 0 && i > 0) /* there is no TLS on a socket */
				assert_string_equal(o->val, "/etc/my ca&b");
			if (strcmp(o->keyword, "sslmode") == 0 && i > 0)
				assert_string_equal(o->val, "verify-full");
			if (strcmp(o->keyword, "user") == 0)
				assert_string_equal(o->val, "test_x");
			if (strcmp(o->keyword, "password") == 0)
				assert_string_equal(o->val, slot->password);
		}
		PQconninfoFree(options);
	}
	slot_free(slot);
}

static void
a_slot_of_a_shared_role_has_its_path_in_the_options(void **state)
{
	struct slot *slot = slot_new("test_x", SLOT_SCHEMA);
	struct pg_facts facts = { .database = "app" };
	char enums[] = "a \"b\"\\c";
	struct config config = { .enum_schema = enums, .statement_timeout_ms = 7, .idle_in_transaction_ms = 8 };
	char uri[4096], said[URL_OPTIONS];
	struct url_server server = { "h", "1", "require", "", said };

	url_options(slot, &config, said);
	assert_string_equal(said, "");
	slot_share(slot, "App: tests", "p@ss/w");
	url_options(slot, &config, said);
	assert_string_equal(said, "-c search_path=test_x,\"a\\ \"\"b\"\"\\\\c\",public -c jit=off -c statement_timeout=7"
	                          " -c idle_in_transaction_session_timeout=8 -c application_name=test_x");
	url_of_slot(slot, &facts, &server, uri, sizeof uri);
	PQconninfoOption *options = PQconninfoParse(uri, NULL);

	assert_non_null(options);
	for (PQconninfoOption *o = options; o->keyword; o++) {
		if (strcmp(o->keyword, "options") == 0)
			assert_string_equal(o->val, said);
		if (strcmp(o->keyword, "sslmode") == 0)
			assert_string_equal(o->val, "require");
		if (strcmp(o->keyword, "user") == 0)
			assert_string_equal(o->val, "App: tests");
		if (strcmp(o->keyword, "password") == 0)
			assert_string_equal(o->val, "p@ss/w");
	}
	PQconninfoFree(options);
	slot->kind = SLOT_DATABASE; /* whose search_path is its own */
	slot_share(slot, "tests", "");
	url_options(slot, &config, said);
	assert_int_equal(strncmp(said, "-c jit=off ", 11), 0);
	url_of_slot(slot, &facts, &server, uri, sizeof uri);
	assert_int_equal(strncmp(uri, "postgresql://tests@h:1/test_x?sslmode=require&options=", 54), 0);
	slot_free(slot);
}

static void
a_conninfo_that_libpq_refuses_is_not_repeated_in_the_error(void **state)
{
	struct berth_error e;

	assert_null(pg_target_new("password = 's3cret' nonsense", &e));
	assert_int_equal(e.code, BERTH_USAGE);
	assert_null(strstr(e.message, "s3cret"));
}

static void
what_the_conninfo_says_goes_over_the_environment(void **state)
{
	struct berth_error e;
	struct pg_target *target;

	setenv("PGHOST", "from-env", 1);
	setenv("PGPORT", "1111", 1);
	target = pg_target_new("port=2222", &e);
	assert_string_equal(pg_target_value(target, "host"), "from-env");
	assert_string_equal(pg_target_value(target, "port"), "2222");
	pg_target_free(target);
}

struct lookup_result {
	int calls;
	bool failed;
};

static void
keep_result(void *arg, const char *why)
{
	struct lookup_result *result = arg;

	result->calls++;
	result->failed = why != NULL;
}

static void
hosts_that_need_no_resolver_are_ready_at_once(void **state)
{
	struct lookup_result result = { 0 };
	struct berth_error e;
	struct pg_target *target = pg_target_new("host=/run/x,127.0.0.1,localhost,::1", &e);
	const char *const *keywords, *const *values, *address = NULL;

	assert_null(pg_target_lookup(target, NULL, keep_result, &result));
	assert_int_equal(result.calls, 1);
	assert_false(result.failed);
	pg_target_params(target, "test", &keywords, &values);
	for (int i = 0; keywords[i]; i++)
		if (strcmp(keywords[i], "hostaddr") == 0)
			address = values[i];
	assert_string_equal(address, ",127.0.0.1,127.0.0.1,::1");
	pg_target_free(target);
}

static void
a_host_that_cannot_be_resolved_says_so_once(void **state)
{
	struct lookup_result result = { 0 };
	struct berth_error e;
	struct pg_target *target = pg_target_new("host=some.name", &e);

	assert_null(pg_target_lookup(target, NULL, keep_result, &result));
	assert_int_equal(result.calls, 1);
	assert_true(result.failed);
	pg_target_free(target);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identifiers_and_literals_are_quoted),
		cmocka_unit_test(any_text_survives_being_a_literal),
		cmocka_unit_test(names_are_plain_identifiers_that_are_nobody_elses),
		cmocka_unit_test(a_verifier_has_the_form_that_the_server_stores),
		cmocka_unit_test(a_uri_of_a_slot_is_read_back_by_libpq),
		cmocka_unit_test(a_slot_of_a_shared_role_has_its_path_in_the_options),
		cmocka_unit_test(a_conninfo_that_libpq_refuses_is_not_repeated_in_the_error),
		cmocka_unit_test(what_the_conninfo_says_goes_over_the_environment),
		cmocka_unit_test(hosts_that_need_no_resolver_are_ready_at_once),
		cmocka_unit_test(a_host_that_cannot_be_resolved_says_so_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
