/* SPDX-License-Identifier: MIT */
/* A client that times berthd, or the bare echo, as a plan says; prints each duration as JSON. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/bench/exchange.h"

struct samples {
	int64_t *ns;
	size_t count, room;
};

struct connection {
	int fd, worker;
	struct exchange x;
};

static struct target target = { .run = "bench" };
static struct samples samples[EXCHANGE_KINDS];
static struct exchange x;
static int64_t span, stamp;
static double seconds = 1;

static void
keep(enum exchange_kind kind, int64_t ns)
{
	struct samples *to = &samples[kind];

	if (to->count == to->room) {
		to->room = to->room ? 2 * to->room : 4096;
		to->ns = realloc(to->ns, to->room * sizeof *to->ns);
		if (!to->ns)
			die("out of memory");
	}
	to->ns[to->count++] = ns;
}

static void
once(int fd, enum exchange_kind kind, int worker)
{
	keep(kind, exchange_run(&x, &target, fd, kind, worker));
	stamp = x.answered;
}

static void
rest(int ms)
{
	nanosleep(&(struct timespec){ .tv_nsec = ms * 1000000L }, NULL);
}

/* ---- one connection ---- */

static void
plan_ping(int count)
{
	int fd = target_connect(&target);

	for (int i = 0; i < count; i++)
		once(fd, EXCHANGE_PING, i);
}

static void
plan_pairs(int count)
{
	int fd = target_connect(&target);

	for (int i = 0; i < count; i++) {
		once(fd, EXCHANGE_ACQUIRE, i);
		once(fd, EXCHANGE_RELEASE, i);
	}
}

static bool
says(const char *word)
{
	return memmem(x.reply, x.reply_len, word, strlen(word));
}

static bool
is_idle(void)
{
	return says("schema_building:0\r") && says("schema_dropping:0\r")
	       && says("pg_queued_flows:0\r")
	       && (says("redis_ending:0\r") || !says("redis_ending:"));
}

/* Until berthd neither builds nor drops anything, then a moment more; likewise before an echo. */
static void
settle(int fd)
{
	do {
		rest(1);
		exchange_run(&x, &target, fd, target.echo ? EXCHANGE_PING : EXCHANGE_INFO, 0);
	} while (!target.echo && !is_idle());
	rest(2);
}

static void
plan_quiet(int count)
{
	int fd = target_connect(&target);

	for (int i = 0; i < count; i++) {
		settle(fd);
		once(fd, EXCHANGE_ACQUIRE, i);
		settle(fd);
		once(fd, EXCHANGE_RELEASE, i);
	}
}

/* Tells whoever started us that all is held, and waits until told to go on. */
static void
park(void)
{
	printf("held %lld\n", (long long)stamp);
	fflush(stdout);
	if (getchar() == EOF)
		exit(0);
}

static void
plan_hold(int count)
{
	int fd = target_connect(&target);

	for (int i = 0; i < count; i++)
		once(fd, EXCHANGE_ACQUIRE, i);
	park();
	for (int i = 0; i < count; i++)
		once(fd, EXCHANGE_RELEASE, i);
}

/* ---- many connections ---- */

static struct connection *
connect_all(int count)
{
	struct connection *connections = calloc((size_t)count, sizeof *connections);

	if (!connections)
		die("out of memory");
	for (int i = 0; i < count; i++) {
		connections[i].worker = i;
		connections[i].fd = target_connect(&target);
	}
	return connections;
}

static void
plan_turns(int count)
{
	struct connection *connections = connect_all(count);

	for (int i = 0; i < count; i++)
		once(connections[i].fd, EXCHANGE_ACQUIRE, i);
	park();
	for (int i = 0; i < count; i++)
		once(connections[i].fd, EXCHANGE_RELEASE, i);
	free(connections);
}

static int
watch_all(struct connection *connections, int count)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	for (int i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &connections[i] };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) < 0)
			die("epoll_ctl: %s", strerror(errno));
	}
	return epoll;
}

static void
ask(struct connection *connection, enum exchange_kind kind)
{
	exchange_prepare(&connection->x, &target, kind, connection->worker);
	exchange_send(&connection->x, connection->fd);
}

/* Waits for replies; `on_reply` says whether that connection is done. */
static void
gather(int epoll, int count, bool (*on_reply)(struct connection *connection))
{
	struct epoll_event events[64];

	while (count > 0) {
		int ready = epoll_wait(epoll, events, 64, 60000);

		if (ready == 0)
			die("nothing was answered for a minute");
		for (int i = 0; i < ready; i++) {
			struct connection *connection = events[i].data.ptr;

			if (exchange_receive(&connection->x, connection->fd))
				count -= on_reply(connection);
		}
	}
}

static bool
keep_reply(struct connection *connection)
{
	stamp = connection->x.answered;
	keep(connection->x.kind, connection->x.answered - connection->x.sent);
	return true;
}

static void
all_at_once(struct connection *connections, int count, int epoll, enum exchange_kind kind)
{
	for (int i = 0; i < count; i++)
		exchange_prepare(&connections[i].x, &target, kind, i);
	for (int i = 0; i < count; i++)
		exchange_send(&connections[i].x, connections[i].fd);
	gather(epoll, count, keep_reply);
	for (int i = 0; i < count; i++)
		exchange_check(&connections[i].x, &target);
}

