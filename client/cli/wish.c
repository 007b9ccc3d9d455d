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

enum { RUN_MAX = 128, HOST_MAX = 64 };

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
		sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
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

static int
not_held(const struct wish *wish, const struct berth_lease *lease, const struct berth_client *client)
{
	char text[DURATION_TEXT_MAX];
	struct berth_error e;

	duration_show(wish->wait_ms, text);
	if (lease->state == BERTH_STATE_BUILDING)
		berth_error_set(&e, BERTH_TIMEOUT, "no lease within %s: its schema is still being made", text);
	else
		berth_error_set(&e, BERTH_TIMEOUT, "no lease within %s: position %d in the queue%s%s", text,
		                lease->position, lease->why ? ", waiting for " : "",
		                lease->why ? lease->why : "");
	return complain(client, &e);
}

int
wish_acquire(const struct wish *wish, struct berth_client *client, struct berth_lease **ret)
{
	char run[RUN_MAX];
	struct waiting waiting;
	struct berth_options options = BERTH_OPTIONS_INIT;
	struct berth_lease *lease = NULL;
	struct berth_error e;
	int n;

	waiting_init(&waiting, wish->wait_ms);
	options.run = wish->run ? wish->run : own_run(run);
	options.kind = wish->kind;
	options.name = wish->name;
	options.redis = wish->redis;
	options.label = wish->label;
	options.ttl_ms = ttl_checked(wish->ttl_ms, &e);
	options.wait_ms = wish->wait_ms;
	options.detach = wish->detach;
	options.progress = waiting_show;
	options.progress_arg = &waiting;
	n = options.ttl_ms < 0 ? -1 : berth_acquire(client, wish->worker, &options, &lease, &e);
	waiting_end(&waiting);
	if (n < 0)
		return complain(client, &e);
	if (lease->state == BERTH_STATE_HELD) {
		*ret = lease;
		return 0;
	}
	n = not_held(wish, lease, client);
	berth_lease_free(lease);
	return n;
}
