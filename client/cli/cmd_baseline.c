/* SPDX-License-Identifier: MIT */
/* berth baseline: what is in a lease now is what `berth reset` brings back. */
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"

const struct command command_baseline;

static int
baseline(struct berth_client *client, const char *id, const struct invocation *asked)
{
	struct berth_error e;

	if (berth_baseline(client, id, &e) < 0)
		return complain(client, &e);
	if (asked->json)
		json_print(json_pack("{s:o, s:b}", "lease", text_json(id), "baseline", 1));
	return 0;
}

static int
run(const struct invocation *asked)
{
	return session_do(&command_baseline, asked, baseline);
}

const struct command command_baseline = {
	.name = "baseline",
	.usage = "[LEASE]",
	.summary = "What is in a lease now is what `berth reset` brings back",
	.details =
		"LEASE is an id or RUN/WORKER; without it, $BERTH_LEASE. For schemas, not for databases.\n",
	.most = 1,
	.run = run,
};
