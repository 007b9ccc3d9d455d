/* SPDX-License-Identifier: MIT */
/* The three servers of a run, as one. */
#include "client/cli/run/servers.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/cli/run/datadir.h"
#include "client/cli/run/processes.h"
#include "client/cli/run/tree.h"

enum {
	START_MS = 60 * 1000,
	STOP_MS = 2000,           /* of an immediate end; then they are killed */
	STOP_KEPT_MS = 30 * 1000, /* of an orderly one */
	KILL_MS = 5000,
	POLL_MS = 1,
	ATTEMPTS = 5,
	TAIL = 380,       /* bytes of a log that go into an error's message */
	LONG_TAIL = 1500, /* likewise on stderr */
};

static void
password_make(char text[PASSWORD_TEXT])
{
	unsigned char bytes[(PASSWORD_TEXT - 1) / 2];

	if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
		abort();
	for (size_t i = 0; i < sizeof bytes; i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

void
servers_init(struct servers *servers, struct watch *watch, const struct rundir *dir,
             const struct programs *programs, const struct user *user, bool tcp)
{
	*servers = (struct servers){
		.watch = watch, .dir = dir, .programs = programs, .user = *user, .tcp = tcp,
		.cache = { .dir = -1, .lock = -1 },
		.server = {
			[SERVER_POSTGRES] = { .kind = &postgres_kind },
			[SERVER_REDIS] = { .kind = &redis_kind },
			[SERVER_BERTHD] = { .kind = &berthd_kind },
		},
	};
	password_make(servers->pg_password);
	password_make(servers->redis_password);
	env_keep(&servers->env, "PATH");
	env_keep(&servers->env, "LD_LIBRARY_PATH");
	env_set(&servers->env, "HOME", "%s", dir->path);
	env_set(&servers->env, "LC_ALL", "C");
	env_set(&servers->env, "TZ", "UTC");
}

const char *
servers_socket(const struct servers *servers)
{
	static char path[RUNDIR_PATH_MAX + 16];

	snprintf(path, sizeof path, "%s/berth.sock", servers->dir->path);
	return path;
}

size_t
servers_pids(const struct servers *servers, pid_t pids[SERVERS])
{
	size_t count = 0;

	for (int i = 0; i < SERVERS; i++)
		if (servers->server[i].child.running)
			pids[count++] = servers->server[i].child.pid;
	return count;
}

int
servers_free_port(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
		                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof addr;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int port = 0;

	if (fd >= 0 && bind(fd, (struct sockaddr *)&addr, len) == 0
	    && getsockname(fd, (struct sockaddr *)&addr, &len) == 0)
		port = ntohs(addr.sin_port);
	if (fd >= 0)
		close(fd);
	return port;
}

int
servers_text_pipe(const char *text)
{
	int ends[2];
	ssize_t len = (ssize_t)strlen(text);

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	if (write(ends[1], text, (size_t)len) != len) {
		close(ends[0]);
		ends[0] = -1;
	}
	close(ends[1]);
	return ends[0];
}

static int
open_log(const struct servers *servers, const char *name)
{
	return openat(servers->dir->fd, name,
	              O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

/* The last `most` bytes of a log, from the beginning of a line. Borrowed until the next call. */
static const char *
log_tail(const struct servers *servers, const char *name, off_t most)
{
	static char text[LONG_TAIL + 1];
	int fd = openat(servers->dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st = { 0 };
	ssize_t len = 0;
	char *line = NULL;

	if (fd >= 0 && fstat(fd, &st) == 0)
		len = pread(fd, text, (size_t)most, st.st_size > most ? st.st_size - most : 0);
	if (fd >= 0)
		close(fd);
	while (len > 0 && text[len - 1] == '\n')
		len--;
	text[len > 0 ? len : 0] = '\0';
	if (st.st_size > most)
		line = strchr(text, '\n');
	return line ? line + 1 : text;
}

int
servers_run_tool(struct servers *servers, const char *const *argv, const char *input,
                 const char *log, struct berth_error *e)
{
	struct server_spec spec = {
		.argv = argv,
		.env = servers->env.vars,
		.user = &servers->user,
		.directory = servers->dir->path,
		.input = input ? servers_text_pipe(input) : -1,
		.log = open_log(servers, log),
		.death_signal = SIGTERM,
	};
	struct child child;
	int result = child_start_server(&child, &spec, e);

	close(spec.log);
	if (spec.input >= 0)
		close(spec.input);
	if (result < 0)
		return -1;
	watch_add(servers->watch, &child);
	if (watch_child(servers->watch, &child) == 0)
		return 0;
	if (!child.running)
		return berth_error_set(e, BERTH_UNAVAILABLE, "%s failed: %s\n%s", argv[0],
		                       child_ending(&child), log_tail(servers, log, TAIL));
	watch_forget(servers->watch, &child);
	return berth_error_set(e, BERTH_UNAVAILABLE, "interrupted");
}

static int
start_one(struct servers *servers, struct server *server, struct berth_error *e)
{
	int log = open_log(servers, server->kind->log);
	int result = server->kind->start(servers, &server->child, log, e);

	close(log);
	if (result == 0)
		watch_add(servers->watch, &server->child);
	return result;
}

/* Waits until it is ready. 1 when it is, 0 when it ended instead, -1 with an error. */
static int
await_one(struct servers *servers, struct server *server, struct berth_error *e)
{
	int64_t deadline = now_us() + (int64_t)START_MS * 1000;

	while (!server->kind->is_ready(servers)) {
		if (!server->child.running)
			return 0;
		if (servers->watch->ending)
			return berth_error_set(e, BERTH_UNAVAILABLE, "interrupted");
		if (now_us() > deadline)
			return berth_error_set(
				e, BERTH_UNAVAILABLE,
				"%s is not ready after %d s; the end of its log:\n%s",
				server->kind->name, START_MS / 1000,
				log_tail(servers, server->kind->log, TAIL));
		watch_wait(servers->watch, POLL_MS);
	}
	return 1;
}

/* Sees a started server through until it is ready, starting it again when that may help. */
static int
bring_up(struct servers *servers, struct server *server, struct berth_error *e)
{
	const struct server_kind *kind = server->kind;
	int ready;

	for (int attempt = 1; (ready = await_one(servers, server, e)) == 0; attempt++) {
		const char *tail = log_tail(servers, kind->log, TAIL);

		if (attempt == ATTEMPTS || !kind->mend || !kind->mend(servers, tail))
			return berth_error_set(e, BERTH_UNAVAILABLE,
			                       "%s did not start (%s); the end of its log:\n%s",
			                       kind->name, child_ending(&server->child),
			                       log_tail(servers, kind->log, TAIL));
		if (start_one(servers, server, e) < 0)
			return -1;
	}
	return ready < 0 ? -1 : kind->settle ? kind->settle(servers, e) : 0;
}

static int
make_directories(struct servers *servers, struct berth_error *e)
{
	static const char *const names[] = { "pg", "redis" };

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int fd = tree_mkdir(servers->dir->fd, names[i], &servers->user, e);

		if (fd < 0)
			return -1;
		close(fd);
	}
	return 0;
}

/* berthd last: it would only wait for the others, with growing pauses. */
int
servers_start(struct servers *servers, struct berth_error *e)
{
	struct server *pg = &servers->server[SERVER_POSTGRES],
		      *redis = &servers->server[SERVER_REDIS];
	struct server *berthd = &servers->server[SERVER_BERTHD];
	struct progress *progress = &servers->watch->progress;

	cache_open(&servers->cache, servers->programs->postgres, servers->watch);
	if (make_directories(servers, e) < 0 || start_one(servers, redis, e) < 0
	    || datadir_make(servers, e) < 0)
		return -1;
	progress_stage(progress, "starting PostgreSQL and Redis");
	if (start_one(servers, pg, e) < 0 || bring_up(servers, redis, e) < 0
	    || bring_up(servers, pg, e) < 0)
		return -1;
	progress_stage(progress, "starting berthd");
	if (start_one(servers, berthd, e) < 0 || bring_up(servers, berthd, e) < 0)
		return -1;
	progress_stage(progress, NULL);
	return 0;
}

static void
signal_all(struct servers *servers)
{
	for (int i = 0; i < SERVERS; i++) {
		const struct server_kind *kind = servers->server[i].kind;

		child_signal(&servers->server[i].child,
		             servers->dir->keep ? kind->stop_kept : kind->stop_signal);
	}
}

/* Whatever is still below us now: stragglers, and what berthd had started. */
static void
kill_rest(struct servers *servers)
{
	int64_t deadline = now_us() + KILL_MS * 1000;

	while (processes_signal(getpid(), NULL, 0, 0, SIGKILL) > 0 && now_us() < deadline)
		watch_wait(servers->watch, POLL_MS);
}

void
servers_stop(struct servers *servers)
{
	const struct child *children[SERVERS];

	for (int i = 0; i < SERVERS; i++) {
		children[i] = &servers->server[i].child;
		servers->server[i].told = true;
	}
	signal_all(servers);
	watch_gone(servers->watch, children, SERVERS, servers->dir->keep ? STOP_KEPT_MS : STOP_MS);
	kill_rest(servers);
	cache_close(&servers->cache);
	env_fini(&servers->env);
}

void
servers_report(struct servers *servers)
{
	for (int i = 0; i < SERVERS; i++) {
		struct server *server = &servers->server[i];

		if (server->child.running || server->told)
			continue;
		server->told = true;
		say("%s ended while the command was running (%s); the end of its log:\n%s",
		    server->kind->name, child_ending(&server->child),
		    log_tail(servers, server->kind->log, LONG_TAIL));
	}
}
