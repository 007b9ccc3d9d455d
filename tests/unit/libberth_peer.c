/* SPDX-License-Identifier: MIT */
/* The helpers of libberth_peer.h. */
#include "tests/unit/libberth_peer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto/request.h"
#include "tests/unit/unit.h"

const struct peer_field peer_lease[PEER_LEASE_FIELDS] = {
	{ "lease", "3fa9c1-17" },
	{ "run", "r1" },
	{ "worker", "gw0" },
	{ "state", "held" },
	{ "position", "0" },
	{ "kind", "schema" },
	{ "template", NULL },
	{ "builder", NULL },
	{ "schema", "test_3fa9c1_17" },
	{ "role", "test_3fa9c1_17" },
	{ "dsn", "postgresql://test_3fa9c1_17:pw@127.0.0.1:5432/app" },
	{ "host", "127.0.0.1" },
	{ "port", "5432" },
	{ "dbname", "app" },
	{ "user", "test_3fa9c1_17" },
	{ "password", "pw" },
	{ "options", NULL },
	{ "redis", "acl" },
	{ "redis_url", "redis://u:rpw@127.0.0.1:6379/3" },
	{ "redis_host", "127.0.0.1" },
	{ "redis_port", "6379" },
	{ "redis_socket", NULL },
	{ "redis_db", "3" },
	{ "redis_user", "u" },
	{ "redis_password", "rpw" },
	{ "fence", "41" },
	{ "expires_ms", "86400000" },
	{ "why", NULL },
};

static void
put(void *sink, const void *data, size_t len)
{
	const struct peer *p = sink;

	assert_int_equal(send(p->fd, data, len, MSG_NOSIGNAL), len);
}

static void
collect(void *sink, const void *data, size_t len)
{
	struct peer *p = sink;

	assert_true(p->map_len + len <= sizeof p->map);
	memcpy(p->map + p->map_len, data, len);
	p->map_len += len;
}

static void
map_start(struct peer *p)
{
	p->map_len = 0;
	p->reply.put = collect;
	reply_map(&p->reply, PEER_LEASE_FIELDS);
}

static void
map_end(struct peer *p)
{
	p->reply.put = put;
	put(p, p->map, p->map_len);
}

void
peer_open(struct peer *p)
{
	struct berth_error e;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	p->fd = fds[1];
	p->reply = (struct reply){ .resp = 2, .put = put, .sink = p };
	assert_int_equal(libberth_client_new(fds[0], "/a/socket", &p->client, &e), 0);
}

void
peer_hang_up(struct peer *p)
{
	close(p->fd);
	p->fd = -1;
}

void
peer_close(struct peer *p)
{
	berth_close(p->client);
	if (p->fd >= 0)
		peer_hang_up(p);
}

void
peer_say(struct peer *p, const char *bytes)
{
	put(p, bytes, strlen(bytes));
}

static void
hear_word(const struct request_arg *arg, char **wanted, const char *all)
{
	char *word = strsep(wanted, " ");

	if (!word)
		fail_msg("more than '%s' was asked: '%.*s'", all, (int)arg->len, arg->ptr);
	if (strcmp(word, "?") == 0)
		return;
	if (strlen(word) != arg->len || memcmp(word, arg->ptr, arg->len) != 0)
		fail_msg("of '%s', '%s' was asked as '%.*s'", all, word, (int)arg->len, arg->ptr);
}

static void
hear_request(const struct request *request, char *wanted, const char *all)
{
	if (!wanted)
		fail_msg("more requests than '%s'", all);
	for (int i = 0; i < request->argc; i++)
		hear_word(&request->argv[i], &wanted, all);
	if (wanted)
		fail_msg("of '%s', '%s' was not asked", all, wanted);
}

void
peer_heard(struct peer *p, const char *requests)
{
	char buf[65536], *copy = strdup(requests), *rest = copy;
	ssize_t len = recv(p->fd, buf, sizeof buf, MSG_DONTWAIT);
	struct request_parser parser = { 0 };
	struct request request;
	struct berth_error e;
	size_t used = 0, at = 0;

	while (len > 0
	       && request_parse(&parser, buf + at, len - at, &request, &used, &e)
	                  == REQUEST_READY) {
		hear_request(&request, strsep(&rest, "|"), requests);
		at += used;
	}
	if (rest && *rest)
		fail_msg("of '%s', '%s' was not asked", requests, rest);
	assert_int_equal(at, len < 0 ? 0 : len);
	free(copy);
}

static void
say_field(struct peer *p, const struct peer_field *field)
{
	char *end = NULL;
	long long number = field->value ? strtoll(field->value, &end, 10) : 0;

	if (field->value && *field->value && !*end)
		reply_field_int(&p->reply, field->name, number);
	else
		reply_field_text(&p->reply, field->name, field->value);
}

void
peer_say_lease(struct peer *p, const struct peer_field *changed)
{
	map_start(p);
	for (int i = 0; i < PEER_LEASE_FIELDS; i++) {
		bool same = !changed || strcmp(changed->name, peer_lease[i].name) != 0;

		say_field(p, same ? &peer_lease[i] : changed);
	}
	map_end(p);
}

void
peer_say_lease_without(struct peer *p, const char *name)
{
	map_start(p);
	for (int i = 0; i < PEER_LEASE_FIELDS; i++) {
		bool same = strcmp(name, peer_lease[i].name) != 0;

		say_field(p, same ? &peer_lease[i] : &(struct peer_field){ "unheard_of", "7" });
	}
	map_end(p);
}

void
peer_say_builder(struct peer *p, const char *key)
{
	map_start(p);
	for (int i = 0; i < PEER_LEASE_FIELDS; i++) {
		struct peer_field field = peer_lease[i];

		if (strcmp(field.name, "state") == 0)
			field.value = "building";
		if (strcmp(field.name, "template") == 0)
			field.value = key;
		say_field(p, &field);
	}
	map_end(p);
}

void
peer_say_queued(struct peer *p, int position, const char *why)
{
	char number[12];
	const struct peer_field known[] = {
		{ "lease", "3fa9c1-17" }, { "run", "r1" },        { "worker", "gw0" },
		{ "state", "queued" },    { "position", number }, { "kind", "schema" },
	};
	enum { KNOWN = sizeof known / sizeof *known };

	snprintf(number, sizeof number, "%d", position);
	map_start(p);
	for (int i = 0; i < KNOWN; i++)
		say_field(p, &known[i]);
	for (int i = KNOWN; i < PEER_LEASE_FIELDS - 1; i++)
		say_field(p, &(struct peer_field){ peer_lease[i].name, NULL });
	say_field(p, &(struct peer_field){ "why", why });
	map_end(p);
}
