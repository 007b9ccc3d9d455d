/* SPDX-License-Identifier: MIT */
/* Clear the path, bind, listen. */
#include "daemon/base/local.h"

#include <errno.h>
#include <grp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/base/log.h"

static struct sockaddr_un
address_of(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	return address;
}

static bool
nobody_listens(const char *path)
{
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	bool refused = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0 && errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return refused;
}

static int
clear_path(const char *path, const char *setting, struct berth_error *e)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode))
		return berth_error_set(e, BERTH_INUSE, "%s is there and is no socket; set %s to another path", path, setting);
	if (!nobody_listens(path))
		return berth_error_set(e, BERTH_INUSE, "another program listens on %s; set %s to another path", path, setting);
	unlink(path);
	return 0;
}

static void
give_to(const char *path, const char *name)
{
	const struct group *group = getgrnam(name);

	if (group && lchown(path, (uid_t)-1, group->gr_gid) < 0)
		log_warn("socket.group", LOG_T("path", path), LOG_T("group", name), LOG_T("why", strerror(errno)));
}

static int
bind_at(int fd, const char *path)
{
	struct sockaddr_un address = address_of(path);
	mode_t mask = umask(0117);
	int bound = bind(fd, (struct sockaddr *)&address, sizeof address);

	umask(mask);
	return bound;
}

int
local_listen(const char *path, const char *setting, const char *group, int backlog, struct berth_error *e)
{
	int fd;

	if (clear_path(path, setting, e) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && bind_at(fd, path) == 0) {
		give_to(path, group);
		if (listen(fd, backlog) == 0)
			return fd;
	}
	berth_error_set(e, BERTH_ERR, "cannot listen on %s (%s): %s", path, setting, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}
