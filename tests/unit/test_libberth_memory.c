/* SPDX-License-Identifier: MIT */
/* libberth when memory runs out: every allocation fails once, and each time it is only an error. */
#include "tests/unit/libberth_peer.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/unit.h"

/* How many allocations of the library still succeed; the linker sends them here (--wrap). */
static long allowance;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
char *__wrap_strdup(const char *s);

void *
__wrap_malloc(size_t size)
{
	return allowance-- > 0 ? __real_malloc(size) : NULL;
}

void *
__wrap_calloc(size_t n, size_t size)
{
	return allowance-- > 0 ? __real_calloc(n, size) : NULL;
}

char *
__wrap_strdup(const char *s)
{
	return allowance-- > 0 ? __real_strdup(s) : NULL;
}

enum { PLENTY = 1000000 };

/* A whole conversation; -1 with the error of the first step that failed. */
static int
converse(struct peer *p, struct berth_error *e)
{
	struct berth_lease *lease = NULL;
	struct berth_leases *list = NULL;
	char *text = NULL;
	int n;

	n = berth_acquire(p->client, "gw0", NULL, &lease, e);
	berth_lease_free(lease);
	if (n < 0 || berth_leases(p->client, NULL, -1, &list, e) < 0)
		return -1;
	berth_leases_free(list);
	if (berth_info(p->client, NULL, &text, e) < 0)
		return -1;
	free(text);
	if (berth_baseline(p->client, "a-1", e) < 0
	    || berth_template_seal(p->client, "a-1", NULL, e) < 0)
		return -1;
	return berth_release(p->client, "a-1", 0, e);
}

static void
a_failed_allocation_is_an_error_and_nothing_leaks(void **state)
{
	for (long n = 0;; n++) {
		struct peer p = { 0 };
		struct berth_error e = { 0 };
		int result;

		allowance = PLENTY;
		peer_open(&p);
		peer_say_lease(&p, NULL);
		peer_say(&p, "*0\r\n$1\r\nx\r\n+OK\r\n*8\r\n+tables\r\n:1\r\n+rows\r\n:1\r\n"
		             "+bytes\r\n:1\r\n+us\r\n:1\r\n+OK\r\n");
		allowance = n;
		result = converse(&p, &e);
		if (allowance >= 0) { /* none failed: every one before was tried */
			assert_int_equal(result, 0);
			peer_close(&p);
			assert_true(n > 30);
			return;
		}
		assert_int_equal(result, -1);
		assert_true(e.code == BERTH_LIMIT || e.code == BERTH_UNAVAILABLE);
		assert_non_null(strcasestr(e.message, "out of memory"));
		peer_close(&p);
	}
}

static void
a_client_without_memory_is_not_made(void **state)
{
	for (long n = 0; n < 3; n++) {
		struct berth_client *c = NULL;
		struct berth_error e;
		int result, fd = dup(0);

		allowance = n;
		result = libberth_client_new(fd, "/a/socket", &c, &e);
		if (result == 0) {
			assert_int_equal(n, 2); /* the reader's own memory comes from hiredis */
			berth_close(c);
			continue;
		}
		assert_int_equal(e.code, BERTH_LIMIT);
		assert_null(c);
		assert_int_equal(close(fd), -1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_failed_allocation_is_an_error_and_nothing_leaks),
		cmocka_unit_test(a_client_without_memory_is_not_made),
	};

	allowance = PLENTY;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
