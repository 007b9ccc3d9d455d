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

#include "client/cli/run/pack.h"
#include "client/cli/run/tree.h"

/* Goes up when initdb's options or what follows it change. */
enum { CACHE_FORMAT = 2, UNUSED_DAYS = 30 };

/* Of an entry. */
struct files {
	FILE *list;
	int contents;
};

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

/* Opens both files of an entry; false when one is missing, or not ours alone. */
static bool
entry_open(struct cache *cache, const char *entry, int flags, struct files *files)
{
	int dir = openat(cache->dir, entry, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int list = -1;

	*files = (struct files){ .contents = -1 };
	if (dir < 0)
		return false;
	if (is_ours(dir)) {
		list = openat(dir, "list", flags | O_CLOEXEC | O_NOFOLLOW, 0600);
		files->contents = openat(dir, "contents", flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	}
	close(dir);
	if (list >= 0)
		files->list = fdopen(list, flags == O_RDONLY ? "r" : "w");
	return files->list && files->contents >= 0;
}

static void
entry_close(struct files *files)
{
	if (files->list)
		fclose(files->list);
	if (files->contents >= 0)
		close(files->contents);
}

int
cache_load(struct cache *cache, int to, const struct user *owner)
{
	struct berth_error e = { 0 };
	struct files files;
	int result = 0;

	if (entry_open(cache, cache->entry, O_RDONLY, &files)) {
		futimens(files.contents, NULL); /* its last use */
		result = pack_read(files.list, files.contents, to, owner, cache->watch, &e) < 0 ? -1
		                                                                                : 1;
		if (result < 0 && !cache->watch->ending)
			say("the cached data directory is damaged: %s", e.message);
	}
	entry_close(&files);
	return result;
}

static int
store(struct cache *cache, const char *name, int from, struct berth_error *e)
{
	struct files files = { .contents = -1 };
	int result = -1;

	if (mkdirat(cache->dir, name, 0700) == 0
	    && entry_open(cache, name, O_WRONLY | O_CREAT | O_EXCL, &files))
		result = pack_write(from, files.list, files.contents, cache->watch, e);
	else
		berth_error_set(e, BERTH_UNAVAILABLE, "%s: %s", name, strerror(errno));
	entry_close(&files);
	return result;
}

static bool
is_old(struct cache *cache, const char *entry)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof path, "%s/contents", entry);
	return fstatat(cache->dir, path, &st, AT_SYMLINK_NOFOLLOW) < 0
	       || time(NULL) - st.st_mtime > UNUSED_DAYS * 86400;
}

/* Removes entries that nobody has used for long, and half-built ones. */
static void
tidy(struct cache *cache)
{
	DIR *list = tree_list(cache->dir);
	const struct dirent *at;

	while (list && (at = readdir(list)))
		if (strncmp(at->d_name, "postgres-", strlen("postgres-")) == 0
		    && (strstr(at->d_name, ".new") || is_old(cache, at->d_name)))
			tree_remove(cache->dir, at->d_name);
	if (list)
		closedir(list);
}

void
cache_store(struct cache *cache, int from)
{
	struct berth_error e = { 0 };
	char name[sizeof cache->entry + 8];

	tidy(cache);
	snprintf(name, sizeof name, "%s.new", cache->entry);
	if (store(cache, name, from, &e) == 0
	    && renameat(cache->dir, name, cache->dir, cache->entry) == 0)
		return;
	say("not cached: %s", e.message[0] ? e.message : strerror(errno));
	tree_remove(cache->dir, name);
}

void
cache_discard(struct cache *cache)
{
	tree_remove(cache->dir, cache->entry);
}
