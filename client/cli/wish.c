/* SPDX-License-Identifier: MIT */
/* Acquiring a lease for a person who watches. */
#include "client/cli/wish.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/waiting.h"

enum {
	RUN_MAX = 128,
	HOST_MAX = 64,
	WAIT_MS = 30 * 1000,
	WAIT_TEMPLATE_MS = 10 * 60 * 1000, /* somebody else may have to migrate first */
};

/* When this process began, in clock ticks since the boot: with the pid, no other process' ever. */
static unsigned long long
start_ticks(void)
{
	char text[1024] = "";
	unsigned long long ticks = 0;
	FILE *f = fopen("/proc/self/stat", "re");
	char *after;

	if (!f)
		return 0;
	if (!fgets(text, sizeof text, f))
		text[0] = '\0';
	fclose(f);
	after = strrchr(text, ')'); /* the name before it may hold anything */
	if (after)
		sscanf(after + 1,
		       " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
		       &ticks);
	return ticks;
}

/* host-pid-start: a run that no other invocation has. */
static const char *
own_run(char buf[RUN_MAX])
{
	char host[HOST_MAX + 1] = "";

	gethostname(host, HOST_MAX);
	for (char *c = host; *c; c++)
		if (!isalnum((unsigned char)*c) && *c != '.')
			*c = '-';
	snprintf(buf, RUN_MAX, "%s-%d-%llu", *host ? host : "host", (int)getpid(), start_ticks());
	return buf;
}

long long
ttl_checked(long long ttl_ms, struct berth_error *e)
{
	if (ttl_ms == 0)
		return berth_error_set(e, BERTH_LIMIT, "--ttl 0: a lease lives for at least 1ms");
	return ttl_ms == NO_TTL ? 0 : ttl_ms;
}

static long long
wait_of(const struct wish *wish)
{
	if (wish->wait_ms != USUAL_WAIT)
		return wish->wait_ms;
	return wish->template ? WAIT_TEMPLATE_MS : WAIT_MS;
}

static int
not_held(const struct wish *wish, const struct berth_lease *lease,
         const struct berth_client *client)
{
	char text[DURATION_TEXT_MAX];
	struct berth_error e;

	duration_show(wait_of(wish), text);
	if (lease->state == BERTH_STATE_BUILDING)
		berth_error_set(&e, BERTH_TIMEOUT,
		                "no lease within %s: its schema is still being made", text);
	else
		berth_error_set(
			&e, BERTH_TIMEOUT, "no lease within %s: position %d in the queue%s%s", text,
			lease->position, lease->why ? ": " : "", lease->why ? lease->why : "");
	return complain(client, &e);
}

static bool
is_there(const struct berth_lease *lease)
{
	return lease->state == BERTH_STATE_HELD || berth_lease_builds(lease);
}

/*
 * Held first, detached then: so a berth that is interrupted while it waits leaves nothing in the
 * queue. (ACQUIRE DETACH would wait on without it.) The map changes: now the TTL counts.
 */
static int
detach(struct berth_client *client, struct berth_lease **lease, struct berth_error *e)
{
	struct berth_lease *detached;

	if (berth_detach(client, (*lease)->lease, e) < 0
	    || berth_lease_get(client, (*lease)->lease, 0, &detached, e) < 0)
		return -1;
	berth_lease_free(*lease);
	*lease = detached;
	return 0;
}

static int
acquire(const struct wish *wish, struct berth_client *client, struct berth_lease **ret,
        struct berth_error *e)
{
	char run[RUN_MAX];
	struct waiting waiting;
	struct berth_options options = {
		.size = sizeof options,
		.run = wish->run ? wish->run : own_run(run),
		.kind = wish->kind,
		.name = wish->name,
		.redis = wish->redis,
		.label = wish->label,
		.ttl_ms = ttl_checked(wish->ttl_ms, e),
		.wait_ms = wait_of(wish),
		.progress = waiting_show,
		.progress_arg = &waiting,
		.template_key = wish->template,
	};
	int n;

	if (options.ttl_ms < 0)
		return -1;
	waiting_init(&waiting, options.wait_ms);
	n = berth_acquire(client, wish->worker, &options, ret, e);
	waiting_end(&waiting);
	return n;
}

int
wish_acquire(const struct wish *wish, struct berth_client *client, struct berth_lease **ret)
{
	struct berth_lease *lease = NULL;
	struct berth_error e;
	int status;

	if (acquire(wish, client, &lease, &e) < 0)
		return complain(client, &e);
	if (!is_there(lease))
		status = not_held(wish, lease, client);
	else if (wish->detach && detach(client, &lease, &e) < 0)
		status = complain(client, &e);
	else
		status = 0;
	if (status == 0)
		*ret = lease;
	else
		berth_lease_free(lease);
	return status;
}

int
wish_again(const struct wish *wish, struct berth_client *client, struct berth_lease **lease)
{
	struct berth_lease *now;
	struct berth_error e;

	if (berth_lease_get(client, (*lease)->lease, wait_of(wish), &now, &e) < 0)
		return complain(client, &e);
	berth_lease_free(*lease);
	*lease = now;
	return now->state == BERTH_STATE_HELD ? 0 : not_held(wish, now, client);
}

void
wish_release(struct berth_client *client, const struct berth_lease *lease)
{
	struct berth_error e;

	if (berth_release(client, lease->lease, 0, &e) < 0 && berth_connected(client))
		notice("%s the lease could not be given back: %s", berth_error_name(e.code),
		       e.message);
}
