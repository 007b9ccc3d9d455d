/* SPDX-License-Identifier: MIT */
/* libberth against a daemon that is gone, broken, hostile, or no berthd at all. */
#include "tests/unit/libberth_peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sockios.h>

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

/* Attaches, and asserts that the answer is refused because of this field. */
static void
expect_refusal_of(struct peer *p, const char *field)
{
	struct berth_lease *lease = NULL;
	struct berth_error e = { 0 };
	char wanted[64];

	snprintf(wanted, sizeof wanted, "the field '%s'", field);
	assert_int_equal(berth_attach(p->client, "a-1", 1, &lease, &e), -1);
	assert_null(lease);
	assert_int_equal(e.code, BERTH_ERR);
	if (!strstr(e.message, wanted))
		fail_msg("'%s' does not name %s", e.message, wanted);
	assert_true(berth_connected(p->client));
}

static void
a_lease_that_lacks_any_field_is_refused(void **state)
{
	for (int i = 0; i < PEER_LEASE_FIELDS; i++) {
		peer_say_lease_without(*state, peer_lease[i].name);
		expect_refusal_of(*state, peer_lease[i].name);
	}
}

static void
a_field_of_another_type_is_refused(void **state)
{
	static const struct peer_field bad[] = {
		{ "lease", "7" },   { "state", "7" },        { "state", "strange" },
		{ "state", NULL },  { "position", "first" }, { "port", "99999999999" },
		{ "dsn", "7" },     { "redis_db", "three" }, { "redis_socket", "7" },
		{ "fence", "41x" }, { "expires_ms", "" },
	};

	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		peer_say_lease(*state, &bad[i]);
		expect_refusal_of(*state, bad[i].name);
	}
}

static void
null_is_refused_where_a_held_lease_must_say_something(void **state)
{
	static const char *const needed[] = {
		"lease", "run",  "worker", "position", "kind",     "schema", "role",  "dsn",
		"host",  "port", "dbname", "user",     "password", "redis",  "fence", "expires_ms",
	};

	for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
		peer_say_lease(*state, &(struct peer_field){ needed[i], NULL });
		expect_refusal_of(*state, needed[i]);
	}
}

static void
a_text_with_a_NUL_in_it_is_refused(void **state)
{
	struct peer *p = *state;
	struct reply *r = &p->reply;

	reply_map(r, 1);
	reply_text(r, "lease");
	reply_bulk(r, "a\0b", 3);
	expect_refusal_of(p, "lease");
}

static void
an_answer_of_another_type_is_refused_and_the_connection_stays(void **state)
{
	struct peer *p = *state;
	struct berth_lease *lease;
	struct berth_leases *list;
	struct berth_error e;
	char *text;

	peer_say(p, ":1\r\n:1\r\n:1\r\n+x\r\n*1\r\n:1\r\n");
	assert_int_equal(berth_attach(p->client, "a-1", 1, &lease, &e), -1);
	assert_int_equal(berth_release(p->client, "a-1", 0, &e), -1);
	assert_int_equal(berth_info(p->client, NULL, &text, &e), -1);
	assert_int_equal(berth_renew(p->client, "a-1", 0, NULL, &e), -1);
	assert_int_equal(berth_leases(p->client, NULL, -1, &list, &e), -1);
	assert_int_equal(e.code, BERTH_ERR);
	assert_true(berth_connected(p->client));
}

static void
a_daemon_that_hangs_up_makes_every_later_call_unavailable(void **state)
{
	struct peer *p = *state;
	struct berth_error e;

	peer_hang_up(p);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(berth_release(p->client, "a-1", 0, &e), -1);
		assert_int_equal(e.code, BERTH_UNAVAILABLE);
		assert_non_null(strstr(e.message, "/a/socket"));
		assert_false(berth_connected(p->client));
		assert_int_equal(berth_fd(p->client), -1);
	}
}

static void
what_the_daemon_said_before_it_hung_up_is_the_error(void **state)
{
	struct peer *p = *state;
	struct berth_error e;

	peer_say(p, "-LIMIT 4096 connections are the most\r\n");
	peer_hang_up(p);
	assert_int_equal(berth_ping(p->client, NULL, &e), -1);
	assert_int_equal(e.code, BERTH_LIMIT);
	assert_string_equal(e.message, "4096 connections are the most");
}

/* Says something in a process of its own, `piece` bytes at a time, each only when all before it
 * were read. Returns the process. */