static void
plan_crowd(int count)
{
	struct connection *connections = connect_all(count);
	int epoll = watch_all(connections, count);

	all_at_once(connections, count, epoll, EXCHANGE_ACQUIRE);
	span = stamp - connections[0].x.sent;
	park();
	all_at_once(connections, count, epoll, EXCHANGE_RELEASE);
	free(connections);
}

static int64_t deadline;

static bool
next_in_loop(struct connection *connection)
{
	bool acquired = connection->x.kind == EXCHANGE_ACQUIRE;

	keep_reply(connection);
	exchange_check(&connection->x, &target);
	if (acquired)
		ask(connection, EXCHANGE_RELEASE);
	else if (connection->x.answered < deadline)
		ask(connection, EXCHANGE_ACQUIRE);
	else
		return true;
	return false;
}

static void
plan_loop(int count)
{
	struct connection *connections = connect_all(count);
	int epoll = watch_all(connections, count);
	int64_t began = now_ns();

	deadline = began + (int64_t)(seconds * 1e9);
	for (int i = 0; i < count; i++)
		ask(&connections[i], EXCHANGE_ACQUIRE);
	gather(epoll, count, next_in_loop);
	span = stamp - began;
	free(connections);
}

/* ---- */

/* clang-format off */
static const struct {
	const char *name;
	void (*run)(int count);
	const char *help;
} plans[] = {
	{ "ping",  plan_ping,  "N times PING" },
	{ "pairs", plan_pairs, "N times ACQUIRE and RELEASE, back to back" },
	{ "quiet", plan_quiet, "the same, each when berthd has nothing else to do" },
	{ "hold",  plan_hold,  "N ACQUIREs, a line on stdout, one awaited on stdin, N RELEASEs" },
	{ "turns", plan_turns, "hold, each lease on a connection of its own, one after another" },
	{ "crowd", plan_crowd, "hold, each lease on a connection of its own, all at once" },
	{ "loop",  plan_loop,  "N connections, each ACQUIRE and RELEASE again and again" },
};
/* clang-format on */
enum { PLANS = sizeof plans / sizeof *plans };

static const char *const names[EXCHANGE_KINDS] = { "ping", "acquire", "release", "info" };

static void
print_samples(void)
{
	printf("{\"span_ns\": %lld, \"stamp_ns\": %lld", (long long)span, (long long)stamp);
	for (int kind = 0; kind < EXCHANGE_INFO; kind++) {
		printf(", \"%s\": {\"bytes\": [%zu, %zu], \"ns\": [", names[kind],
		       target.bytes[kind].request, target.bytes[kind].reply);
		for (size_t i = 0; i < samples[kind].count; i++)
			printf("%s%lld", i ? ", " : "", (long long)samples[kind].ns[i]);
		printf("]}");
	}
	puts("}");
}

static void
usage(void)
{
	fputs("usage: probe [OPTION…] SOCKET PLAN N\n"
	      "  --run ID  --redis LEVEL  --wait MS  --detach   what ACQUIRE asks for\n"
	      "  --seconds S                                    how long a loop lasts\n"
	      "  --echo KIND:REQUEST:REPLY[,…]                  the other end is an echo of so many bytes\n",
	      stderr);
	for (int i = 0; i < PLANS; i++)
		fprintf(stderr, "  %-6s %s\n", plans[i].name, plans[i].help);
	exit(2);
}

static void
read_echo(char *text)
{
	char *state, name[16];
	size_t request, reply;

	target.echo = true;
	for (char *one = strtok_r(text, ",", &state); one; one = strtok_r(NULL, ",", &state)) {
		if (sscanf(one, "%15[a-z]:%zu:%zu", name, &request, &reply) != 3)
			usage();
		for (int kind = 0; kind < EXCHANGE_KINDS; kind++) {
			if (strcmp(names[kind], name) != 0)
				continue;
			target.bytes[kind].request = request;
			target.bytes[kind].reply = reply;
		}
	}
}

static void
read_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "run", required_argument, NULL, 'r' },
		{ "redis", required_argument, NULL, 'd' },
		{ "wait", required_argument, NULL, 'w' },
		{ "detach", no_argument, NULL, 'x' },
		{ "seconds", required_argument, NULL, 's' },
		{ "echo", required_argument, NULL, 'e' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'r': target.run = optarg; break;
		case 'd': target.redis = optarg; break;
		case 'w': target.wait_ms = optarg; break;
		case 'x': target.detach = true; break;
		case 's': seconds = atof(optarg); break;
		case 'e': read_echo(optarg); break;
		default: usage();
		}
	}
}

int
main(int argc, char **argv)
{
	struct rlimit files;

	read_options(argc, argv);
	if (argc - optind != 3 || atoi(argv[optind + 2]) < 1)
		usage();
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	target.socket = argv[optind];
	for (int i = 0; i < PLANS; i++) {
		if (strcmp(plans[i].name, argv[optind + 1]) != 0)
			continue;
		plans[i].run(atoi(argv[optind + 2]));
		print_samples();
		return 0;
	}
	usage();
}
