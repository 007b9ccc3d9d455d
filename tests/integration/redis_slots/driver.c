/* SPDX-License-Identifier: MIT */
/*
 * Drives daemon/redis/ by lines: a runner that tests can start, pause and kill.
 *
 *     driver URL RUNNER META GRACE_MS HEARTBEAT_MS DEADLINE_MS PRIVATE_DIR [SERVER]
 *
 * stdin:  claim TAG | index TAG | private TAG | end TAG | status | leave | quit
 * stdout: one JSON object a line, "event" first: up down claimed failed lost freed status left bad
 * A run of "end" is over when status says "ending": 0.
 */
#include <assert.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/log.h"
#include "daemon/base/resolve.h"
#include "daemon/redis/redis.h"

enum { HELD_MAX = 256, TAG_MAX = 64, LINE_MAX_BYTES = 256 };

static struct event_base *base;
static struct redis *redis;

static struct held {
	char tag[TAG_MAX];
	struct redis_slot *slot;
} held[HELD_MAX];

/* A claim under way. */
struct asked {
	char tag[TAG_MAX];
};

static struct held *
held_find(const char *tag)
{
	for (int i = 0; i < HELD_MAX; i++)
		if (held[i].slot && strcmp(held[i].tag, tag) == 0)
			return &held[i];
	return NULL;
}

static struct held *
held_new(const char *tag, struct redis_slot *slot)
{
	for (int i = 0; i < HELD_MAX; i++) {
		if (held[i].slot)
			continue;
		snprintf(held[i].tag, sizeof held[i].tag, "%s", tag);
		held[i].slot = slot;
		slot->owner = &held[i];
		return &held[i];
	}
	abort();
}

/* Messages hold no characters that JSON forbids, but for quotes and backslashes. */
static void
print_text(const char *key, const char *text)
{
	printf(", \"%s\": \"", key);
	for (const char *p = text; *p; p++)
		printf(*p == '"' || *p == '\\' ? "\\%c" : (unsigned char)*p < ' ' ? " " : "%c", *p);
	putchar('"');
}

static void
print_error(const struct berth_error *e)
{
	print_text("code", berth_error_name(e->code));
	print_text("message", e->message);
}

static void
on_up(void *arg)
{
	printf("{\"event\": \"up\", \"acl\": %d, \"leasable\": %d", redis_acl_allowed(redis),
	       redis_leasable(redis));
	print_text("version", redis_version(redis));
	puts("}");
}

static void
on_down(void *arg)
{
	struct berth_error e = { 0 };

	assert(!redis_up(redis, &e));
	printf("{\"event\": \"down\"");
	print_error(&e);
	puts("}");
}

static void
on_lost(void *arg, struct redis_slot *slot, const char *why)
{
	struct held *lost = slot->owner;

	printf("{\"event\": \"lost\", \"db\": %d, \"fence\": %" PRId64, slot->db, slot->fence);
	print_text("tag", lost->tag);
	print_text("why", why);
	puts("}");
}

static void
on_freed(void *arg)
{
	puts("{\"event\": \"freed\"}");
}

static void
on_claimed(void *arg, struct redis_slot *slot, const struct berth_error *e)
{
	struct asked *asked = arg;

	printf("{\"event\": \"%s\"", slot ? "claimed" : "failed");
	print_text("tag", asked->tag);
	if (slot) {
		held_new(asked->tag, slot);
		printf(", \"db\": %d, \"fence\": %" PRId64 ", \"port\": %d", slot->db, slot->fence,
		       slot->port);
		print_text("mode", redis_mode_word(slot->mode));
		print_text("user", slot->user);
		print_text("password", slot->password);
		print_text("host", slot->host);
		print_text("socket", slot->socket);
		print_text("url", slot->url);
	} else {
		print_error(e);
	}
	puts("}");
	free(asked);
}

static struct asked *
asked_new(const char *tag)
{
	struct asked *asked = calloc(1, sizeof *asked);

	if (!asked)
		abort();
	snprintf(asked->tag, sizeof asked->tag, "%s", tag);
	return asked;
}

static void
do_claim(const char *tag)
{
	redis_claim_start(redis, REDIS_ACL, on_claimed, asked_new(tag));
}

static void
do_index(const char *tag)
{
	redis_claim_start(redis, REDIS_INDEX, on_claimed, asked_new(tag));
}

static void
do_private(const char *tag)
{
	redis_private_start(redis, on_claimed, asked_new(tag));
}

static void
do_end(const char *tag)
{
	struct held *found = held_find(tag);

	if (found) {
		struct redis_slot *slot = found->slot;
		found->slot = NULL;
		redis_slot_end(redis, slot);
	} else {
		puts("{\"event\": \"bad\"}");
	}
}

static void
do_status(const char *tag)
{
	struct berth_error e = { 0 };
	bool up = redis_up(redis, &e);

	printf("{\"event\": \"status\", \"up\": %d, \"ending\": %d", up, redis_ending(redis));
	print_error(&e);
	puts("}");
}

static void
on_left(void *arg)
{
	puts("{\"event\": \"left\"}");
}

static void
do_leave(const char *tag)
{
	redis_leave_start(redis, on_left, NULL);
}

static void
do_quit(const char *tag)
{
	event_base_loopbreak(base);
}

static const struct {
	const char *word;
	void (*run)(const char *tag);
} commands[] = {
	{ "claim", do_claim }, { "index", do_index }, { "private", do_private },
	{ "end", do_end },     { "leave", do_leave }, { "status", do_status },
	{ "quit", do_quit },
};

static void
run_line(char *line)
{
	char *rest;
	char *word = strtok_r(line, " \n", &rest);
	char *tag = strtok_r(NULL, " \n", &rest);

	for (size_t i = 0; word && i < sizeof commands / sizeof *commands; i++)
		if (strcmp(word, commands[i].word) == 0)
			commands[i].run(tag ? tag : "");
}

static void
on_input(evutil_socket_t fd, short what, void *arg)
{
	static char input[4096];
	static size_t len;
	ssize_t got = read(fd, input + len, sizeof input - len - 1);
	char *end;

	if (got <= 0) {
		event_base_loopbreak(base);
		return;
	}
	len += (size_t)got;
	input[len] = '\0';
	while ((end = strchr(input, '\n'))) {
		*end = '\0';
		run_line(input);
		len -= (size_t)(end + 1 - input);
		memmove(input, end + 1, len + 1);
	}
}

int
main(int argc, char **argv)
{
	static const struct redis_events events = { on_up, on_down, on_lost, on_freed };

	if (argc < 8)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_LEVEL_DEBUG);
	base = event_base_new();
	struct evdns_base *dns = resolve_base_new(base);
	struct redis_config config = {
		.url = argv[1],
		.runner = argv[2],
		.meta_db = atoi(argv[3]),
		.grace_ms = atoi(argv[4]),
		.heartbeat_ms = atoi(argv[5]),
		.deadline_ms = atoi(argv[6]),
		.private_dir = argv[7],
		.server = argc > 8 ? argv[8] : "redis-server",
	};
	redis = redis_new(base, dns, &config, &events, NULL);
	struct event *input = event_new(base, 0, EV_READ | EV_PERSIST, on_input, NULL);
	event_add(input, NULL);
	event_base_dispatch(base);
	event_free(input);
	redis_free(redis);
	resolve_base_free(dns);
	event_base_loop(base, EVLOOP_NONBLOCK); /* a look-up that was cancelled ends in the loop */
	event_base_free(base);
	return 0;
}
