/* SPDX-License-Identifier: MIT */
/* Directory trees. A copy stays ours until it is complete, so that no other user can interfere. */
#include "client/cli/run/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

struct copy {
	const struct user *owner;
	struct watch *watch;
	struct tree_count count;
	struct berth_error *e;
};

static int
fail(struct berth_error *e, const char *doing, const char *name)
{
	return berth_error_set(e, BERTH_UNAVAILABLE, "cannot %s %s: %s", doing, name,
	                       strerror(errno));
}

static int
give(int fd, const struct user *owner)
{
	return owner && owner->other ? fchown(fd, owner->uid, owner->gid) : 0;
}

/* Shares the blocks where the file system can (reflink), else copies inside the kernel. */
static int
copy_bytes(int from, int to, off_t size)
{
	while (size > 0) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, (size_t)size, 0);

		if (n < 0 && errno != ENOSPC && errno != EIO)
			n = sendfile(to, from, NULL, (size_t)size);
		if (n < 0)
			return -1;
		if (n == 0)
			break; /* it became shorter; the count will tell */
		size -= n;
	}
	return 0;
}

static int
copy_file(struct copy *copy, int from_dir, int to_dir, const char *name)
{
	int from = openat(from_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int to = openat(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st = { 0 };
	int result = -1;

	if (from < 0 || to < 0 || fstat(from, &st) < 0 || !S_ISREG(st.st_mode)
	    || give(to, copy->owner) < 0 || copy_bytes(from, to, st.st_size) < 0)
		fail(copy->e, "copy", name);
	else
		result = 0;
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	copy->count.files++;
	copy->count.bytes += st.st_size;
	return result;
}

static int copy_dir(struct copy *copy, int from, int to);

static int
copy_subdir(struct copy *copy, int from_dir, int to_dir, const char *name)
{
	int from = openat(from_dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int to = from < 0 ? -1 : tree_mkdir(to_dir, name, NULL, copy->e);
	int result = -1;

	if (from < 0)
		fail(copy->e, "read", name);
	else if (to >= 0)
		result = copy_dir(copy, from, to);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return result;
}

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* The entries of a directory whose descriptor stays the caller's. */
static DIR *
open_list(int fd)
{
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = copy < 0 ? NULL : fdopendir(copy);

	if (!list && copy >= 0)
		close(copy);
	return list;
}

static bool
is_dir(int dir, const struct dirent *entry)
{
	struct stat st;

	if (entry->d_type != DT_UNKNOWN)
		return entry->d_type == DT_DIR;
	return fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int
copy_dir(struct copy *copy, int from, int to)
{
	DIR *list = open_list(from);
	const struct dirent *entry;
	int result = 0;

	if (!list)
		return fail(copy->e, "list", "a directory");
	while (result == 0 && (entry = readdir(list))) {
		if (is_dots(entry->d_name))
			continue;
		result = is_dir(from, entry) ? copy_subdir(copy, from, to, entry->d_name)
		                             : copy_file(copy, from, to, entry->d_name);
	}
	closedir(list);
	watch_wait(copy->watch, 0);
	if (result == 0 && copy->watch->ending)
		return berth_error_set(copy->e, BERTH_UNAVAILABLE, "interrupted");
	if (result == 0 && give(to, copy->owner) < 0)
		return fail(copy->e, "give away", "a directory");
	return result;
}

int
tree_copy(int from, int to, const struct user *owner, struct watch *watch, struct tree_count *ret,
          struct berth_error *e)
{
	struct copy copy = { .owner = owner, .watch = watch, .e = e };

	if (copy_dir(&copy, from, to) < 0)
		return -1;
	*ret = copy.count;
	return 0;
}

/* Removes all that is in `name`. */
static void
empty(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *list = fd < 0 ? NULL : open_list(fd);
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
	if (fd < 0 || give(fd, owner) < 0) {
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
	if (fd >= 0 && give(fd, owner) == 0 && write(fd, text, (size_t)len) == len)
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
