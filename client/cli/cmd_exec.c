/* SPDX-License-Identifier: MIT */
/* berth exec: a lease around a command, in its environment, given back at its end. */
#include <unistd.h>

#include "client/cli/build.h"
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/holder.h"
#include "client/cli/session.h"
#include "client/cli/vars.h"
#include "client/cli/wish.h"

enum { AWAY_MS = 5000 }; /* for a daemon that is being restarted; one that ended takes its socket away */

static struct wish wish = { WISH_DEFAULTS };
static const char *migrate;

static const struct cli_option options[] = { WISH_OPTIONS(wish),
	                                     { "build", "CMD", OPTION_TEXT, &migrate,
	                                       "a shell's command that builds the template" },
	                                     { 0 } };

/* 0 with the lease as it is once the template is there, or the exit status after a complaint. */
static int
build_first(struct berth_client *client, struct berth_lease **lease)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)migrate, NULL };
	struct build b = {
		.client = client,
		.lease = *lease,
		.env = &wish.env,
		.argc = 3,
		.argv = argv,
		.unsaid = 2,
	};
	struct berth_error e;
	int status;

	if (!migrate) {
		berth_template_abort(client, (*lease)->lease, NULL, NULL);
		berth_error_set(&e, BERTH_NOTEMPLATE, "there is no template %s yet", wish.template);
		status = complain(client, &e);
		hint("--build 'CMD' builds it first, or `berth template build KEY -- CMD`");
		return status;
	}
	status = build(&b);
	return status ? status : wish_again(&wish, client, lease);
}

/* CMD's status is what counts; what goes wrong afterwards is only said. */
static int
around_command(const struct invocation *asked, struct berth_client *client,
               const struct berth_lease *lease)
{
	int status;

	session_environment(client, lease, &wish.env);
	status = holder_run(asked->command_argc, asked->command, client);
	if (!berth_connected(client))
		berth_set_timeout(client, access(berth_path(client), F_OK) == 0 ? AWAY_MS : 0);
	wish_release(client, lease);
	return status;
}

static int
check(void)
{
	struct berth_error e;

	if (vars_check(&wish.env, &e) < 0)
		return complain_usage("exec", "%s", e.message);
	if (migrate && !wish.template)
		return complain_usage("exec",
		                      "--build builds a template; --template KEY says which");
	return 0;
}

static int
run(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_lease *lease = NULL;
	int status = check();

	if (status)
		return status;
	status = session_open(asked, &client);
	if (status)
		return status;
	status = wish_acquire(&wish, client, &lease);
	if (status == 0 && berth_lease_builds(lease))
		status = build_first(client, &lease);
	if (status == 0)
		status = around_command(asked, client, lease);
	berth_lease_free(lease);
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
		"\n"
		"With --template the schema is what migrations made once. Whoever asks first for a KEY that\n"
		"nobody has built runs the --build CMD (by sh -c) in its lease, and all others wait for it:\n"
		"\n"
		"  key=$(berth template key migrations/*.py)\n"
		"  berth exec --template \"$key\" --build 'alembic upgrade head' -- pytest\n"
		"\n"
		"If that CMD fails, its status is the exit status, and the others are told its last words.\n"
		"\n" WISH_DETAILS,
	.options = options,
	.takes = TAKES_COMMAND,
	.run = run,
};
