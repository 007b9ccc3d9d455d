/* SPDX-License-Identifier: MIT */
/* berth run: the row of a command that has a directory of its own. */
#include "client/cli/command.h"
#include "client/cli/run/run.h"

const struct command command_run = {
	.name = "run",
	.usage = "[--pg-bindir D] [--tcp] [--keep] [--verbose] [--] CMD [ARGUMENT...]",
	.summary = "Private servers around a command: no daemon, no PostgreSQL, no Redis needed",
	.main = run_main,
};