static pid_t
say_in_pieces(struct peer *p, const char *bytes, size_t len, size_t piece)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	close(berth_fd(p->client)); /* so that the parent's closing is noticed */
	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		int unread = 1;

		if (send(p->fd, bytes + at, n, MSG_NOSIGNAL) != (ssize_t)n)
			_exit(1);
		while (ioctl(p->fd, SIOCOUTQ, &unread) == 0 && unread > 0)
			poll(NULL, 0, 0);
	}
	_exit(0);
}

static void
a_reply_in_single_bytes_is_read_whole(void **state)
{
	static const char text[] = "$6\r\nab\r\ncd\r\n*2\r\n:1\r\n$-1\r\n";
	struct peer *p = *state;
	pid_t pid = say_in_pieces(p, text, strlen(text), 1);
	const char *const words[] = { "ANY" };
	struct berth_reply *r;

	assert_int_equal(berth_command(p->client, 0, 1, words, &r, NULL), 0);
	assert_string_equal(r->text, "ab\r\ncd");
	berth_reply_free(r);
	assert_int_equal(berth_command(p->client, 0, 1, words, &r, NULL), 0);
	assert_int_equal(r->count, 2);
	berth_reply_free(r);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void
replies_that_are_not_RESP2_or_too_large_end_the_connection(void **state)
{
	static const char *const bad[] = {
		"HTTP/1.1 400 Bad Request\r\n\r\n",
		"*2147483647\r\n",
		"*524289\r\n",
		"*-7\r\n",
		":x\r\n",
		"$-9\r\n",
		"$x\r\n",
		",1.5\r\n",
		"#t\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n",
		/* no single array is too large, all together are */
		"*2\r\n*400000\r\n:1\r\n",
		"*3\r\n*200000\r\n",
	};

	peer_close(*state);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct peer *p = *state;
		const char *const words[] = { "ANY" };
		struct berth_reply *r;
		struct berth_error e;

		memset(p, 0, sizeof *p);
		peer_open(p);
		peer_say(p, bad[i]);
		peer_hang_up(p);
		assert_int_equal(berth_command(p->client, 0, 1, words, &r, &e), -1);
		assert_int_equal(e.code, BERTH_UNAVAILABLE);
		assert_false(berth_connected(p->client));
		berth_close(p->client);
	}
	peer_open(*state);
}

static void
a_reply_without_an_end_is_given_up_after_8_MiB(void **state)
{
	static const char *const starts[] = { "$1000000000\r\n", "+" };
	enum { BYTES = 9 << 20 };
	char *bytes = malloc(BYTES);

	for (int i = 0; i < 2; i++) {
		struct peer *p = *state;
		struct berth_error e;
		pid_t pid;

		memset(bytes, 'x', BYTES);
		memcpy(bytes, starts[i], strlen(starts[i]));
		berth_set_timeout(p->client, 300000); /* a line without end is read again and again */
		pid = say_in_pieces(p, bytes, BYTES, 65536);
		assert_int_equal(berth_ping(p->client, NULL, &e), -1);
		assert_int_equal(e.code, BERTH_UNAVAILABLE);
		assert_non_null(strstr(e.message, "larger than 8388608 bytes"));
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		peer_close(p);
		memset(p, 0, sizeof *p);
		peer_open(p);
	}
	free(bytes);
}

/* Bytes of a lease map, some of them changed, cut short somewhere. */
static size_t
mutate(struct rng *rng, char *bytes, size_t len)
{
	for (uint32_t i = rng_below(rng, 4); i > 0; i--)
		bytes[rng_below(rng, len)] = "\r\n*$:+-_0123456789ax"[rng_below(rng, 20)];
	return rng_below(rng, 4) ? len : rng_below(rng, len) + 1;
}

static void
whatever_the_bytes_are_the_answer_is_a_lease_or_an_error(void **state)
{
	struct rng rng = { unit_seed() };
	char original[4096], bytes[4096];
	struct peer *p = *state;
	int held = 0, refused = 0;
	ssize_t len;

	peer_say_lease(p, NULL);
	len = recv(berth_fd(p->client), original, sizeof original, 0);
	assert_true(len > 0);
	peer_close(p);
	for (int round = 0; round < 5000; round++) {
		struct berth_lease *lease = NULL;
		struct berth_error e = { 0 };
		size_t n;

		memcpy(bytes, original, len);
		n = mutate(&rng, bytes, len);
		memset(p, 0, sizeof *p);
		peer_open(p);
		assert_int_equal(send(p->fd, bytes, n, 0), n);
		peer_hang_up(p);
		if (berth_attach(p->client, "a-1", 1, &lease, &e) == 0)
			held++;
		else
			refused++;
		assert_true(lease ? e.code == BERTH_OK : e.code != BERTH_OK);
		berth_lease_free(lease);
		berth_close(p->client);
	}
	assert_true(held > 100 && refused > 100);
	peer_open(p);
}

