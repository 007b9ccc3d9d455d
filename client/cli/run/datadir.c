/* SPDX-License-Identifier: MIT */
/* Making the data directory. The server's settings are written at each start, see postgres.c. */
#include "client/cli/run/datadir.h"

#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/run/tree.h"

/*
 * `trust` on the socket is safe because its directory is 0700 and the servers' user's (postgres.c):
 * nobody else gets as far as the question. Loopback is open to every local user, hence passwords.
 */
static const char hba[] = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n";

static const char *
utf8_locale(void)
{
	locale_t found = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);

	if (!found)
		return "C";
	freelocale(found);
	return "C.UTF-8";
}

static int
initdb(struct servers *servers, const char *data, struct berth_error *e)
{
	char locale[64];
	/* clang-format off */
	const char *const argv[] = {
		servers->programs->initdb, "-D", data, "-U", "postgres", "-A", "trust",
		"-E", "UTF8", locale, "--wal-segsize=1", "--no-sync", NULL,
	};
	/* clang-format on */

	snprintf(locale, sizeof locale, "--locale=%s", utf8_locale());
	return servers_run_tool(servers, argv, NULL, "initdb.log", e);
}

static int
create_app(struct servers *servers, const char *data, struct berth_error *e)
{
	/* clang-format off */
	const char *const argv[] = {
		servers->programs->postgres, "--single", "-F", "-D", data,
		"-c", "dynamic_shared_memory_type=mmap", "template1", NULL,
	};
	/* clang-format on */

	return servers_run_tool(servers, argv, "CREATE DATABASE app\n", "initdb.log", e);
}

/* An empty `data` in the run's directory, ours until it is filled. */
static int
empty_data(struct servers *servers, const struct user *owner, struct berth_error *e)
{
	tree_remove(servers->dir->fd, "data");
	return tree_mkdir(servers->dir->fd, "data", owner, e);
}

/* Initialises `data`; as the servers' user, for initdb refuses to run as root too. */
static int
make_fresh(struct servers *servers, struct berth_error *e)
{
	char path[PATH_MAX];
	int data = empty_data(servers, &servers->user, e);

	if (data < 0)
		return -1;
	progress_stage(&servers->watch->progress,
	               "initialising a data directory (kept for the next time)");
	snprintf(path, sizeof path, "%s/data", servers->dir->path);
	if (initdb(servers, path, e) < 0 || create_app(servers, path, e) < 0
	    || tree_write(data, "pg_hba.conf", hba, &servers->user, e) < 0) {
		close(data);
		return -1;
	}
	return data;
}

/* As cache_load(). */
static int
load(struct servers *servers)
{
	struct berth_error e;
	int data = empty_data(servers, NULL, &e);
	int result = data < 0 ? -1 : cache_load(&servers->cache, data, &servers->user);

	if (data >= 0)
		close(data);
	servers->cached = result > 0;
	return result;
}

/* With the exclusive lock: of many first runs one initialises and the others wait for it. */
static int
make_locked(struct servers *servers, bool distrust, struct berth_error *e)
{
	int data;

	if (!distrust && load(servers) > 0)
		return 0;
	cache_discard(&servers->cache);
	data = make_fresh(servers, e);
	if (data < 0)
		return -1;
	cache_store(&servers->cache, data);
	close(data);
	return 0;
}

static int
make_uncached(struct servers *servers, struct berth_error *e)
{
	int data = make_fresh(servers, e);

	if (data < 0)
		return -1;
	close(data);
	return 0;
}

static int
make(struct servers *servers, bool distrust, struct berth_error *e)
{
	int result;

	servers->cached = false;
	if (cache_lock(&servers->cache, LOCK_EX)) {
		result = make_locked(servers, distrust, e);
		cache_lock(&servers->cache, LOCK_UN);
		return result;
	}
	if (servers->watch->ending)
		return berth_error_set(e, BERTH_UNAVAILABLE, "interrupted");
	return make_uncached(servers, e);
}

int
datadir_make(struct servers *servers, struct berth_error *e)
{
	int loaded = 0;

	progress_stage(&servers->watch->progress, "copying the data directory");
	if (cache_lock(&servers->cache, LOCK_SH)) {
		loaded = load(servers);
		cache_lock(&servers->cache, LOCK_UN);
	}
	return loaded > 0 ? 0 : make(servers, loaded < 0, e);
}

int
datadir_remake(struct servers *servers, struct berth_error *e)
{
	say("the cached data directory is broken: making it anew");
	return make(servers, true, e);
}
