/* SPDX-License-Identifier: MIT */
/* A child and two pipes. */
#include "daemon/dump.h"

#include <event2/buffer.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/child.h"
#include "daemon/pg/target.h"

enum { ERRORS_MAX = 4096, NEWEST = 30 /* major version of PostgreSQL that is looked for */ };

struct stream {
	struct dump *dump;
	int fd;                /* -1 once the child has closed it */
	size_t most;
	struct evbuffer *text;
	struct event *event;
};

struct dump {
	struct event_base *base;
	struct child *child;
	struct stream output, errors;
	bool gone;             /* the child has ended */
	bool clean;            /* with status 0 */
	bool too_much;
	struct berth_error error;
	struct event *finish;
	char *program;
	size_t most;
	dump_done *done;
	void *arg;
};

/* ---- which program ---- */

static char *
find_installed(int major)
{
	static const char *const places[] = { "/usr/lib/postgresql/%d/bin/pg_dump", "/usr/pgsql-%d/bin/pg_dump" };
	char path[64];

	for (; major <= NEWEST; major++)
		for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(path, sizeof path, places[i], major);
#pragma GCC diagnostic pop
			if (access(path, X_OK) == 0)
				return strdup(path);
		}
	return NULL;
}

char *
dump_find(const char *program, int version)
{
	char *found = *program ? child_find(program) : find_installed(version / 10000);

	return found || *program ? found : child_find("pg_dump");
}

/* ---- what it says ---- */

static void
finish_soon(struct dump *dump)
{
	if (dump->gone && dump->output.fd < 0 && dump->errors.fd < 0)
		event_active(dump->finish, EV_TIMEOUT, 0);
}

static void
stream_close(struct stream *stream)
{
	if (stream->fd < 0)
		return;
	event_del(stream->event);
	close(stream->fd);
	stream->fd = -1;
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct stream *stream = arg;
	struct dump *dump = stream->dump;
	int got = evbuffer_read(stream->text, fd, 65536);

	if (got > 0 && evbuffer_get_length(stream->text) <= stream->most)
		return;
	if (got > 0) { /* more than anybody wants: of errors the beginning is enough */
		dump->too_much |= stream == &dump->output;
		if (dump->too_much)
			child_kill(dump->child);
		evbuffer_drain(stream->text, evbuffer_get_length(stream->text) - stream->most);
		return;
	}
	stream_close(stream);
	finish_soon(dump);
}

/* Returns the end for the child, or -1. */
static int
stream_open(struct stream *stream, struct dump *dump, size_t most)
{
	int fds[2];

	*stream = (struct stream){ .dump = dump, .fd = -1, .most = most, .text = evbuffer_new() };
	if (!stream->text)
		abort();
	if (pipe2(fds, O_CLOEXEC) < 0)
		return -1;
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	stream->fd = fds[0];
	stream->event = event_new(dump->base, fds[0], EV_READ | EV_PERSIST, on_readable, stream);
	if (!stream->event || event_add(stream->event, NULL) < 0)
		abort();
	return fds[1];
}

static void
stream_fini(struct stream *stream)
{
	stream_close(stream);
	if (stream->event)
		event_free(stream->event);
	if (stream->text)
		evbuffer_free(stream->text);
}

/* ---- the end ---- */

static char *
text_of(struct stream *stream)
{
	size_t len = evbuffer_get_length(stream->text);
	char *text = malloc(len + 1);

	if (!text)
		abort();
	evbuffer_remove(stream->text, text, len);
	text[len] = '\0';
	return text;
}

/* Its first complaint, in one line. */
static void
complain(struct dump *dump)
{
	char *said = text_of(&dump->errors);

	if (dump->error.code == BERTH_OK && dump->too_much)
		berth_error_set(&dump->error, BERTH_LIMIT, "the definitions are more than %zu bytes long", dump->most);
	else if (dump->error.code == BERTH_OK)
		berth_error_set(&dump->error, BERTH_PGERR, "%s failed: %.*s", dump->program,
		                (int)(strcspn(said, "\n") > 300 ? 300 : strcspn(said, "\n")), said);
	free(said);
}

static void
on_finish(evutil_socket_t fd, short what, void *arg)
{
	struct dump *dump = arg;
	bool good = dump->clean && !dump->too_much && dump->error.code == BERTH_OK;

	if (!good)
		complain(dump);
	dump->done(dump->arg, good ? text_of(&dump->output) : NULL, good ? NULL : &dump->error);
}

static void
on_gone(void *arg, const char *how)
{
	struct dump *dump = arg;

	dump->gone = true;
	dump->clean = strcmp(how, "exited 0") == 0;
	finish_soon(dump);
}

static void
spawn(struct dump *dump, const struct pg_target *target, const char *schema, const char *section)
{
	char only[128], part[32];
	const char *const argv[] = { dump->program, "--schema-only", "--no-owner", "--no-password",
		                       "--lock-wait-timeout=5000", part, only, NULL };
	struct child_config config = { .path = dump->program, .argv = argv, .input = "", .directory = "/" };

	snprintf(only, sizeof only, "--schema=\"%s\"", schema);
	snprintf(part, sizeof part, "--section=%s", section);
	config.output = stream_open(&dump->output, dump, dump->most);
	config.errors = stream_open(&dump->errors, dump, ERRORS_MAX);
	/* what a server or a role may have set otherwise */
	config.environment = pg_target_environment(target, "-c standard_conforming_strings=on -c quote_all_identifiers=off"
	                                                   " -c default_transaction_read_only=off");
	if (config.output > 0 && config.errors > 0)
		dump->child = child_new(dump->base, &config, on_gone, dump, &dump->error);
	for (char *const *at = config.environment; *at; at++) {
		explicit_bzero(*at, strlen(*at));
		free(*at);
	}
	free((void *)config.environment);
	if (config.output > 0)
		close(config.output);
	if (config.errors > 0)
		close(config.errors);
	if (!dump->child && dump->error.code == BERTH_OK)
		berth_error_set(&dump->error, BERTH_ERR, "no pipe for %s can be had", dump->program);
}

struct dump *
dump_start(struct event_base *base, const char *program, int version, const struct pg_target *target,
           const char *schema, const char *section, size_t most, dump_done *done, void *arg)
{
	struct dump *dump = calloc(1, sizeof *dump);

	if (!dump)
		abort();
	*dump = (struct dump){ .base = base, .most = most, .done = done, .arg = arg,
		               .program = dump_find(program, version) };
	dump->output.fd = dump->errors.fd = -1;
	dump->finish = event_new(base, -1, 0, on_finish, dump);
	if (!dump->finish)
		abort();
	if (dump->program)
		spawn(dump, target, schema, section);
	else
		berth_error_set(&dump->error, BERTH_ERR, "there is no pg_dump %d or later here, which templates need: "
		                "install PostgreSQL's client programs, or say where it is (setting pg_dump)",
		                version / 10000);
	if (!dump->child)
		event_active(dump->finish, EV_TIMEOUT, 0);
	return dump;
}

void
dump_free(struct dump *dump)
{
	if (!dump)
		return;
	child_free(dump->child);
	stream_fini(&dump->output);
	stream_fini(&dump->errors);
	event_free(dump->finish);
	free(dump->program);
	free(dump);
}
