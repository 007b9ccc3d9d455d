/* SPDX-License-Identifier: MIT */
/* Asking a server on a Unix socket, without waiting for longer than told. */
#include "client/cli/run/ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) > SOCKET_PATH_MAX)
		return -1;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool
talk(int fd, const char *question, char *answer, size_t size, int timeout_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (send(fd, question, strlen(question), MSG_NOSIGNAL) != (ssize_t)strlen(question))
		return false;
	if (poll(&pfd, 1, timeout_ms) != 1)
		return false;
	n = recv(fd, answer, size - 1, 0);
	if (n <= 0)
		return false;
	answer[n] = '\0';
	return true;
}

bool
ask(const char *path, const char *question, char *answer, size_t size, int timeout_ms)
{
	int fd = connect_to(path);
	bool answered;

	if (fd < 0)
		return false;
	answered = talk(fd, question, answer, size, timeout_ms);
	close(fd);
	return answered;
}

bool
ask_ping(const char *path, int timeout_ms)
{
	char answer[64];

	return path && *path && ask(path, "PING\r\n", answer, sizeof answer, timeout_ms)
	       && strncmp(answer, "+PONG", 5) == 0;
}
