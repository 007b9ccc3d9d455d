/* SPDX-License-Identifier: MIT */
/* berth baseline: what is in a lease now is what `berth reset` brings back. */
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"

const struct command command_baseline;

static int
run(const struct invocation *asked)
{
	const char *id = session_lease(&command_baseline, asked);
	struct berth_client *client;
	struct berth_error e;
	int status;

	if (!id)
		return EXIT_WRONG_USAGE;
	status = session_open(asked, &client);
	if (status)
		return status;
	if (berth_baseline(client, id, &e) < 0)
		status = complain(client, &e);
	else if (asked->json)
		json_print(json_pack("{s:o, s:b}", "lease", text_json(id), "baseline", 1));
	berth_close(client);
	return status;
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
