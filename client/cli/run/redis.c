/* SPDX-License-Identifier: MIT */
/* The private Redis: configured through its stdin, so that its password is nowhere else. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/run/ask.h"
#include "client/cli/run/servers.h"

static int
config_pipe(struct servers *servers)
{
	const char *dir = servers->dir->path;
	char text[1024], tcp[128] = "port 0\n";

	if (servers->tcp)
		snprintf(tcp, sizeof tcp, "bind 127.0.0.1\nport %d\nrequirepass %s\n",
		         servers->redis_port, servers->redis_password);
	snprintf(text, sizeof text,
	         "%sunixsocket %s/redis/redis.sock\nunixsocketperm 700\ndir %s/redis\n"
	         "databases 1024\nsave \"\"\nappendonly no\ndaemonize no\nlogfile \"\"\n"
	         "always-show-logo no\n",
	         tcp, dir, dir);
	return servers_text_pipe(text);
}

static int
redis_start(struct servers *servers, struct child *child, int log, struct berth_error *e)
{
	const char *const argv[] = { servers->programs->redis, "-", NULL };
	struct server_spec spec = {
		.argv = argv,
		.env = servers->env.vars,
		.user = &servers->user,
		.directory = servers->dir->path,
		.log = log,
		.death_signal = SIGKILL,
	};
	int result;

	servers->redis_port = servers->tcp ? servers_free_port() : 0;
	spec.input = config_pipe(servers);
	if (spec.input < 0)
		return berth_error_set(e, BERTH_UNAVAILABLE, "no pipe for Redis' settings");
	result = child_start_server(child, &spec, e);
	close(spec.input);
	return result;
}

/* NOAUTH is an answer too. */
static bool
redis_is_ready(struct servers *servers)
{
	char path[SOCKET_PATH_MAX + 1], answer[64];

	snprintf(path, sizeof path, "%s/redis/redis.sock", servers->dir->path);
	return ask(path, "PING\r\n", answer, sizeof answer, 1000)
	       && (strncmp(answer, "+PONG", 5) == 0 || strncmp(answer, "-NOAUTH", 7) == 0);
}

static bool
redis_mend(struct servers *servers, const char *log_tail)
{
	return servers->tcp && strstr(log_tail, "in use");
}

const struct server_kind redis_kind = {
	.name = "Redis",
	.log = "redis.log",
	.stop_signal = SIGKILL, /* it saves nothing */
	.stop_kept = SIGTERM,
	.start = redis_start,
	.is_ready = redis_is_ready,
	.mend = redis_mend,
};
