/* SPDX-License-Identifier: MIT */
/* Binding without races, accepting without running dry. */
#include "daemon/listener.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/base/local.h"
#include "daemon/base/log.h"
#include "daemon/base/service.h"
#include "daemon/berthd.h"
#include "daemon/session.h"

enum { ACCEPTS_A_TURN = 4 /* each may ask much in its first turn, and whoever is here waits for that */, BACKLOG = 1024 };

/* ---- the path ---- */

static int
make_directory(const char *path, struct berth_error *e)
{
	char copy[sizeof((struct listener *)0)->path];
	struct stat st;
	const char *dir;

	snprintf(copy, sizeof copy, "%s", path);
	dir = dirname(copy);
	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return berth_error_set(e, BERTH_ERR, "the socket's directory %s cannot be made: %s", dir,
		                       strerror(errno));
	if (lstat(dir, &st) < 0 || !(S_ISDIR(st.st_mode) || S_ISLNK(st.st_mode)))
		return berth_error_set(e, BERTH_ERR, "%s, where the socket shall lie, is no directory", dir);
	if (strncmp(dir, "/tmp/berth-", 11) == 0 && (st.st_uid != geteuid() || !S_ISDIR(st.st_mode)))
		return berth_error_set(e, BERTH_DENIED, "%s belongs to somebody else; set socket to another path", dir);
	return 0;
}

/* The holder's pid is in the file, for the message. */
static int
take_lock(struct listener *listener, struct berth_error *e)
{
	char path[128], pid[32] = "?";
	ssize_t got;

	snprintf(path, sizeof path, "%s.lock", listener->path);
	listener->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (listener->lock_fd < 0)
		return berth_error_set(e, BERTH_ERR, "the lock file %s cannot be opened: %s", path, strerror(errno));
	if (flock(listener->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		got = pread(listener->lock_fd, pid, sizeof pid - 1, 0);
		pid[got > 0 ? got : 0] = '\0';
		pid[strcspn(pid, "\n")] = '\0';
		return berth_error_set(e, BERTH_INUSE, "another berthd, pid %s, listens on %s; stop it, or set socket to "
		                       "another path", pid, listener->path);
	}
	snprintf(pid, sizeof pid, "%d\n", (int)getpid());
	if (ftruncate(listener->lock_fd, 0) < 0 || pwrite(listener->lock_fd, pid, strlen(pid), 0) < 0)
		return berth_error_set(e, BERTH_ERR, "%s cannot be written: %s", path, strerror(errno));
	return 0;
}

/* ---- accepting ---- */

/* As many sessions as the descriptors allow, with a reserve for the daemon's own needs. */
static int
most_sessions(int wanted)
{
	struct rlimit limit;
	long room;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return wanted;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	room = (long)(limit.rlim_cur > 1000000 ? 1000000 : limit.rlim_cur) - LIMIT_FD_RESERVE - 64;
	return room < wanted ? (int)(room > 1 ? room : 1) : wanted;
}

static int
sessions_of(const struct listener *listener, uid_t uid)
{
	const struct session *session;
	int n = 0;

	TAILQ_FOREACH(session, &listener->sessions, link)
		n += session->uid == uid;
	return n;
}

static void
refuse(struct listener *listener, int fd, const char *fmt, int number)
{
	char text[160];
	int len = snprintf(text, sizeof text, fmt, number);

	listener->refused++;
	if (send(fd, text, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("listener.refuse", LOG_T("why", strerror(errno)));
	close(fd);
}

static void
admit(struct listener *listener, int fd)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof peer;
	const struct config *config = &listener->berthd->config;
	struct session *session;

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
	if (listener->count >= listener->most) {
		refuse(listener, fd, "-LIMIT all %d connections are taken; close some, or raise max_connections\r\n",
		       listener->most);
	} else if (listener->count >= config->max_connections_uid
	           && sessions_of(listener, peer.uid) >= config->max_connections_uid) {
		refuse(listener, fd, "-LIMIT your uid has %d connections, all it may have (max_connections_uid)\r\n",
		       config->max_connections_uid);
	} else {
		session = session_new(listener->berthd, fd, ++listener->accepted);
		TAILQ_INSERT_TAIL(&listener->sessions, session, link);
		listener->count++;
	}
}

/* Out of descriptors: the spare one lets us take the connection and say so, instead of spinning. */
static bool
refuse_without_descriptor(struct listener *listener)
{
	int fd;

	if (listener->spare_fd < 0)
		return false;
	close(listener->spare_fd);
	fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		refuse(listener, fd, "-LIMIT berthd has no file descriptor left for you (of %d sessions)\r\n",
		       listener->count);
	listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return fd >= 0;
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;
	bool more = true;

	for (int i = 0; i < ACCEPTS_A_TURN && more; i++) {
		int accepted = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (accepted >= 0)
			admit(listener, accepted);
		else if (errno == EMFILE || errno == ENFILE)
			more = refuse_without_descriptor(listener);
		else
			more = errno == EINTR || errno == ECONNABORTED;
	}
}

/* ---- life ---- */

void
listener_limit(struct listener *listener, int wanted)
{
	listener->most = most_sessions(wanted);
}

int
listener_open(struct listener *listener, struct berthd *berthd, struct berth_error *e)
{
	const char *path = berthd->config.socket;

	*listener = (struct listener){ .berthd = berthd, .fd = -1, .lock_fd = -1 };
	TAILQ_INIT(&listener->sessions);
	listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listener_limit(listener, berthd->config.max_connections);
	if (strlen(path) >= sizeof listener->path)
		return berth_error_set(e, BERTH_USAGE, "the socket's path is longer than the %zu bytes a Unix socket may "
		                       "have: %s", sizeof listener->path - 1, path);
	snprintf(listener->path, sizeof listener->path, "%s", path);
	listener->fd = service_descriptor();
	listener->given = listener->fd >= 0;
	if (make_directory(path, e) < 0 || take_lock(listener, e) < 0)
		return -1;
	if (!listener->given)
		listener->fd = local_listen(path, "socket", berthd->config.socket_group, BACKLOG, e);
	if (listener->fd < 0)
		return -1;
	listener->accept = event_new(berthd->base, listener->fd, EV_READ | EV_PERSIST, on_accept, listener);
	if (!listener->accept || event_add(listener->accept, NULL) < 0)
		abort();
	return 0;
}

void
listener_remove(struct listener *listener, struct session *session)
{
	TAILQ_REMOVE(&listener->sessions, session, link);
	listener->count--;
}

struct session *
listener_find(struct listener *listener, uint64_t id)
{
	struct session *session;

	TAILQ_FOREACH(session, &listener->sessions, link)
		if (session->id == id)
			return session;
	return NULL;
}

void
listener_close(struct listener *listener)
{
	struct session *session;

	while ((session = TAILQ_FIRST(&listener->sessions))) {
		listener_remove(listener, session);
		session_free(session);
	}
	assert(listener->unsent == 0);
	if (listener->accept) {
		event_free(listener->accept);
		if (!listener->given)
			unlink(listener->path);
	}
	if (listener->fd >= 0 && !listener->given)
		close(listener->fd);
	if (listener->spare_fd >= 0)
		close(listener->spare_fd);
	if (listener->lock_fd >= 0)
		close(listener->lock_fd);
}
