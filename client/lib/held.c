/* SPDX-License-Identifier: MIT */
/* What a client holds, and how it comes back to it when the daemon was restarted. */
#include "client/lib/client.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAUSE_MS = 50 }; /* between two tries to find the daemon */

struct held {
	char *id;
	char *name; /* "run/worker" */
	long long fence; /* -1: it is not granted yet, or builds its template */
	struct held *next;
};

/* ---- what is held ---- */

static struct held **
find(struct berth_client *c, const char *id)
{
	struct held **at = &c->held;

	while (*at && strcmp((*at)->id, id) != 0 && strcmp((*at)->name, id) != 0)
		at = &(*at)->next;
	return at;
}

static void
forget(struct held **at)
{
	struct held *gone = *at;

	*at = gone->next;
	free(gone->id);
	free(gone->name);
	free(gone);
}

void
libberth_let_go(struct berth_client *c, const char *id)
{
	struct held **at = find(c, id);

	if (*at)
		forget(at);
}

void
libberth_let_all_go(struct berth_client *c)
{
	while (c->held)
		forget(&c->held);
}

static long long
fence_of(const struct berth_lease *lease)
{
	return lease->state == BERTH_STATE_HELD ? lease->fence : -1;
}

void
libberth_renew_fence(struct berth_client *c, const struct berth_lease *lease)
{
	struct held **at = find(c, lease->lease);

	if (*at)
		(*at)->fence = fence_of(lease);
}

int
libberth_hold(struct berth_client *c, const struct berth_lease *lease, struct berth_error *e)
{
	struct held **at = find(c, lease->lease), *one = *at;
	size_t size = strlen(lease->run) + strlen(lease->worker) + 2;

	if (one) {
		one->fence = fence_of(lease);
		return 0;
	}
	one = calloc(1, sizeof *one);
	if (!one)
		return libberth_oom(e);
	*at = one;
	one->fence = fence_of(lease);
	one->id = strdup(lease->lease);
	one->name = malloc(size);
	if (!one->id || !one->name) {
		forget(at);
		return libberth_oom(e);
	}
	snprintf(one->name, size, "%s/%s", lease->run, lease->worker);
	return 0;
}

/* ---- coming back ---- */

/* UNAVAILABLE: not yet. Anything else that goes wrong: it is not ours any more. */
static int
attach(struct berth_client *c, const struct held *held, struct berth_error *e)
{
	char fence[24];
	const char *words[] = { "ATTACH", held->id, fence };
	struct berth_reply *reply = NULL;

	if (held->fence < 0)
		return berth_error_set(e, BERTH_NOLEASE, "lease %s was not granted yet when the daemon went away",
		                       held->id);
	snprintf(fence, sizeof fence, "%lld", held->fence);
	if (libberth_exchange(c, libberth_now_ms() + c->timeout_ms, 3, words, &reply, e) < 0)
		return -1;
	berth_reply_free(reply);
	return 0;
}

static bool
is_not_yet(const struct berth_error *e)
{
	return e->code == BERTH_UNAVAILABLE || e->code == BERTH_TIMEOUT;
}

/* Of several leases that are gone the first one's error is told. */
static int
attach_all(struct berth_client *c, struct berth_error *ret)
{
	struct held **at = &c->held;
	struct berth_error e;
	int n = 0;

	while (*at) {
		if (attach(c, *at, &e) == 0) {
			at = &(*at)->next;
			continue;
		}
		if (n == 0 || is_not_yet(&e))
			*ret = e;
		n = -1;
		if (is_not_yet(&e))
			return -1;
		forget(at);
	}
	c->adrift = false;
	return n;
}

int
libberth_come_back(struct berth_client *c, int64_t deadline, struct berth_error *e)
{
	struct berth_error error;

	while ((!berth_connected(c) && libberth_connect(c, &error) < 0) || attach_all(c, &error) < 0) {
		if (!is_not_yet(&error) || libberth_now_ms() >= deadline) {
			if (e)
				*e = error;
			return -1;
		}
		poll(NULL, 0, PAUSE_MS);
	}
	return 0;
}

int
berth_reattach(struct berth_client *c, long long wait_ms, struct berth_error *e)
{
	if (berth_connected(c) && libberth_is_over(c))
		libberth_hung_up(c, NULL);
	return libberth_come_back(c, libberth_now_ms() + wait_ms, e);
}
