/* SPDX-License-Identifier: MIT */
/* Packing a directory tree, and unpacking it as a user's without that user being able to interfere.
 */
#include "client/cli/run/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/run/tree.h"

static int
fail(struct berth_error *e, const char *doing, const char *name)
{
	return berth_error_set(e, BERTH_UNAVAILABLE, "cannot %s %.200s: %s", doing, name,
	                       strerror(errno));
}

/* Copies inside the kernel, from where both stand. */
static int
copy_bytes(int from, int to, long long size)
{
	while (size > 0) {
		ssize_t n = sendfile(to, from, NULL, (size_t)size);

		if (n == 0)
			errno = ENODATA;
		if (n <= 0)
			return -1;
		size -= n;
	}
	return 0;
}

/* ---- packing ---- */

struct packing {
	FILE *list;
	int contents;
	struct watch *watch;
	struct berth_error *e;
};

static int pack_dir(struct packing *packing, int dir, const char *prefix);

static int
pack_entry(struct packing *packing, int fd, const char *path)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return fail(packing->e, "read", path);
	if (S_ISDIR(st.st_mode)) {
		fprintf(packing->list, "D %s\n", path);
		return pack_dir(packing, fd, path);
	}
	if (!S_ISREG(st.st_mode))
		return berth_error_set(packing->e, BERTH_UNAVAILABLE, "%.200s is no file", path);
	fprintf(packing->list, "F %lld %s\n", (long long)st.st_size, path);
	if (copy_bytes(fd, packing->contents, st.st_size) < 0)
		return fail(packing->e, "copy", path);
	return 0;
}

static int
pack_name(struct packing *packing, int dir, const char *prefix, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char path[PATH_MAX];
	int result;

	snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", name);
	if (fd < 0)
		return fail(packing->e, "open", path);
	result = pack_entry(packing, fd, path);
	close(fd);
	return result;
}

static int
pack_dir(struct packing *packing, int dir, const char *prefix)
{
	DIR *list = tree_list(dir);
	const struct dirent *entry;
	int result = 0;

	if (!list)
		return fail(packing->e, "list", prefix);
	while (result == 0 && (entry = readdir(list)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			result = pack_name(packing, dir, prefix, entry->d_name);
	closedir(list);
	watch_wait(packing->watch, 0);
	return result;
}

int
pack_write(int from, FILE *list, int contents, struct watch *watch, struct berth_error *e)
{
	struct packing packing = { .list = list, .contents = contents, .watch = watch, .e = e };

	if (pack_dir(&packing, from, "") < 0)
		return -1;
	if (fprintf(list, "end\n") < 0 || fflush(list) != 0)
		return fail(e, "write", "the list");
	return 0;
}

/* ---- unpacking ---- */

struct unpacking {
	int contents;
	int to;
	const struct user *owner;
	struct watch *watch;
	struct berth_error *e;
};

static int
unpack_dir(struct unpacking *unpacking, const char *path)
{
	watch_wait(unpacking->watch, 0);
	if (unpacking->watch->ending)
		return berth_error_set(unpacking->e, BERTH_UNAVAILABLE, "interrupted");
	return mkdirat(unpacking->to, path, 0700) < 0 ? fail(unpacking->e, "make", path) : 0;
}

static int
unpack_file(struct unpacking *unpacking, const char *path, long long size)
{
	int fd = openat(unpacking->to, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int result = 0;

	if (fd < 0 || copy_bytes(unpacking->contents, fd, size) < 0
	    || tree_give(fd, unpacking->owner) < 0)
		result = fail(unpacking->e, "write", path);
	if (fd >= 0)
		close(fd);
	return result;
}

/* 1 at the end of the list. */
static int
unpack_line(struct unpacking *unpacking, const char *line)
{
	long long size;
	int at = 0;

	if (strcmp(line, "end") == 0)
		return 1;
	if (strncmp(line, "D ", 2) == 0)
		return unpack_dir(unpacking, line + 2);
	if (sscanf(line, "F %lld %n", &size, &at) == 1 && at > 0)
		return unpack_file(unpacking, line + at, size);
	return berth_error_set(unpacking->e, BERTH_UNAVAILABLE, "the list is damaged");
}

static int
unpack_lines(struct unpacking *unpacking, FILE *list)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int result = 0;

	while (result == 0 && (len = getline(&line, &room, list)) > 0) {
		line[len - 1] = '\0';
		result = unpack_line(unpacking, line);
	}
	free(line);
	if (result == 0)
		return berth_error_set(unpacking->e, BERTH_UNAVAILABLE, "the list is incomplete");
	return result > 0 ? 0 : -1;
}

/* The directories last: until now they were ours, and nobody else could put anything there. */
static int
give_dirs(struct unpacking *unpacking, FILE *list)
{
	const struct user *owner = unpacking->owner;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	int result = 0;

	rewind(list);
	while (result == 0 && owner->other && (len = getline(&line, &room, list)) > 0) {
		line[len - 1] = '\0';
		if (strncmp(line, "D ", 2) == 0)
			result = fchownat(unpacking->to, line + 2, owner->uid, owner->gid,
			                  AT_SYMLINK_NOFOLLOW);
	}
	free(line);
	if (result == 0)
		result = tree_give(unpacking->to, owner);
	return result < 0 ? fail(unpacking->e, "give away", "a directory") : 0;
}

int
pack_read(FILE *list, int contents, int to, const struct user *owner, struct watch *watch,
          struct berth_error *e)
{
	struct unpacking unpacking = {
		.contents = contents, .to = to, .owner = owner, .watch = watch, .e = e
	};

	return unpack_lines(&unpacking, list) < 0 ? -1 : give_dirs(&unpacking, list);
}
