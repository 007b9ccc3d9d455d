/* SPDX-License-Identifier: MIT */
/* berth reload: the daemon reads its settings again. */
#include "client/cli/command.h"
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
	struct berth_reply *rows;
	int status = session_ask(asked, 0, 1, (const char *const[]){ "RELOAD" }, &rows);

	if (status)
		return status;
	rows_show(rows, asked->json, columns, "nothing has changed");
	berth_reply_free(rows);
	return 0;
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
