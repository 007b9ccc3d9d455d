/* SPDX-License-Identifier: MIT */
/* berth attach: holds an existing lease too, around a command or until stdin ends. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/holder.h"
#include "client/cli/session.h"
#include "client/cli/show.h"

const struct command command_attach;

static struct texts env;
static bool shell;

static const struct cli_option options[] = {
	{ "env", "NAME=FORMAT", OPTION_TEXTS, &env, "one more variable, as with `berth exec`" },
	{ "shell", NULL, OPTION_FLAG, &shell, "answer as `export NAME='...'` lines for a shell" },
	{ 0 }
};

static int
around_command(const struct invocation *asked, struct berth_client *client,
               const struct berth_lease *lease)
{
	session_environment(client, lease, &env);
	return holder_run(asked->command_argc, asked->command, client);
}

static int
until_stdin_ends(const struct invocation *asked, struct berth_client *client,
                 const struct berth_lease *lease)
{
	char *path = session_path(client);

	show_lease(shell ? SHOW_SHELL : asked->json ? SHOW_JSON : SHOW_TABLE, lease, path, &env);
	free(path);
	fflush(stdout);
	if (isatty(STDIN_FILENO))
		notice("holding the lease until end of input (Ctrl-D)");
	return holder_wait(client);
}

static int
hold(const struct invocation *asked, struct berth_client *client, const char *id, long long fence)
{
	struct berth_lease *lease;
	struct berth_error e;
	int status;

	if (berth_attach(client, id, fence, &lease, &e) < 0)
		return complain(client, &e);
	status = (asked->command ? around_command : until_stdin_ends)(asked, client, lease);
	berth_lease_free(lease);
	return status;
}

/* The second word, or $BERTH_FENCE if there is no word at all; -1 after a complaint. */
static long long
fence_of(const struct invocation *asked)
{
	const char *text = asked->argc == 0  ? getenv("BERTH_FENCE")
	                   : asked->argc > 1 ? asked->argv[1]
	                                     : NULL;
	char *end;
	long long fence;

	if (text && *text >= '0' && *text <= '9') {
		errno = 0;
		fence = strtoll(text, &end, 10);
		if (!errno && !*end)
			return fence;
	}
	complain_usage(
		"attach",
		"which fence? `berth acquire` told it: a number, like the one in BERTH_FENCE");
	return -1;
}

static int
run(const struct invocation *asked)
{
	const char *id = session_lease(&command_attach, asked);
	long long fence = id ? fence_of(asked) : -1;
	struct berth_client *client;
	struct berth_error e;
	int status;

	if (fence < 0)
		return EXIT_WRONG_USAGE;
	if (vars_check(&env, &e) < 0)
		return complain_usage("attach", "%s", e.message);
	status = session_open(asked, &client);
	if (status)
		return status;
	status = hold(asked, client, id, fence);
	berth_close(client);
	return status;
}

const struct command command_attach = {
	.name = "attach",
	.usage = "[OPTION...] [LEASE FENCE] [-- CMD [ARGUMENT...]]",
	.summary = "Hold an existing lease too: around a command, or until stdin ends",
	.details =
		"LEASE is an id or RUN/WORKER; without it, $BERTH_LEASE and $BERTH_FENCE. CMD runs as with\n"
		"`berth exec`. At the end the lease is only let go of, not given back: a detached one lives\n"
		"on until its TTL, any other until its last holder goes.\n",
	.options = options,
	.most = 2,
	.takes = TAKES_COMMAND_AFTER_DASHES,
	.run = run,
};
