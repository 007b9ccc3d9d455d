/* SPDX-License-Identifier: MIT */
/* berth shutdown: the daemon leaves, when the last lease has ended or at once, or makes room for the next. */
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/fields.h"
#include "client/cli/session.h"

static bool now, handover;

static const struct cli_option options[] = {
	{ "now", NULL, OPTION_FLAG, &now, "end all leases at once" },
	{ "handover", NULL, OPTION_FLAG, &handover,
	  "leave at once, and all leases to the next berthd on that socket" },
	{ 0 }
};

static int
say_it(struct berth_client *client, struct berth_error *e)
{
	return berth_shutdown(client,
	                      now        ? BERTH_SHUTDOWN_NOW
	                      : handover ? BERTH_SHUTDOWN_HANDOVER
	                                 : BERTH_SHUTDOWN_DRAIN,
	                      e);
}

static int
run(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_error e;
	int status;

	if (now && handover)
		return complain_usage("shutdown", "--now and --handover exclude each other");
	status = session_open(asked, &client);
	if (status)
		return status;
	if (say_it(client, &e) < 0)
		status = complain(client, &e);
	else if (asked->json)
		json_print(json_pack("{s:o, s:b, s:b}", "socket", text_json(berth_path(client)),
		                     "now", now, "handover", handover));
	berth_close(client);
	return status;
}

const struct command command_shutdown = {
	.name = "shutdown",
	.usage = "[--now | --handover]",
	.summary = "Tell the daemon to leave, once the last lease has ended or now",
	.details =
		"With --handover it leaves at once and ends nothing: the next berthd that is started on the\n"
		"same socket goes on with its leases, and their holders come back to it by themselves.\n",
	.options = options,
	.run = run,
};