/* -- opening */

static void
listen_at(struct sockaddr_un *address, char *dir, int *ret)
{
	assert_non_null(mkdtemp(dir));
	address->sun_family = AF_UNIX;
	snprintf(address->sun_path, sizeof address->sun_path, "%s/s", dir);
	*ret = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(*ret, (struct sockaddr *)address, sizeof *address), 0);
	assert_int_equal(listen(*ret, 1), 0);
}

static void
an_open_client_is_one_that_was_answered(void **state)
{
	char dir[] = "/tmp/berth-test-XXXXXX";
	struct sockaddr_un address = { 0 };
	struct berth_client *c = NULL;
	struct berth_error e;
	int fd;
	pid_t pid;

	listen_at(&address, dir, &fd);
	pid = fork();
	if (pid == 0) {
		int peer = accept(fd, NULL, NULL);

		_exit(send(peer, "+PONG\r\n", 7, 0) != 7);
	}
	close(fd);
	assert_int_equal(berth_open(address.sun_path, &c, &e), 0);
	assert_string_equal(berth_path(c), address.sun_path);
	berth_close(c);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	c = NULL;
	assert_int_equal(berth_open(address.sun_path, &c, &e), -1);
	assert_int_equal(e.code, BERTH_UNAVAILABLE);
	assert_non_null(strstr(e.message, address.sun_path));
	assert_null(c);
	unlink(address.sun_path);
	rmdir(dir);
}

static void
a_socket_path_that_is_too_long_is_wrong_usage(void **state)
{
	char path[200];
	struct berth_client *c;
	struct berth_error e;

	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	assert_int_equal(berth_open(path, &c, &e), -1);
	assert_int_equal(e.code, BERTH_USAGE);
	setenv("BERTH_SOCKET", path, 1);
	assert_int_equal(berth_open(NULL, &c, &e), -1);
	assert_int_equal(e.code, BERTH_USAGE);
	unsetenv("BERTH_SOCKET");
}

static void
the_environment_names_the_socket(void **state)
{
	char path[108];
	struct berth_error e;

	setenv("BERTH_SOCKET", "/somewhere/s", 1);
	assert_int_equal(berth_socket_path(path, sizeof path, &e), 0);
	assert_string_equal(path, "/somewhere/s");
	unsetenv("BERTH_SOCKET");
	assert_int_equal(berth_socket_path(path, sizeof path, &e), 0);
	if (geteuid() == 0)
		assert_string_equal(path, "/run/berth/berth.sock");
	assert_int_equal(berth_socket_path(path, 5, &e), -1);
	assert_int_equal(e.code, BERTH_USAGE);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_lease_that_lacks_any_field_is_refused, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(a_field_of_another_type_is_refused, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
			null_is_refused_where_a_held_lease_must_say_something, setup, teardown),
		cmocka_unit_test_setup_teardown(a_text_with_a_NUL_in_it_is_refused, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
			an_answer_of_another_type_is_refused_and_the_connection_stays, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_daemon_that_hangs_up_makes_every_later_call_unavailable, setup, teardown),
		cmocka_unit_test_setup_teardown(what_the_daemon_said_before_it_hung_up_is_the_error,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(a_reply_in_single_bytes_is_read_whole, setup,
		                                teardown),
		cmocka_unit_test_setup_teardown(
			replies_that_are_not_RESP2_or_too_large_end_the_connection, setup,
			teardown),
		cmocka_unit_test_setup_teardown(a_reply_without_an_end_is_given_up_after_8_MiB,
		                                setup, teardown),
		cmocka_unit_test_setup_teardown(
			whatever_the_bytes_are_the_answer_is_a_lease_or_an_error, setup, teardown),
		cmocka_unit_test(an_open_client_is_one_that_was_answered),
		cmocka_unit_test(a_socket_path_that_is_too_long_is_wrong_usage),
		cmocka_unit_test(the_environment_names_the_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
