/* SPDX-License-Identifier: MIT */
/* Redis URLs: what is taken apart comes together again, and what is none is refused. */
#include <stdio.h>
#include <string.h>

#include "daemon/redis/url.h"
#include "tests/unit/unit.h"

static const struct {
	const char *text;
	struct redis_url url;
	const char *again; /* NULL: `text` itself */
} good[] = {
	{ "redis://host", { .host = "host", .port = 6379, .db = -1 }, "redis://host:6379" },
	{ "redis://127.0.0.1:7000", { .host = "127.0.0.1", .port = 7000, .db = -1 } },
	{ "redis://127.0.0.1:7000/", { .host = "127.0.0.1", .port = 7000, .db = -1 }, "redis://127.0.0.1:7000" },
	{ "redis://h:1/3", { .host = "h", .port = 1, .db = 3 } },
	{ "redis://[::1]:65535/0", { .host = "::1", .port = 65535, .db = 0 } },
	{ "redis://[fe80::1]", { .host = "fe80::1", .port = 6379, .db = -1 }, "redis://[fe80::1]:6379" },
	{ "redis://:pw@h:1", { .password = "pw", .host = "h", .port = 1, .db = -1 } },
	{ "redis://me:pw@h:1/2", { .user = "me", .password = "pw", .host = "h", .port = 1, .db = 2 } },
	{ "redis://m%40e:p%2Fw%3a%25@h:1/2",
	  { .user = "m@e", .password = "p/w:%", .host = "h", .port = 1, .db = 2 },
	  "redis://m%40e:p%2Fw%3A%25@h:1/2" },
	{ "redis://me@h:1", { .user = "me", .host = "h", .port = 1, .db = -1 }, "redis://me:@h:1" },
	{ "redis://u:a:b@h:1", { .user = "u", .password = "a:b", .host = "h", .port = 1, .db = -1 }, "redis://u:a%3Ab@h:1" },
	{ "unix:///run/r.sock", { .socket = "/run/r.sock", .db = -1 } },
	{ "unix:///run/r.sock?db=7", { .socket = "/run/r.sock", .db = 7 } },
	{ "unix://me:p%3F@/run/r%20s.sock?db=0", { .user = "me", .password = "p?", .socket = "/run/r s.sock", .db = 0 } },
	{ "unix:///a@b", { .socket = "/a@b", .db = -1 }, "unix:///a%40b" },
};

static const char *const bad[] = {
	"", "redis", "redis:", "redis:/", "redis://", "redis://:6379", "redis:///0", "http://h", "rediss://:s3cret@h",
	"redis://h:0", "redis://h:65536", "redis://h:-1", "redis://h:x", "redis://h:", "redis://h:1/x", "redis://h:1/-1",
	"redis://h:1/99999999999", "redis://h:1/2/3", "redis://[::1", "redis://[::1]x", "redis://s3cret%zz@h",
	"redis://:s3cret%0@h", "redis://:s3cret%@h", "redis://:s3cret%00@h", "unix://", "unix://relative", "unix://h/path",
	"unix:///p?db=", "unix:///p?db=x", "unix:///p?password=s3cret", "unix:///p%00q", "REDIS://h",
};

static void
takes_urls_apart_and_puts_them_together_again(void **state)
{
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct redis_url url;
		struct berth_error e = { 0 };
		char again[REDIS_URL_MAX];

		memset(&url, 0x5a, sizeof url);
		assert_int_equal(redis_url_parse(good[i].text, &url, &e), 0);
		assert_string_equal(url.user, good[i].url.user);
		assert_string_equal(url.password, good[i].url.password);
		assert_string_equal(url.host, good[i].url.host);
		assert_string_equal(url.socket, good[i].url.socket);
		assert_int_equal(url.port, good[i].url.port);
		assert_int_equal(url.db, good[i].url.db);
		redis_url_format(&url, again);
		assert_string_equal(again, good[i].again ? good[i].again : good[i].text);
	}
}

