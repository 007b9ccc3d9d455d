/* SPDX-License-Identifier: MIT */
/* berth renew: a lease's time starts again. */
#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"
#include "client/cli/wish.h"

const struct command command_renew;

static long long ttl_ms = NO_TTL;

static const struct cli_option options[] = {
	{ "ttl", "TIME", OPTION_DURATION, &ttl_ms,
	  "another TTL from now on (default: the one it has)" },
	{ 0 }
};

static void
show(const struct invocation *asked, const char *id, long long left_ms)
{
	char left[DURATION_TEXT_MAX];

	if (asked->json)
		json_print(json_pack("{s:o, s:I}", "lease", text_json(id), "expires_ms",
		                     (json_int_t)left_ms));
	else
		printf("%s expires in %s\n", id, duration_show(left_ms, left));
}

static int
renew(struct berth_client *client, const char *id, const struct invocation *asked)
{
	struct berth_error e;
	long long left_ms, ttl = ttl_checked(ttl_ms, &e);

	if (ttl < 0 || berth_renew(client, id, ttl, &left_ms, &e) < 0)
		return complain(client, &e);
	show(asked, id, left_ms);
	return 0;
}

static int
run(const struct invocation *asked)
{
	return session_do(&command_renew, asked, renew);
}

const struct command command_renew = {
	.name = "renew",
	.usage = "[--ttl TIME] [LEASE]",
	.summary = "Start a lease's time again",
	.details = "LEASE is an id or RUN/WORKER; without it, $BERTH_LEASE.\n",
	.options = options,
	.most = 1,
	.run = run,
};
