/* SPDX-License-Identifier: MIT */
/*
 * A redis-server of its own for one lease: pub/sub, functions and FLUSHALL are isolated too.
 *
 * It listens on a loopback port and on a socket in a directory nobody can guess, asks for a
 * password, keeps nothing on disk, reads its configuration from stdin (arguments and files can be
 * read by others) and dies with this process. Started by root it runs as nobody: its user can make
 * it write files (CONFIG SET dir, SAVE).
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/base/child.h"
#include "daemon/base/log.h"
#include "daemon/base/random.h"
#include "daemon/redis/state.h"

enum { TRIES_MAX = 5, PING_MS = 2, PING_MAX_MS = 20, NOBODY = 65534, NAME_DIGITS = 16 };

struct private_redis {
	struct box *box;
	redis_claim_done *done; /* NULL once it was called */
	void *arg;
	struct child *child;
	struct conn *conn;      /* until it answers */
	struct event *deadline; /* for that; or the next turn, to say what is known already */
	struct redis_url url;
	char *directory; /* of this server alone */
	int tries;
	struct berth_error error;
};

/* Its files. The server may have left some: SAVE, or what else its user thought of. */
static void
remove_directory(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	while (directory && (entry = readdir(directory)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory)
		closedir(directory);
	rmdir(path);
}

/* An earlier life of this runner was killed together with its servers. */
void
redis_private_sweep(const struct redis *redis)
{
	DIR *all = opendir(redis->private_dir);
	size_t len = strlen(redis->runner);
	struct dirent *entry;
	char path[PATH_MAX];

	while (all && (entry = readdir(all))) {
		if (strncmp(entry->d_name, redis->runner, len) != 0 || entry->d_name[len] != '-')
			continue;
		snprintf(path, sizeof path, "%s/%s", redis->private_dir, entry->d_name);
		remove_directory(path);
	}
	if (all)
		closedir(all);
}

/* Who the server runs as when we are root; otherwise it runs as we do. */
static void
find_nobody(uid_t *uid, gid_t *gid)
{
	const struct passwd *nobody = geteuid() == 0 ? getpwnam("nobody") : NULL;

	*uid = nobody ? nobody->pw_uid : NOBODY;
	*gid = nobody ? nobody->pw_gid : NOBODY;
}

static int
make_directory(struct private_redis *private, struct berth_error *e)
{
	char name[SECRET_TEXT];
	uid_t uid;
	gid_t gid;

	random_secret(name);
	name[NAME_DIGITS] = '\0';
	if (asprintf(&private->directory, "%s/%s-%s", private->box->redis->private_dir, private->box->redis->runner, name) < 0)
		abort();
	if ((size_t)snprintf(private->url.socket, sizeof private->url.socket, "%s/s",
	                     private->directory)
	    >= sizeof private->url.socket)
		return berth_error_set(e, BERTH_REDISERR,
		                       "redis_private_dir %s is too long for a socket's path",
		                       private->box->redis->private_dir);
	find_nobody(&uid, &gid);
	/* Others may pass through, for the socket, but not look. */
	if (mkdir(private->directory, 0711) < 0 || chmod(private->directory, 0711) < 0
	    || (geteuid() == 0 && chown(private->directory, uid, gid) < 0))
		return berth_error_set(e, BERTH_REDISERR, "cannot make a directory in %s: %s",
		                       private->box->redis->private_dir, strerror(errno));
	return 0;
}

/* A loopback port that was free just now; 0 when there is none. */
static int
free_port(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0
	          && getsockname(fd, (struct sockaddr *)&address, &len) == 0;

	if (fd >= 0)
		close(fd);
	return ok ? ntohs(address.sin_port) : 0;
}

static void
configuration(const struct private_redis *private, char *out, size_t size)
{
	int len = snprintf(out, size,
	                   "bind 127.0.0.1\n"
	                   "port %d\n"
	                   "unixsocket \"%s\"\n"
	                   "unixsocketperm 777\n"
	                   "requirepass %s\n"
	                   "dir \"%s\"\n"
	                   "save \"\"\n"
	                   "appendonly no\n"
	                   "daemonize no\n"
	                   "maxclients 1000\n",
	                   private->url.port, private->url.socket, private->url.password,
	                   private->directory);

	if (len < 0 || (size_t)len >= size)
		abort(); /* the paths fit into sockaddr_un */
}

static void on_gone(void *arg, const char *how);
static void on_ready(void *arg);
static void on_lost(void *arg, const char *why);

static int
spawn(struct private_redis *private, const char *path, struct berth_error *e)
{
	const char *const argv[] = { path, "-", NULL };
	char input[1024];
	struct child_config config = {
		.path = path, .argv = argv, .input = input, .directory = private->directory
	};

	private->url.port = free_port();
	if (private->url.port == 0)
		return berth_error_set(e, BERTH_REDISERR, "no loopback port is free: %s",
		                       strerror(errno));
	configuration(private, input, sizeof input);
	find_nobody(&config.uid, &config.gid);
	private->child = child_new(private->box->redis->base, &config, on_gone, private, e);
	explicit_bzero(input, sizeof input);
	if (!private->child)
		e->code = BERTH_REDISERR;
	return private->child ? 0 : -1;
}

/* Asks over the socket, whose path is ours alone: on the port somebody else might answer. */
static void
wait_for_it(struct private_redis *private)
{
	static const struct conn_events events = { .ready = on_ready, .lost = on_lost };
	struct conn_config config = {
		.url = private->url,
		.deadline_ms = private->box->redis->deadline_ms,
		.retry_ms = PING_MS,
		.retry_max_ms = PING_MAX_MS,
	};

	private->conn = conn_new(private->box->redis->base, NULL, &config, &events, private);
	redis_timer_arm(private->deadline, private->box->redis->deadline_ms);
}

static int
start(struct private_redis *private, struct berth_error *e)
{
	const char *program = private->box->redis->binary;
	char *path = child_find(program);
	int status;

	if (!path)
		return berth_error_set(e, BERTH_REDISERR,
		                       "cannot find %s for a private Redis (redis_server)",
		                       program);
	status = spawn(private, path, e);
	free(path);
	if (status == 0)
		wait_for_it(private);
	return status;
}

static void
gone(struct private_redis *private)
{
	struct box *box = private->box;
	struct redis *redis = box->redis;

	redis_private_free(private);
	redis_box_free(box);
	redis_leave_look(redis);
}

/* Clients without support for sockets are many, so the URL is the port's. */
static void
fill_slot(struct private_redis *private)
{
	struct redis_slot *slot = &private->box->slot;
	struct redis_url url = private->url;

	strcpy(url.host, "127.0.0.1");
	url.socket[0] = '\0';
	redis_slot_fill(slot, &url);
	strcpy(slot->socket, private->url.socket);
	slot->mode = REDIS_PRIVATE;
	explicit_bzero(&url, sizeof url);
}

/* Says what became of it. On failure the box goes with it. */
static void
finish(struct private_redis *private)
{
	redis_claim_done *done = private->done;
	struct box *box = private->box;
	struct berth_error error = private->error;
	void *arg = private->arg;

	private->done = NULL;
	conn_free(private->conn);
	private->conn = NULL;
	evtimer_del(private->deadline);
	if (error.code == BERTH_OK) {
		fill_slot(private);
		redis_box_move(box, BOX_LIVE);
		done(arg, &box->slot, NULL);
		return;
	}
	gone(private);
	done(arg, NULL, &error);
}

static void
on_ready(void *arg)
{
	finish(arg);
}

static void
on_lost(void *arg, const char *why)
{
	/* Not there yet: the conn tries again until the deadline. */
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct private_redis *private = arg;

	if (private->box->state == BOX_ENDING) {
		gone(private);
		return;
	}
	if (private->error.code == BERTH_OK)
		berth_error_set(&private->error, BERTH_TIMEOUT,
		                "a private redis-server did not answer within %d ms",
		                private->box->redis->deadline_ms);
	finish(private);
}

/* It died before it answered: most likely somebody was faster with the port. */
static void
try_again(struct private_redis *private, const char *how)
{
	child_free(private->child);
	private->child = NULL;
	conn_free(private->conn);
	private->conn = NULL;
	if (++private->tries >= TRIES_MAX)
		berth_error_set(&private->error, BERTH_REDISERR,
		                "a private redis-server %s before it answered, %d times", how,
		                private->tries);
	if (private->error.code != BERTH_OK || start(private, &private->error) < 0)
		finish(private);
}

static void
on_gone(void *arg, const char *how)
{
	struct private_redis *private = arg;
	struct box *box = private->box;
	struct redis *redis = box->redis;
	char why[128];

	if (box->state == BOX_MAKING) {
		try_again(private, how);
	} else if (box->state == BOX_LIVE) {
		snprintf(why, sizeof why, "the private redis-server %s", how);
		log_warn("redis.lost", LOG_N("port", private->url.port), LOG_T("why", why));
		redis_box_move(box, BOX_LOST);
		redis->events.lost(redis->arg, &box->slot, why);
	} else if (box->state == BOX_ENDING) {
		gone(private);
	}
}

/* Rises, even if the clock is set back. */
static int64_t
next_fence(void)
{
	static int64_t last;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	int64_t us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
	last = us > last ? us : last + 1;
	return last;
}

void
redis_private_start(struct redis *redis, redis_claim_done *done, void *arg)
{
	struct private_redis *private = calloc(1, sizeof *private);

	assert(!redis->closing);
	if (!private)
		abort();
	*private = (struct private_redis){ .done = done, .arg = arg, .url.db = 0 };
	private->box = redis_box_new(redis, 0, next_fence(), "");
	private->box->private = private;
	private->deadline = evtimer_new(redis->base, on_deadline, private);
	if (!private->deadline)
		abort();
	random_secret(private->url.password);
	if (make_directory(private, &private->error) < 0 || start(private, &private->error) < 0)
		redis_timer_arm(private->deadline, 0);
}

void
redis_private_end(struct box *box)
{
	if (child_running(box->private->child))
		child_kill(box->private->child);
	else
		redis_timer_arm(box->private->deadline, 0);
}

void
redis_private_free(struct private_redis *private)
{
	struct berth_error e;

	if (!private)
		return;
	if (private->done) {
		berth_error_set(&e, BERTH_UNAVAILABLE, "berthd is stopping");
		private->done(private->arg, NULL, &e);
	}
	child_free(private->child);
	conn_free(private->conn);
	event_free(private->deadline);
	if (private->directory)
		remove_directory(private->directory);
	free(private->directory);
	explicit_bzero(private, sizeof *private);
	free(private);
}
