/* SPDX-License-Identifier: MIT */
/* The private berthd: told where the servers are through its environment. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/run/ask.h"
#include "client/cli/run/servers.h"

/* Percent-encodes the one character of our paths that needs it. */
static void
encode_path(const char *path, char *out, size_t size)
{
	size_t len = 0;

	for (; *path && len + 4 < size; path++) {
		if (*path == '/')
			len += (size_t)snprintf(out + len, size - len, "%%2F");
		else
			out[len++] = *path;
	}
	out[len] = '\0';
}

static void
env_postgres(struct env *env, const struct servers *servers)
{
	char path[4 * RUNDIR_PATH_MAX];

	if (servers->tcp) {
		env_set(env, "BERTH_PG_DSN",
		        "postgresql://postgres:%s@127.0.0.1:%d/app?sslmode=disable",
		        servers->pg_password, servers->pg_port);
		return;
	}
	encode_path(servers->dir->path, path, sizeof path);
	env_set(env, "BERTH_PG_DSN", "postgresql://postgres@/app?host=%s%%2Fpg&port=%d", path,
	        servers->pg_port);
}

static void
env_redis(struct env *env, const struct servers *servers)
{
	if (servers->tcp)
		env_set(env, "BERTH_REDIS_URL", "redis://default:%s@127.0.0.1:%d",
		        servers->redis_password, servers->redis_port);
	else
		env_set(env, "BERTH_REDIS_URL", "unix://%s/redis/redis.sock", servers->dir->path);
	env_set(env, "BERTH_REDIS_SERVER", "%s", servers->programs->redis);
}

/* The user's environment, for BERTH_POOL_SCHEMAS and the like, but without libpq's PG*. */
static void
berthd_env(struct env *env, const struct servers *servers)
{
	env_copy(env, environ, "PG");
	env_set(env, "BERTH_SOCKET", "%s", servers_socket(servers));
	if (!getenv("BERTH_CONFIG")) /* the host's file is about the host's servers */
		env_set(env, "BERTH_CONFIG", "/dev/null");
	env_postgres(env, servers);
	env_redis(env, servers);
}

static int
berthd_start(struct servers *servers, struct child *child, int log, struct berth_error *e)
{
	static const struct user ourselves;
	const char *const argv[] = { servers->programs->berthd, NULL };
	struct server_spec spec = {
		.argv = argv,
		.user = &ourselves,
		.directory = servers->dir->path,
		.input = -1,
		.log = log,
		.death_signal = SIGKILL,
	};
	struct env env = { 0 };
	int result;

	berthd_env(&env, servers);
	spec.env = env.vars;
	result = child_start_server(child, &spec, e);
	env_fini(&env);
	return result;
}

/* It listens before it has reached the servers, and a lease asked for then is UNAVAILABLE. */
static bool
berthd_is_ready(struct servers *servers)
{
	char answer[8192];

	return ask(servers_socket(servers), "INFO\r\n", answer, sizeof answer, 1000)
	       && strstr(answer, "pg_up:1") && strstr(answer, "redis_up:1");
}

const struct server_kind berthd_kind = {
	.name = "berthd",
	.log = "berthd.log",
	.stop_signal = SIGKILL, /* whatever it made goes with the servers */
	.stop_kept = SIGKILL,
	.start = berthd_start,
	.is_ready = berthd_is_ready,
};
