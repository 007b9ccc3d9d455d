/* SPDX-License-Identifier: MIT */
/*
 * Fuzzes a whole berthd by way of two sessions: what bytes clients send, in which pieces and in which order, it answers
 * with well-formed replies, and nothing asserts.
 *
 * The first byte of the input decides how the rest is cut, each piece goes to the one session or the other. There are no
 * servers: PostgreSQL and Redis are sockets that do not exist.
 */
#include <assert.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/berthd.h"
#include "daemon/session.h"
#include "tests/fuzz/fuzz.h"

enum { SESSIONS = 2, TURNS = 4, INPUT_MOST = 1 << 16 };

struct client {
	int fd; /* -1 once it is closed */
	struct evbuffer *heard; /* no whole reply yet */
};

static char dir[] = "/tmp/berth-fuzz-XXXXXX", socket_path[64];

static void
remove_dir(void)
{
	char path[96];
	const char *const rest[] = { "", ".lock", ".journal", ".journal.new" };

	for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
		snprintf(path, sizeof path, "%s%s", socket_path, rest[i]);
		unlink(path);
	}
	rmdir(dir);
}

static void
make_dir(void)
{
	if (*socket_path)
		return;
	if (!mkdtemp(dir))
		abort();
	snprintf(socket_path, sizeof socket_path, "%s/s", dir);
	atexit(remove_dir);
	log_set_level(LOG_LEVEL_ERROR);
}

static void
start(struct berthd *berthd)
{
	char name[] = "berthd", *argv[] = { name, NULL };
	enum config_asked asked;
	struct berth_error e;

	memset(berthd, 0, sizeof *berthd);
	setenv("BERTH_CONFIG", "/dev/null", 1);
	setenv("BERTH_SOCKET", socket_path, 1);
	setenv("BERTH_PG_DSN", "host=/nonexistent dbname=x", 1);
	setenv("BERTH_REDIS_URL", "unix:///nonexistent/redis", 1);
	setenv("BERTH_LOG_LEVEL", "error", 1);
	if (config_load(&berthd->config, 1, argv, &asked, &e) < 0 || berthd_start(berthd, &e) < 0) {
		fprintf(stderr, "%s\n", e.message);
		abort();
	}
}

static void
join(struct berthd *berthd, struct client *client)
{
	int pair[2];
	struct session *session;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	session = session_new(berthd, pair[0], ++berthd->listener.accepted);
	TAILQ_INSERT_TAIL(&berthd->listener.sessions, session, link);
	berthd->listener.count++;
	client->fd = pair[1];
	client->heard = evbuffer_new();
}

static void
hang_up(struct client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

/* Where the reply that begins at `at` ends, RESP2 or 3; NULL: it is not whole yet. */
static const char *
skip_reply(const char *at, const char *end)
{
	const char *line = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
	long count;

	if (!line)
		return NULL;
	assert(line > at && line[-1] == '\r' && strchr("+-:$*%~>_#,", *at));
	count = strtol(at + 1, NULL, 10);
	line++;
	switch (*at) {
	case '$':
		assert(count >= -1);
		if (count < 0)
			return line;
		if (end - line < count + 2)
			return NULL;
		assert(line[count] == '\r' && line[count + 1] == '\n');
		return line + count + 2;
	case '%': count *= 2; __attribute__((fallthrough));
	case '*':
	case '~':
	case '>':
		for (; line && count > 0; count--)
			line = skip_reply(line, end);
		return line;
	default: return line;
	}
}

/* Whatever was said must be replies, whole or not yet. */
static void
hear(struct client *client)
{
	const char *begin, *at, *next, *end;
	int n = 1;

	while (client->fd >= 0 && (n = evbuffer_read(client->heard, client->fd, 65536)) > 0)
		;
	if (client->fd >= 0 && n == 0)
		hang_up(client);
	if (evbuffer_get_length(client->heard) == 0)
		return;
	begin = (const char *)evbuffer_pullup(client->heard, -1);
	end = begin + evbuffer_get_length(client->heard);
	for (at = begin; (next = skip_reply(at, end)); at = next)
		;
	evbuffer_drain(client->heard, (size_t)(at - begin));
}

static void
say(struct client *client, const uint8_t *data, size_t size)
{
	if (client->fd >= 0 && send(client->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		hang_up(client);
}


static void
turn(struct berthd *berthd, struct client clients[SESSIONS])
{
	for (int i = 0; i < TURNS && berthd->phase != BERTHD_LEFT; i++) {
		event_base_loop(berthd->base, EVLOOP_NONBLOCK);
		for (int c = 0; c < SESSIONS; c++)
			hear(&clients[c]);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct berthd berthd;
	struct client clients[SESSIONS];
	size_t piece = size ? 1 + (size_t)data[0] * 37 % 997 : 1;
	int whose = 0;

	if (size > INPUT_MOST)
		return 0;
	make_dir();
	start(&berthd);
	for (int i = 0; i < SESSIONS; i++)
		join(&berthd, &clients[i]);
	for (size_t at = 1; at < size; at += piece) {
		say(&clients[whose], data + at, size - at < piece ? size - at : piece);
		whose = (whose + 1) % (data[0] % 2 ? SESSIONS : 1);
		turn(&berthd, clients);
	}
	hang_up(&clients[0]); /* what it held ends while the other one may wait */
	turn(&berthd, clients);
	hang_up(&clients[1]);
	berthd_fini(&berthd);
	config_fini(&berthd.config);
	for (int i = 0; i < SESSIONS; i++)
		evbuffer_free(clients[i].heard);
	return 0;
}
