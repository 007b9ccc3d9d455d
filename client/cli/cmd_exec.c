/* SPDX-License-Identifier: MIT */
/* berth exec: a lease around a command, in its environment, given back at its end. */
#include <stdlib.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/holder.h"
#include "client/cli/session.h"
#include "client/cli/vars.h"
#include "client/cli/wish.h"

static struct wish wish = { WISH_DEFAULTS };

static const struct cli_option options[] = { WISH_OPTIONS(wish), { 0 } };

static void
set_environment(const struct berth_client *client, const struct berth_lease *lease)
{
	char *path = session_path(client);
	struct vars vars;

	vars_init(&vars, lease, path, &wish.env);
	vars_set(&vars);
	vars_fini(&vars);
	free(path);
}

/* CMD's status is what counts; what goes wrong afterwards is only said. */
static void
give_back(struct berth_client *client, const struct berth_lease *lease)
{
	struct berth_error e;

	if (berth_connected(client) && berth_release(client, lease->lease, 0, &e) < 0)
		notice("%s the lease could not be given back: %s", berth_error_name(e.code),
		       e.message);
}

static int
run(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_lease *lease;
	struct berth_error e;
	int status;

	if (vars_check(&wish.env, &e) < 0)
		return complain_usage("exec", "%s", e.message);
	status = session_open(asked, &client);
	if (status)
		return status;
	status = wish_acquire(&wish, client, &lease);
	if (status == 0) {
		set_environment(client, lease);
		status = holder_run(asked->command_argc, asked->command, client);
		give_back(client, lease);
		berth_lease_free(lease);
	}
	berth_close(client);
	return status;
}

const struct command command_exec = {
	.name = "exec",
	.usage = "[OPTION...] [--] CMD [ARGUMENT...]",
	.summary = "A lease around a command, in its environment",
	.details =
		"The lease lives until CMD ends or berth is killed; processes that CMD leaves behind do not\n"
		"keep it. Signals are passed on; the exit status is CMD's, 128 + n after signal n, 127 when\n"
		"it is not found. --json changes nothing here: the output is CMD's own.\n"
		"\n" WISH_DETAILS,
	.options = options,
	.takes = TAKES_COMMAND,
	.run = run,
};
