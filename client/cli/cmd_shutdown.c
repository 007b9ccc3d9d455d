/* SPDX-License-Identifier: MIT */
/* berth shutdown: the daemon leaves, when the last lease has ended or at once. */
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"

static bool now;

static const struct cli_option options[] = {
	{ "now", NULL, OPTION_FLAG, &now, "end all leases at once" }, { 0 }
};

static int
run(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_error e;
	int status = session_open(asked, &client);

	if (status)
		return status;
	if (berth_shutdown(client, now, &e) < 0)
		status = complain(client, &e);
	else if (asked->json)
		json_print(json_pack("{s:o, s:b}", "socket", text_json(berth_path(client)), "now",
		                     now));
	berth_close(client);
	return status;
}

const struct command command_shutdown = {
	.name = "shutdown",
	.usage = "[--now]",
	.summary = "Tell the daemon to leave, once the last lease has ended or now",
	.options = options,
	.run = run,
};
