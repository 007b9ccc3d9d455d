/* SPDX-License-Identifier: MIT */
/* berth acquire: a detached lease for scripts, which lives until its TTL or `berth release`. */
#include <stdlib.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/session.h"
#include "client/cli/show.h"
#include "client/cli/wish.h"

static struct wish wish = { WISH_DEFAULTS, .detach = true };
static bool shell;

static const struct cli_option options[] = { WISH_OPTIONS(wish),
	                                     { "shell", NULL, OPTION_FLAG, &shell,
	                                       "answer as `export NAME='...'` lines for a shell" },
	                                     { 0 } };

/* It is not what was asked for until somebody has migrated. */
static void
say_what_to_do(const struct berth_lease *lease)
{
	notice("nobody has built the template %s: this lease is to build it", lease->template_key);
	hint("migrate in it, then `berth template seal %s`; or `berth template abort %s`",
	     lease->lease, lease->lease);
}

static int
run(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_lease *lease;
	struct berth_error e;
	char *path;
	int status;

	if (vars_check(&wish.env, &e) < 0)
		return complain_usage("acquire", "%s", e.message);
	if (shell && asked->json)
		return complain_usage("acquire", "--shell and --json exclude each other");
	status = session_open(asked, &client);
	if (status)
		return status;
	status = wish_acquire(&wish, client, &lease);
	if (status == 0) {
		path = session_path(client);
		show_lease(shell         ? SHOW_SHELL
		           : asked->json ? SHOW_JSON
		                         : SHOW_TABLE,
		           lease, path, &wish.env);
		free(path);
		if (berth_lease_builds(lease))
			say_what_to_do(lease);
		berth_lease_free(lease);
	}
	berth_close(client);
	return status;
}

const struct command command_acquire = {
	.name = "acquire",
	.usage = "[OPTION...]",
	.summary = "A lease for a script: it lives until its TTL, or `berth release`",
	.details =
		"  eval \"$(berth acquire --ttl 1h --shell)\"; ...; berth release\n"
		"\n"
		"The password is shown: you asked for it. With --run and --worker the same lease is given\n"
		"whenever it is asked for again; without --run every call takes a new one.\n"
		"\n"
		"With --template KEY the state may be `building`: then nobody has built that template yet, and\n"
		"this lease is empty and is to build it (see berth help template).\n"
		"\n" WISH_DETAILS,
	.options = options,
	.run = run,
};
