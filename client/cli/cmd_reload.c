/* SPDX-License-Identifier: MIT */
/* berth reload: the daemon reads its settings again. */
#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/rows.h"
#include "client/cli/session.h"

/* clang-format off */
static const struct rows_column columns[] = {
	{ "key",    "KEY" },
	{ "effect", "EFFECT" },
	{ 0 }
};
/* clang-format on */

static int
run(const struct invocation *asked)
{
	struct berth_client *client;
	struct berth_reply *rows;
	struct berth_error e;
	int status = session_open(asked, &client);

	if (status)
		return status;
	if (berth_command(client, 0, 1, (const char *const[]){ "RELOAD" }, &rows, &e) < 0) {
		status = complain(client, &e);
	} else {
		rows_show(rows, asked->json, columns, "nothing has changed");
		berth_reply_free(rows);
	}
	berth_close(client);
	return status;
}

const struct command command_reload = {
	.name = "reload",
	.usage = "",
	.summary = "Have the daemon read its settings again",
	.details =
		"Prints each key that differs from what was in force, and its effect: `taken`, or `restart` when\n"
		"the daemon has to be started again for it. If something in the settings is wrong nothing is\n"
		"taken, and the message says where it stands. For root and the daemon's own user.\n",
	.run = run,
};