static void
refuses_what_is_none_and_never_repeats_it(void **state)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct redis_url url, before;
		struct berth_error e = { 0 };

		memset(&url, 0x5a, sizeof url);
		before = url;
		if (redis_url_parse(bad[i], &url, &e) == 0)
			fail_msg("%s was taken", bad[i]);
		assert_int_equal(e.code, BERTH_USAGE);
		assert_null(strstr(e.message, "s3cret"));
		assert_memory_equal(&url, &before, sizeof url);
	}
}

/* `length` times 'x' between the two. */
static int
parse_long(const char *before, int length, const char *behind)
{
	static char text[2048];
	struct redis_url url;
	struct berth_error e;
	size_t at = strlen(before);

	strcpy(text, before);
	memset(text + at, 'x', (size_t)length);
	strcpy(text + at + length, behind);
	return redis_url_parse(text, &url, &e);
}

static void
refuses_parts_that_are_too_long_and_no_shorter_ones(void **state)
{
	assert_int_equal(parse_long("redis://", REDIS_HOST_MAX - 1, ""), 0);
	assert_int_equal(parse_long("redis://", REDIS_HOST_MAX, ""), -1);
	assert_int_equal(parse_long("redis://", REDIS_USER_MAX - 1, "@h"), 0);
	assert_int_equal(parse_long("redis://", REDIS_USER_MAX, "@h"), -1);
	assert_int_equal(parse_long("redis://:", REDIS_PASSWORD_MAX - 1, "@h"), 0);
	assert_int_equal(parse_long("redis://:", REDIS_PASSWORD_MAX, "@h"), -1);
	assert_int_equal(parse_long("unix:///", REDIS_SOCKET_MAX - 2, ""), 0);
	assert_int_equal(parse_long("unix:///", REDIS_SOCKET_MAX - 1, ""), -1);
}

/* The worst case: all parts full, of characters that take three each. */
static void
every_url_fits_when_it_is_formatted(void **state)
{
	struct redis_url url = { .port = 65535, .db = 2147483647 };
	char out[REDIS_URL_MAX];

	memset(url.user, '@', sizeof url.user - 1);
	memset(url.password, '/', sizeof url.password - 1);
	memset(url.host, ':', sizeof url.host - 1);
	redis_url_format(&url, out);
	assert_true(strlen(out) < REDIS_URL_MAX);

	url.host[0] = '\0';
	memset(url.socket, '%', sizeof url.socket - 1);
	redis_url_format(&url, out);
	assert_true(strlen(out) < REDIS_URL_MAX);
}

static void
random_parts_survive_being_formatted_and_parsed(void **state)
{
	struct rng rng = { unit_seed() };

	for (int round = 0; round < 20000; round++) {
		struct redis_url url = { .db = (int)rng_below(&rng, 20) - 1 }, again;
		struct berth_error e;
		char text[REDIS_URL_MAX];

		for (uint32_t i = rng_below(&rng, 8); i > 0; i--)
			url.user[i - 1] = (char)(1 + rng_below(&rng, 255));
		for (uint32_t i = rng_below(&rng, 40); i > 0; i--)
			url.password[i - 1] = (char)(1 + rng_below(&rng, 255));
		url.socket[0] = '/';
		for (uint32_t i = rng_below(&rng, 40); i > 0; i--)
			url.socket[i] = (char)(1 + rng_below(&rng, 255));
		redis_url_format(&url, text);
		assert_int_equal(redis_url_parse(text, &again, &e), 0);
		assert_memory_equal(&again, &url, sizeof url);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_urls_apart_and_puts_them_together_again),
		cmocka_unit_test(refuses_what_is_none_and_never_repeats_it),
		cmocka_unit_test(refuses_parts_that_are_too_long_and_no_shorter_ones),
		cmocka_unit_test(every_url_fits_when_it_is_formatted),
		cmocka_unit_test(random_parts_survive_being_formatted_and_parsed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
