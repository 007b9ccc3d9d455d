/* SPDX-License-Identifier: MIT */
/* berth detach: a lease outlives its connections, until its TTL. */
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"

const struct command command_detach;

static int
run(const struct invocation *asked)
{
	const char *id = session_lease(&command_detach, asked);
	struct berth_client *client;
	struct berth_error e;
	int status;

	if (!id)
		return EXIT_WRONG_USAGE;
	status = session_open(asked, &client);
	if (status)
		return status;
	if (berth_detach(client, id, &e) < 0)
		status = complain(client, &e);
	else if (asked->json)
		json_print(json_pack("{s:o, s:b}", "lease", text_json(id), "detached", 1));
	berth_close(client);
	return status;
}

const struct command command_detach = {
	.name = "detach",
	.usage = "[LEASE]",
	.summary = "Let a lease outlive its connections, until its TTL",
	.details = "LEASE is an id or RUN/WORKER; without it, $BERTH_LEASE.\n",
	.most = 1,
	.run = run,
};
