/* SPDX-License-Identifier: MIT */
/* Keeping initialised data directories between runs. */
#include "client/cli/run/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/run/tree.h"

/* Goes up when initdb's options or what follows it change. */
enum { CACHE_FORMAT = 1, UNUSED_DAYS = 30 };

/* Whether a directory is ours and nobody else may write there: what it holds will be run. */
static bool
is_ours(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
}

/* Opens the directory, making it if need be; -1 when it is not ours. */
static int
open_own(const char *path)
{
	int fd;

	mkdir(path, 0700);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && !is_ours(fd)) {
		close(fd);
		errno = EPERM;
		fd = -1;
	}
	return fd;
}

/* HOME/.cache/berth; root's HOME may be somebody else's (sudo), and then it is not used. */
static int
open_in_home(const char *home, char path[PATH_MAX])
{
	int fd;

	snprintf(path, PATH_MAX, "%s/.cache", home);
	fd = open_own(path);
	if (fd < 0)
		return -1;
	close(fd);
	snprintf(path, PATH_MAX, "%s/.cache/berth", home);
	return open_own(path);
}

static int
open_dir(char path[PATH_MAX])
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	const struct passwd *pw;
	int fd = -1;

	if (xdg && xdg[0] == '/') {
		mkdir(xdg, 0700);
		snprintf(path, PATH_MAX, "%s/berth", xdg);
		return open_own(path);
	}
	if (home && home[0] == '/')
		fd = open_in_home(home, path);
	if (fd < 0 && (pw = getpwuid(geteuid())))
		fd = open_in_home(pw->pw_dir, path);
	return fd;
}

/* FNV-1a: tells programs apart, guards against nothing. */
static uint64_t
hash(const char *text)
{
	uint64_t h = 14695981039346656037u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return h;
}

/* An update of PostgreSQL changes the file, hence the entry. */
static void
entry_name(struct cache *cache, const char *postgres)
{
	char text[PATH_MAX + 128];
	struct stat st = { 0 };

	stat(postgres, &st);
	snprintf(text, sizeof text, "%d %s %lld %lld.%09ld", CACHE_FORMAT, postgres,
	         (long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	snprintf(cache->entry, sizeof cache->entry, "postgres-%016llx",
	         (unsigned long long)hash(text));
	snprintf(cache->program, sizeof cache->program, "%s", postgres);
}

void
cache_open(struct cache *cache, const char *postgres, struct watch *watch)
{
	char path[PATH_MAX] = "~/.cache/berth";

	*cache = (struct cache){ .dir = open_dir(path), .lock = -1, .watch = watch };
	if (cache->dir >= 0)
		cache->lock =
			openat(cache->dir, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (cache->lock < 0) {
		say("no cache in %s (%s): initdb runs every time; XDG_CACHE_HOME names another place",
		    path, strerror(errno));
		cache_close(cache);
		return;
	}
	entry_name(cache, postgres);
}

void
cache_close(struct cache *cache)
{
	if (cache->lock >= 0)
		close(cache->lock);
	if (cache->dir >= 0)
		close(cache->dir);
	cache->lock = cache->dir = -1;
}

bool
cache_lock(struct cache *cache, int operation)
{
	if (cache->dir < 0)
		return false;
	while (flock(cache->lock, operation | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK || cache->watch->ending)
			return false;
		watch_wait(cache->watch, 20);
	}
	return true;
}

static int
open_subdir(int dir, const char *name)
{
	return dir < 0 ? -1 : openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
}

static void
close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* What must be there; the file's time is the entry's last use. */
static bool
manifest_read(int entry, struct tree_count *ret)
{
	char text[512];

	return tree_read(entry, "manifest", text, sizeof text) == 0
	       && sscanf(text, "files=%lld bytes=%lld", &ret->files, &ret->bytes) == 2;
}

static bool
load(struct cache *cache, int entry, int data, int to, const struct user *owner)
{
	struct tree_count wanted, got = { 0 };
	struct berth_error e = { 0 };

	if (entry < 0 || !is_ours(entry) || !manifest_read(entry, &wanted) || data < 0)
		return false;
	if (tree_copy(data, to, owner, cache->watch, &got, &e) < 0)
		say("copying the data directory from the cache: %s", e.message);
	if (got.files != wanted.files || got.bytes != wanted.bytes)
		return false;
	utimensat(entry, "manifest", NULL, 0);
	return true;
}

bool
cache_load(struct cache *cache, int to, const struct user *owner)
{
	int fds[2] = { open_subdir(cache->dir, cache->entry), -1 };
	bool loaded;

	fds[1] = open_subdir(fds[0], "data");
	loaded = load(cache, fds[0], fds[1], to, owner);
	close_all(fds, 2);
	return loaded;
}

static int
store(struct cache *cache, int entry, int from, struct berth_error *e)
{
	struct tree_count count;
	char manifest[512];
	int data = tree_mkdir(entry, "data", NULL, e);
	int result;

	if (data < 0)
		return -1;
	result = tree_copy(from, data, NULL, cache->watch, &count, e);
	close(data);
	if (result < 0)
		return -1;
	snprintf(manifest, sizeof manifest, "files=%lld bytes=%lld\nof=%s\n", count.files,
	         count.bytes, cache->program);
	return tree_write(entry, "manifest", manifest, NULL, e);
}

/* Removes entries that nobody has used for long, and half-built ones. */
static void
tidy(struct cache *cache)
{
	int fd = openat(cache->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *at;
	char name[300];
	struct stat st;

	while (list && (at = readdir(list))) {
		if (strncmp(at->d_name, "postgres-", strlen("postgres-")) != 0)
			continue;
		snprintf(name, sizeof name, "%s/manifest", at->d_name);
		if (strstr(at->d_name, ".new")
		    || fstatat(cache->dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0
		    || time(NULL) - st.st_mtime > UNUSED_DAYS * 86400)
			tree_remove(cache->dir, at->d_name);
	}
	if (list)
		closedir(list);
}

void
cache_store(struct cache *cache, int from)
{
	struct berth_error e = { 0 };
	char name[64];
	int entry;

	tidy(cache);
	snprintf(name, sizeof name, "%s.new", cache->entry);
	entry = tree_mkdir(cache->dir, name, NULL, &e);
	if (entry < 0 || store(cache, entry, from, &e) < 0
	    || renameat(cache->dir, name, cache->dir, cache->entry) < 0) {
		say("not cached: %s", e.message[0] ? e.message : strerror(errno));
		tree_remove(cache->dir, name);
	}
	if (entry >= 0)
		close(entry);
}

void
cache_discard(struct cache *cache)
{
	tree_remove(cache->dir, cache->entry);
}
