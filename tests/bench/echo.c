/* SPDX-License-Identifier: MIT */
/* A bare echo on a Unix socket, the floor of every figure: so many bytes come, so many go back. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { EVENTS = 64, BUFFER = 65536 };

static _Noreturn void
die(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int
listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (strlen(path) >= sizeof address.sun_path) {
		errno = ENAMETOOLONG;
		die(path);
	}
	strcpy(address.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0
	    || listen(fd, 1024) < 0)
		die(path);
	return fd;
}

static void
watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		die("watch");
}

/* A request is a few hundred bytes and so comes whole; its first four say how many go back. */
static void
answer(int fd)
{
	static char buffer[BUFFER];
	ssize_t got = recv(fd, buffer, sizeof buffer, 0);
	uint32_t wanted;

	if (got < (ssize_t)sizeof wanted) {
		close(fd);
		return;
	}
	memcpy(&wanted, buffer, sizeof wanted);
	if (wanted > sizeof buffer || send(fd, buffer, wanted, MSG_NOSIGNAL) != (ssize_t)wanted)
		close(fd);
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	struct epoll_event events[EVENTS];
	int epoll = epoll_create1(0), listener;

	if (argc != 2) {
		fputs("usage: echo SOCKET\n", stderr);
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	listener = listen_on(argv[1]);
	watch(epoll, listener);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			if (events[i].data.fd == listener)
				watch(epoll, accept(listener, NULL, NULL));
			else
				answer(events[i].data.fd);
		}
	}
}
