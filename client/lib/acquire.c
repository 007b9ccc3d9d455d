/* SPDX-License-Identifier: MIT */
/* Acquiring a lease, and waiting until it is there in slices that daemon and person can bear. */
#include "client/lib/client.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
	WORDS_MAX = 20,       /* ACQUIRE with everything */
	SLICE_MS = 60000,     /* one WAIT; longer waits are several */
	PROGRESS_MS = 500,    /* one WAIT when somebody wants to see progress */
	UNAVAILABLE_MS = 200, /* between two tries while a server is away */
};

/* A wait in slices: what is asked each time, until there is a lease or the time is over. */
struct waiting {
	int argc; /* of ACQUIRE, without WAIT */
	const char *argv[WORDS_MAX];
	const char *id;   /* when the lease is known: ask LEASE instead */
	int64_t deadline; /* INT64_MAX: never */
	bool slices;      /* false: ask once, without WAIT */
	int64_t lost;     /* since when there is no daemon; 0: there is one */
	int (*progress)(void *arg, int position, const char *why);
	void *progress_arg;
};

static int64_t
deadline_in(long long wait_ms)
{
	int64_t at;

	if (wait_ms < 0 || __builtin_add_overflow(libberth_now_ms(), wait_ms, &at))
		return INT64_MAX;
	return at;
}

static long long
slice(const struct waiting *w)
{
	long long most = w->progress ? PROGRESS_MS : SLICE_MS;
	long long left = w->deadline - libberth_now_ms();

	return left < 0 ? 0 : left < most ? left : most;
}

static int
ask_slice(struct berth_client *c, const struct waiting *w, struct berth_lease **ret,
          struct berth_error *e)
{
	long long wait_ms = w->slices ? slice(w) : 0;
	const char *words[WORDS_MAX + 2] = { "LEASE", w->id };
	int argc = 2;
	char number[24];

	if (!w->id) {
		memcpy(words, w->argv, sizeof w->argv);
		argc = w->argc;
	}
	snprintf(number, sizeof number, "%lld", wait_ms);
	if (wait_ms > 0) {
		words[argc++] = "WAIT";
		words[argc++] = number;
	}
	return libberth_ask_lease(c, wait_ms, argc, words, ret, e);
}

/* Whether to ask again: there is time left and nobody said stop. */
static bool
goes_on(const struct waiting *w, int position, const char *why)
{
	if (!w->slices || libberth_now_ms() >= w->deadline)
		return false;
	return !w->progress || w->progress(w->progress_arg, position, why) == 0;
}

/* A server that is away is worth another ACQUIRE while there is time; so is a daemon that is restarted. */
static bool
is_away(struct berth_client *c, struct waiting *w, struct berth_error *e)
{
	if (e->code != BERTH_UNAVAILABLE)
		return false;
	if (!berth_connected(c) && w->slices && libberth_connect(c, e) < 0) {
		w->lost = w->lost ? w->lost : libberth_now_ms();
		return libberth_now_ms() - w->lost < c->timeout_ms;
	}
	w->lost = 0;
	return berth_connected(c);
}

static bool
is_there(const struct berth_lease *lease)
{
	return lease->state == BERTH_STATE_HELD || berth_lease_builds(lease);
}

static int
wait_until_there(struct berth_client *c, struct waiting *w, struct berth_lease **ret,
                 struct berth_error *e)
{
	const char *id = w->id;
	struct berth_lease *lease = NULL;
	struct berth_error error;

	for (;;) {
		struct berth_lease *now = NULL;

		if (ask_slice(c, w, &now, &error) == 0) {
			berth_lease_free(lease);
			lease = now;
			w->id = lease->lease;
			if (is_there(lease) || !goes_on(w, lease->position, lease->why))
				break;
			continue;
		}
		berth_lease_free(lease);
		lease = NULL;
		w->id = id;
		if (!is_away(c, w, &error) || !goes_on(w, 0, error.message)) {
			if (e)
				*e = error;
			return -1;
		}
		poll(NULL, 0, UNAVAILABLE_MS);
	}
	*ret = lease;
	return 0;
}

/* What is asked for on this connection is kept alive by it. */
static int
wait_and_hold(struct berth_client *c, struct waiting *w, struct berth_lease **ret,
              struct berth_error *e)
{
	struct berth_lease *lease;

	if (wait_until_there(c, w, &lease, e) < 0)
		return -1;
	if (libberth_hold(c, lease, e) < 0) {
		berth_lease_free(lease);
		return -1;
	}
	*ret = lease;
	return 0;
}

int
berth_lease_get(struct berth_client *c, const char *id, long long wait_ms, struct berth_lease **ret,
                struct berth_error *e)
{
	struct waiting w = { .id = id, .deadline = deadline_in(wait_ms), .slices = wait_ms != 0 };

	if (wait_until_there(c, &w, ret, e) < 0)
		return -1;
	libberth_renew_fence(c, *ret);
	return 0;
}

/* The caller's options in today's form, whatever version it was compiled against. */
static struct berth_options
options_of(const struct berth_options *given)
{
	struct berth_options options = BERTH_OPTIONS_INIT;
	size_t first = offsetof(struct berth_options, progress_arg) + sizeof(void *);
	size_t size = !given ? 0 : given->size ? given->size : first;

	if (given)
		memcpy(&options, given, size < sizeof options ? size : sizeof options);
	return options;
}

static void
add(struct waiting *w, const char *word, const char *value)
{
	if (!value)
		return;
	w->argv[w->argc++] = word;
	w->argv[w->argc++] = value;
}

int
berth_acquire(struct berth_client *c, const char *worker, const struct berth_options *given,
              struct berth_lease **ret, struct berth_error *e)
{
	struct berth_options options = options_of(given);
	struct waiting w = {
		.deadline = deadline_in(options.wait_ms),
		.slices = options.wait_ms != 0,
		.progress = options.progress,
		.progress_arg = options.progress_arg,
	};
	char ttl[24];

	snprintf(ttl, sizeof ttl, "%lld", options.ttl_ms);
	add(&w, "ACQUIRE", worker ? worker : "");
	add(&w, "RUN", options.run);
	add(&w, "TEMPLATE", options.template_key);
	add(&w, "KIND", options.kind);
	add(&w, "NAME", options.name);
	add(&w, "REDIS", options.redis);
	add(&w, "TTL", options.ttl_ms ? ttl : NULL);
	add(&w, "LABEL", options.label);
	if (options.detach) {
		w.argv[w.argc++] = "DETACH";
		return wait_until_there(c, &w, ret, e);
	}
	return wait_and_hold(c, &w, ret, e);
}
