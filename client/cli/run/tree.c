/* SPDX-License-Identifier: MIT */
/* Making, filling and removing directories by descriptor. */
#include "client/cli/run/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
fail(struct berth_error *e, const char *doing, const char *name)
{
	return berth_error_set(e, BERTH_UNAVAILABLE, "cannot %s %s: %s", doing, name,
	                       strerror(errno));
}

int
tree_give(int fd, const struct user *owner)
{
	return owner && owner->other ? fchown(fd, owner->uid, owner->gid) : 0;
}

DIR *
tree_list(int dir)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);

	if (!list && copy >= 0)
		close(copy);
	return list;
}

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool
is_dir(int dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* Removes all that is in `name`. */
static void
empty(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *list = fd < 0 ? NULL : tree_list(fd);
	const struct dirent *entry;

	while (list && (entry = readdir(list)))
		if (!is_dots(entry->d_name)
		    && (is_dir(fd, entry) || unlinkat(fd, entry->d_name, 0) < 0))
			tree_remove(fd, entry->d_name);
	if (list)
		closedir(list);
	if (fd >= 0)
		close(fd);
}

int
tree_remove(int dir, const char *name)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	empty(dir, name);
	return unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int
tree_mkdir(int dir, const char *name, const struct user *owner, struct berth_error *e)
{
	int fd;

	if (mkdirat(dir, name, 0700) < 0)
		return fail(e, "make the directory", name);
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || tree_give(fd, owner) < 0) {
		fail(e, "open the directory", name);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

int
tree_write(int dir, const char *name, const char *text, const struct user *owner,
           struct berth_error *e)
{
	ssize_t len = (ssize_t)strlen(text);
	int fd, result = -1;

	unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && tree_give(fd, owner) == 0 && write(fd, text, (size_t)len) == len)
		result = 0;
	else
		fail(e, "write", name);
	if (fd >= 0)
		close(fd);
	return result;
}

int
tree_read(int dir, const char *name, char *text, size_t size)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, text, size - 1);
	close(fd);
	if (n < 0)
		return -1;
	text[n] = '\0';
	return 0;
}
