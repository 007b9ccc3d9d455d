/* SPDX-License-Identifier: MIT */
/* Choosing a place for the directory of a run, making it and removing it. */
#include "client/cli/run/rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "client/cli/run/progress.h"
#include "client/cli/run/sweep.h"
#include "client/cli/run/sysv.h"
#include "client/cli/run/tree.h"

enum { ROOM_MB = 300 }; /* 40 to begin with, WAL up to 256 */

static const char unquoted[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-";

/* Whether nobody but its owner could move our directory away: it is ours or root's, or sticky. */
static bool
is_safe(const struct stat *st)
{
	if (!S_ISDIR(st->st_mode))
		return false;
	if (st->st_mode & S_ISVTX)
		return true;
	return (st->st_uid == geteuid() || st->st_uid == 0) && !(st->st_mode & (S_IWGRP | S_IWOTH));
}

static bool
fits_a_socket(const char *place)
{
	return place[0] == '/' && place[strspn(place, unquoted)] == '\0'
	       && strlen(place) + strlen("/berth-run-XXXXXX") <= RUNDIR_PATH_MAX;
}

/* NULL when a run can have its directory there, else why not. Borrowed until the next call. */
static const char *
objection(const char *place, const struct user *servers)
{
	static char text[128];
	struct statvfs fs;
	struct stat st;
	unsigned long long free_mb;

	if (stat(place, &st) < 0)
		return strerror(errno);
	if (!fits_a_socket(place))
		return "its name does not fit into a socket's address";
	if (!is_safe(&st) || access(place, W_OK | X_OK) < 0)
		return "it is not a safe place to write to";
	if (!user_can(servers, place, X_OK))
		return "the servers' user may not enter it";
	if (statvfs(place, &fs) < 0)
		return strerror(errno);
	free_mb = (unsigned long long)fs.f_bavail * fs.f_frsize >> 20;
	snprintf(text, sizeof text, "%llu MB are free, %d are needed", free_mb, ROOM_MB);
	return free_mb < ROOM_MB ? text : NULL;
}

/* Makes the directory and locks it. */
static int
make(struct rundir *dir, const char *place, struct berth_error *e)
{
	snprintf(dir->path, sizeof dir->path, "%s/berth-run-XXXXXX", place);
	if (!mkdtemp(dir->path))
		return berth_error_set(e, BERTH_UNAVAILABLE, "cannot make %s: %s", dir->path,
		                       strerror(errno));
	dir->fd = open(dir->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir->fd < 0 || flock(dir->fd, LOCK_EX) < 0)
		return berth_error_set(e, BERTH_UNAVAILABLE, "cannot lock %s: %s", dir->path,
		                       strerror(errno));
	return 0;
}

/*
 * Lets the servers pass through: the servers' user's, and berthd's private Redis servers, which run
 * as nobody. What is in it is closed to others one by one. Marks a directory that is to be kept.
 */
static int
share(struct rundir *dir, const struct user *servers, struct berth_error *e)
{
	if (servers->other && fchmod(dir->fd, 0711) < 0)
		return berth_error_set(e, BERTH_UNAVAILABLE, "cannot share %s: %s", dir->path,
		                       strerror(errno));
	return dir->keep ? tree_write(dir->fd, "kept", "", NULL, e) : 0;
}

static int
open_in(struct rundir *dir, const char *place, const struct user *servers, struct berth_error *e)
{
	if (make(dir, place, e) == 0 && share(dir, servers, e) == 0)
		return 0;
	rmdir(dir->path);
	return -1;
}

int
rundir_open(struct rundir *dir, const struct user *servers, bool keep, struct berth_error *e)
{
	const char *places[] = { "/dev/shm", getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp" };
	const size_t count = sizeof places / sizeof *places;
	const char *why = NULL; /* not, of the last one that was looked at */

	*dir = (struct rundir){ .fd = -1, .keep = keep };
	for (size_t i = 0; i < count; i++)
		if (places[i])
			sweep(places[i]);
	for (size_t i = 0; i < count; i++) {
		why = places[i] ? objection(places[i], servers) : NULL;
		if (why)
			say("not using %s: %s", places[i], why);
		else if (places[i])
			return open_in(dir, places[i], servers, e);
	}
	return berth_error_set(e, BERTH_UNAVAILABLE,
	                       "no place for the servers' data: neither /dev/shm,"
	                       " $XDG_RUNTIME_DIR, $TMPDIR nor /tmp will do (/tmp: %s)",
	                       why);
}

void
rundir_remove(const struct rundir *dir)
{
	int data = openat(dir->fd, "data", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (data >= 0) {
		sysv_remove(data);
		close(data);
	}
	if (!dir->keep && tree_remove(AT_FDCWD, dir->path) < 0)
		say("cannot remove %s: %s", dir->path, strerror(errno));
}
