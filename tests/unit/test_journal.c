/* SPDX-License-Identifier: MIT */
/* The journal: whatever moment its writer dies in, the next one reads what was told last. */
#include "daemon/journal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/entry.h"
#include "daemon/lease.h"
#include "daemon/shelf.h"
#include "tests/unit/unit.h"

enum { KEYS = 40, DEEDS = 30000, RESTARTS = 60 };

static char path[64];

static int
make_path(void **state)
{
	char dir[] = "/tmp/berth-unit-XXXXXX";

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof path, "%s/journal", dir);
	return 0;
}

static int
remove_path(void **state)
{
	unlink(path);
	*strrchr(path, '/') = '\0';
	return rmdir(path);
}

/* What should be in it: the value of each key, 0 for none. */
struct mirror {
	unsigned values[KEYS];
	int seen;
};

static void
put(struct journal *journal, struct mirror *mirror, unsigned key, unsigned value)
{
	char name[16], text[16];
	const char *const words[] = { text, "a b\r\n\"c\"", "" };

	snprintf(name, sizeof name, "k/%u", key);
	snprintf(text, sizeof text, "%u", value);
	if (value)
		journal_put(journal, name, 3, words);
	else
		journal_drop(journal, name);
	mirror->values[key] = value;
}

static void
check_one(void *arg, const struct request *record)
{
	struct mirror *mirror = arg;
	unsigned key = (unsigned)strtoul(record->argv[0].ptr + 2, NULL, 10);

	assert_int_equal(record->argc, 4);
	assert_int_equal(strtoul(record->argv[1].ptr, NULL, 10), mirror->values[key]);
	assert_memory_equal(record->argv[2].ptr, "a b\r\n\"c\"", 8);
	assert_int_equal(record->argv[3].len, 0);
	mirror->seen++;
}

static void
check(struct journal *journal, struct mirror *mirror)
{
	int wanted = 0;

	for (int i = 0; i < KEYS; i++)
		wanted += mirror->values[i] != 0;
	mirror->seen = 0;
	journal_each(journal, "k/", check_one, mirror);
	assert_int_equal(mirror->seen, wanted);
}

/* As after SIGKILL: nothing is said to the file any more. */
static void
die(struct journal *journal)
{
	journal_close(journal);
}

static void
random_lives_end_anywhere_and_nothing_is_forgotten(void **state)
{
	struct rng rng = { unit_seed() };
	struct mirror mirror = { { 0 } };
	struct journal journal;
	unsigned last = 0;

	for (int life = 0; life < RESTARTS; life++) {
		journal_open(&journal, path);
		assert_string_equal(journal.runner, life ? "abc123" : "");
		journal_keep(&journal, "abc123");
		check(&journal, &mirror);
		for (unsigned n = rng_below(&rng, DEEDS / RESTARTS * 2); n > 0; n--) {
			put(&journal, &mirror, rng_below(&rng, KEYS), rng_below(&rng, 3) ? 1 + rng_below(&rng, 9999) : 0);
			if (rng_below(&rng, 4) == 0) {
				unsigned number = journal_number(&journal);

				assert_true(number > last);
				last = number;
			}
		}
		die(&journal);
	}
	journal_open(&journal, path);
	journal_keep(&journal, "abc123");
	check(&journal, &mirror);
	journal_discard(&journal);
	assert_int_equal(access(path, F_OK), -1);
}

static long
size_of_file(void)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	return (long)st.st_size;
}

static void
the_file_does_not_grow_with_what_is_past(void **state)
{
	struct mirror mirror = { { 0 } };
	struct journal journal;

	journal_open(&journal, path);
	journal_keep(&journal, "abc123");
	for (unsigned i = 0; i < 100000; i++)
		put(&journal, &mirror, i % KEYS, 1 + i);
	assert_in_range(size_of_file(), 100, 1 << 20);
	check(&journal, &mirror);
	journal_discard(&journal);
}

