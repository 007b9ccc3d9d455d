/* SPDX-License-Identifier: MIT */
/* Looking for the programs: PATH first, then the places where distributions and wheels put them. */
#include "client/cli/run/programs.h"

#include <glob.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A path that fits, else "" (which is no file). */
static void __attribute__((format(printf, 2, 3)))
path_set(char path[PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(path, PATH_MAX, fmt, ap);
	va_end(ap);
	if (len < 0 || len >= PATH_MAX)
		path[0] = '\0';
}

/* Calls try(DIR, arg) for each directory of PATH until one says yes. */
static bool
each_path_dir(bool (*try)(const char *dir, void *arg), void *arg)
{
	const char *path = getenv("PATH");
	char *copy = strdup(path ? path : "/usr/local/bin:/usr/bin:/bin");
	bool found = false;

	for (char *rest = copy, *dir; !found && (dir = strsep(&rest, ":"));)
		found = *dir == '/' && try(dir, arg);
	free(copy);
	return found;
}

struct search {
	struct programs *programs;
	const struct user *servers;
	const char *name; /* for one program in PATH */
	char *path;       /* likewise: where it goes, PATH_MAX */
};

/* PostgreSQL: initdb and postgres in one directory, the real one behind any links. */
static bool
try_bindir(const char *dir, void *arg)
{
	struct search *search = arg;
	struct programs *programs = search->programs;

	path_set(programs->initdb, "%s/initdb", dir);
	path_set(programs->postgres, "%s/postgres", dir);
	return user_can(search->servers, programs->initdb, X_OK)
	       && user_can(search->servers, programs->postgres, X_OK);
}

/* A directory of PATH that has, or links to, one of PostgreSQL's. */
static bool
try_links(const char *dir, void *arg)
{
	static const char *const names[] = { "postgres", "initdb", "pg_ctl" };
	char link[PATH_MAX], real[PATH_MAX];

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		path_set(link, "%s/%s", dir, names[i]);
		if (realpath(link, real) && try_bindir(dirname(real), arg))
			return true;
	}
	return false;
}

/* The newest of what the pattern finds: 9 < 10 < 18. */
static bool
try_pattern(const char *pattern, struct search *search)
{
	glob_t found = { 0 };
	const char *best = NULL;
	bool ok;

	if (glob(pattern, 0, NULL, &found) != 0)
		return false;
	for (size_t i = 0; i < found.gl_pathc; i++)
		if (try_bindir(found.gl_pathv[i], search)
		    && (!best || strverscmp(found.gl_pathv[i], best) > 0))
			best = found.gl_pathv[i];
	ok = best && try_bindir(best, search);
	globfree(&found);
	return ok;
}

/* Wheels such as pgserver carry a whole PostgreSQL, beside the python3 of PATH. */
static bool
try_wheels(const char *dir, void *arg)
{
	char pattern[PATH_MAX];

	path_set(pattern, "%s/../lib/python3*/*-packages/*pgserver/pginstall/bin", dir);
	return try_pattern(pattern, arg);
}

static bool
find_postgres(struct search *search)
{
	static const char *const patterns[] = {
		"/usr/lib/postgresql/*/bin",
		"/usr/pgsql-*/bin",
		"/usr/local/pgsql/bin",
	};

	if (each_path_dir(try_links, search))
		return true;
	for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
		if (try_pattern(patterns[i], search))
			return true;
	return each_path_dir(try_wheels, search);
}

static bool
try_program(const char *dir, void *arg)
{
	struct search *search = arg;

	path_set(search->path, "%s/%s", dir, search->name);
	return user_can(search->servers, search->path, X_OK);
}

/* One program in PATH or /usr/bin. */
static bool
find_program(struct search *search, const char *name, char path[PATH_MAX])
{
	search->name = name;
	search->path = path;
	return each_path_dir(try_program, search) || try_program("/usr/bin", search);
}

/* berthd: $BERTHD, beside ourselves (installed or just built), then PATH. It runs as who we are. */
static bool
find_berthd(struct search *search)
{
	static const char *const beside[] = { "berthd", "../../daemon/berthd",
		                              "../libexec/berth/berthd", "../sbin/berthd" };
	static const struct user ourselves;
	const char *named = getenv("BERTHD");
	char *path = search->programs->berthd, self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof self - 1);

	search->servers = &ourselves;
	if (named && *named)
		return realpath(named, path) && access(path, X_OK) == 0;
	self[len < 0 ? 0 : len] = '\0';
	dirname(self);
	for (size_t i = 0; i < sizeof beside / sizeof *beside; i++) {
		path_set(path, "%s/%s", self, beside[i]);
		if (access(path, X_OK) == 0)
			return true;
	}
	return find_program(search, "berthd", path);
}

static int
missing_postgres(const char *pg_bindir, const struct user *servers, struct berth_error *e)
{
	char who[sizeof servers->name + 8] = "you";

	if (servers->other)
		snprintf(who, sizeof who, "user %s", servers->name);
	if (pg_bindir)
		return berth_error_set(e, BERTH_UNAVAILABLE,
		                       "no initdb and postgres that %s can run in --pg-bindir %s",
		                       who, pg_bindir);
	return berth_error_set(
		e, BERTH_UNAVAILABLE,
		"no initdb and postgres that %s can run: looked in PATH, /usr/lib/postgresql/*/bin,"
		" /usr/pgsql-*/bin, /usr/local/pgsql/bin and Python's pgserver;"
		" on Debian `apt-get install postgresql` brings them, or give --pg-bindir",
		who);
}

int
programs_find(struct programs *programs, const char *pg_bindir, const struct user *servers,
              struct berth_error *e)
{
	struct search search = { .programs = programs, .servers = servers };
	char real[PATH_MAX];

	if (pg_bindir ? !realpath(pg_bindir, real) || !try_bindir(real, &search)
	              : !find_postgres(&search))
		return missing_postgres(pg_bindir, servers, e);
	if (!find_program(&search, "redis-server", programs->redis)
	    && !find_program(&search, "valkey-server", programs->redis))
		return berth_error_set(
			e, BERTH_UNAVAILABLE,
			"no redis-server or valkey-server: looked in PATH and /usr/bin;"
			" on Debian `apt-get install redis-server` brings one");
	if (!find_berthd(&search))
		return berth_error_set(
			e, BERTH_UNAVAILABLE,
			"no berthd: looked at $BERTHD, beside berth itself and in PATH;"
			" BERTHD=/path/to/berthd names one");
	return 0;
}
