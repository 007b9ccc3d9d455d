/* SPDX-License-Identifier: MIT */
/* Connecting to the daemon, with help for when it is not there. */
#include "client/cli/session.h"

#include <stdlib.h>
#include <string.h>

#include "client/cli/complain.h"

static int
unreachable(const struct berth_error *e)
{
	complain(NULL, e);
	hint("--socket PATH or BERTH_SOCKET says where the daemon listens; without any daemon,"
	     " `berth run -- CMD` starts everything CMD needs");
	return EXIT_UNREACHABLE;
}

int
session_open(const struct invocation *asked, struct berth_client **ret)
{
	struct berth_error e;

	if (berth_open(asked->socket, ret, &e) == 0)
		return 0;
	if (e.code == BERTH_UNAVAILABLE || e.code == BERTH_TIMEOUT)
		return unreachable(&e);
	return complain(NULL, &e);
}

int
session_ask(const struct invocation *asked, long long wait_ms, int argc, const char *const argv[],
            struct berth_reply **ret)
{
	struct berth_client *client;
	struct berth_error e;
	int status = session_open(asked, &client);

	if (status)
		return status;
	if (berth_command(client, wait_ms, argc, argv, ret, &e) < 0)
		status = complain(client, &e);
	berth_close(client);
	return status;
}

char *
session_path(const struct berth_client *client)
{
	char *path = realpath(berth_path(client), NULL);

	return path ? path : need(strdup(berth_path(client)));
}

void
session_environment(const struct berth_client *client, const struct berth_lease *lease,
                    const struct texts *env)
{
	char *path = session_path(client);
	struct vars vars;

	vars_init(&vars, lease, path, env);
	vars_set(&vars);
	vars_fini(&vars);
	free(path);
}

const char *
session_lease(const struct command *command, const struct invocation *asked)
{
	const char *id = asked->argc > 0 ? asked->argv[0] : getenv("BERTH_LEASE");

	if (id && *id)
		return id;
	complain_usage(command->name, "which lease? Give its id or RUN/WORKER, or set BERTH_LEASE");
	return NULL;
}

int
session_do(const struct command *command, const struct invocation *asked, session_deed *deed)
{
	const char *id = session_lease(command, asked);
	struct berth_client *client;
	int status;

	if (!id)
		return EXIT_WRONG_USAGE;
	status = session_open(asked, &client);
	if (status)
		return status;
	status = deed(client, id, asked);
	berth_close(client);
	return status;
}