/* Wherever the last line is cut, all lines before it are believed; a byte changed, and none may be made up. */
static void
a_file_cut_anywhere_is_read_up_to_there(void **state)
{
	struct mirror mirror = { { 0 } };
	struct journal journal;
	long whole, before;

	journal_open(&journal, path);
	journal_keep(&journal, "abc123");
	put(&journal, &mirror, 1, 11);
	before = size_of_file();
	put(&journal, &mirror, 2, 22);
	whole = size_of_file();
	die(&journal);
	mirror.values[2] = 0;
	for (long cut = whole - 1; cut >= before; cut--) {
		assert_int_equal(truncate(path, cut), 0);
		journal_open(&journal, path);
		assert_string_equal(journal.runner, "abc123");
		journal.fd = open("/dev/null", O_WRONLY);
		check(&journal, &mirror);
		die(&journal);
	}
	unlink(path);
}

static void
another_runner_begins_with_nothing(void **state)
{
	struct mirror mirror = { { 0 } }, none = { { 0 } };
	struct journal journal;

	journal_open(&journal, path);
	journal_keep(&journal, "abc123");
	put(&journal, &mirror, 1, 11);
	die(&journal);
	journal_open(&journal, path);
	journal_keep(&journal, "def456");
	check(&journal, &none);
	die(&journal);
	journal_open(&journal, path);
	assert_string_equal(journal.runner, "def456");
	check(&journal, &none);
	journal_discard(&journal);
}

/* ---- entries ---- */

static struct lease read_lease;
static struct slot read_slot;
static struct entry_rest read_rest;
static bool was_read;

static void
read_one(void *arg, const struct request *record)
{
	was_read = entry_read_lease(record, &read_lease, &read_slot, &read_rest);
}

/* As a berthd wrote it that knew of no shared roles. */
static void
read_older_one(void *arg, const struct request *record)
{
	struct request older = *record;

	older.argc--;
	was_read = entry_read_lease(&older, &read_lease, &read_slot, &read_rest);
}

static void
a_lease_is_read_as_it_was_written(void **state)
{
	struct redis_slot redis = { .mode = REDIS_ACL, .db = 7, .fence = 1234567890123, .user = "u", .password = "p w" };
	struct shelf shelf = { .key = "t1" };
	struct slot slot = { .name = "test_x", .role = "tests", .fence = 42, .made = 99, .password = "secret", .shelf = &shelf, .named = true };
	struct lease lease = { .id = "abc123-7", .run = "r", .worker = "gw0", .label = "a \"label\"\r\n", .key = "0/r/gw0",
		               .uid = 4294967294, .pid = 17, .slot = &slot, .redis = &redis, .created = 1, .granted = 2,
		               .want = { .ttl = 60000000, .redis = REDIS_ACL, .exactly = true } };
	struct journal journal;

	journal_open(&journal, path);
	journal_keep(&journal, "abc123");
	entry_put_lease(&journal, &lease);
	journal_each(&journal, ENTRY_LEASE, read_one, NULL);
	assert_true(was_read);
	assert_string_equal(read_lease.label, lease.label);
	assert_int_equal(read_lease.uid, lease.uid);
	assert_int_equal(read_lease.want.ttl, lease.want.ttl);
	assert_int_equal(read_slot.fence, 42);
	assert_string_equal(read_slot.password, "secret");
	assert_string_equal(read_slot.role, "tests");
	assert_string_equal(read_rest.template, "t1");
	assert_int_equal(read_rest.redis.fence, redis.fence);
	assert_string_equal(read_rest.redis.password, "p w");
	journal_each(&journal, ENTRY_LEASE, read_older_one, NULL);
	assert_true(was_read);
	assert_string_equal(read_slot.role, "test_x");
	entry_drop_lease(&journal, &lease);
	was_read = false;
	journal_each(&journal, ENTRY_LEASE, read_one, NULL);
	assert_false(was_read);
	redis.mode = REDIS_PRIVATE;
	entry_put_lease(&journal, &lease);
	assert_null(journal.records);
	journal_discard(&journal);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_path, remove_path)
		CASE(random_lives_end_anywhere_and_nothing_is_forgotten),
		CASE(the_file_does_not_grow_with_what_is_past),
		CASE(a_file_cut_anywhere_is_read_up_to_there),
		CASE(another_runner_begins_with_nothing),
		CASE(a_lease_is_read_as_it_was_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
