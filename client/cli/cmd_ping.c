/* SPDX-License-Identifier: MIT */
/* berth ping: whether the daemon is there, and how far away. */
#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"

static int
run(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_error e;
	long long us;
	int status = session_open(asked, &client);

	if (status)
		return status;
	if (berth_ping(client, &us, &e) < 0)
		status = complain(client, &e);
	else if (asked->json)
		json_print(json_pack("{s:o, s:I}", "socket", text_json(berth_path(client)),
		                     "round_trip_us", (json_int_t)us));
	else
		printf("%s answered in %lld us\n", berth_path(client), us);
	berth_close(client);
	return status;
}

const struct command command_ping = {
	.name = "ping",
	.usage = "",
	.summary = "Whether the daemon is there, and how fast it answers",
	.run = run,
};
