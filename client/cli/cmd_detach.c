/* SPDX-License-Identifier: MIT */
/* berth detach: a lease outlives its connections, until its TTL. */
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"

const struct command command_detach;

static int
detach(struct berth_client *client, const char *id, const struct invocation *asked)
{
	struct berth_error e;

	if (berth_detach(client, id, &e) < 0)
		return complain(client, &e);
	if (asked->json)
		json_print(json_pack("{s:o, s:b}", "lease", text_json(id), "detached", 1));
	return 0;
}

static int
run(const struct invocation *asked)
{
	return session_do(&command_detach, asked, detach);
}

const struct command command_detach = {
	.name = "detach",
	.usage = "[LEASE]",
	.summary = "Let a lease outlive its connections, until its TTL",
	.details = "LEASE is an id or RUN/WORKER; without it, $BERTH_LEASE.\n",
	.most = 1,
	.run = run,
};
