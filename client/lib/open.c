/* SPDX-License-Identifier: MIT */
/* Finds the daemon's socket, connects and greets. */
#include "client/lib/client.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECT_MS = 10000, RETRY_MS = 10 };

static const char system_socket[] = "/run/berth/berth.sock";

static int
put_path(char *buf, size_t size, struct berth_error *e, const char *dir, const char *file)
{
	if ((size_t)snprintf(buf, size, "%s%s", dir, file) < size)
		return 0;
	return berth_error_set(e, BERTH_USAGE, "the socket path %s%s is longer than %zu bytes", dir,
	                       file, size - 1);
}

int
berth_socket_path(char *buf, size_t size, struct berth_error *e)
{
	const char *set = secure_getenv("BERTH_SOCKET");
	const char *runtime = secure_getenv("XDG_RUNTIME_DIR");

	if (set && *set)
		return put_path(buf, size, e, set, "");
	if (geteuid() == 0 || !runtime || !*runtime)
		return put_path(buf, size, e, system_socket, "");
	if (put_path(buf, size, e, runtime, "/berth/berth.sock") < 0)
		return -1;
	if (access(buf, F_OK) < 0 && access(system_socket, F_OK) == 0)
		return put_path(buf, size, e, system_socket, "");
	return 0;
}

/* A Unix socket never says EINPROGRESS: a full backlog is EAGAIN, and only trying again helps. */
static int
connect_until(int fd, const struct sockaddr_un *address, int64_t deadline)
{
	while (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0) {
		if ((errno != EAGAIN && errno != EINTR) || libberth_now_ms() >= deadline)
			return -1;
		poll(NULL, 0, RETRY_MS);
	}
	return 0;
}

static int
socket_open(const char *path, struct berth_error *e)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (put_path(address.sun_path, sizeof address.sun_path, e, path, "") < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return berth_error_set(e, BERTH_UNAVAILABLE, "no socket: %s", strerror(errno));
	if (connect_until(fd, &address, libberth_now_ms() + CONNECT_MS) < 0) {
		berth_error_set(e, BERTH_UNAVAILABLE, "no daemon at %s: %s", path, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

int
libberth_connect(struct berth_client *c, struct berth_error *e)
{
	struct redisReader *reader = libberth_reader_new(&c->budget);

	if (!reader)
		return libberth_oom(e);
	redisReaderFree(c->reader);
	c->reader = reader;
	libberth_budget_start(&c->budget);
	c->late = 0;
	c->fd = socket_open(c->path, e);
	return c->fd < 0 ? -1 : 0;
}

int
berth_open(const char *path, struct berth_client **ret, struct berth_error *e)
{
	char found[sizeof((struct sockaddr_un *)0)->sun_path];
	struct berth_client *c;
	int fd;

	if (!path) {
		if (berth_socket_path(found, sizeof found, e) < 0)
			return -1;
		path = found;
	}
	fd = socket_open(path, e);
	if (fd < 0 || libberth_client_new(fd, path, &c, e) < 0)
		return -1;
	/* The daemon drops who stays silent after connecting; and this way a full one says so here.
	 */
	if (berth_ping(c, NULL, e) < 0) {
		berth_close(c);
		return -1;
	}
	*ret = c;
	return 0;
}
