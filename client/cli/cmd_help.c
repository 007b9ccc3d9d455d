/* SPDX-License-Identifier: MIT */
/* berth help: what can be done, or everything about one command. */
#include <stdio.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"

static void
overview(void)
{
	puts("berth: a PostgreSQL schema and a Redis database of its own for each test worker\n\n"
	     "usage: berth COMMAND [OPTION...] [ARGUMENT...]\n");
	for (int i = 0; commands[i]; i++)
		printf("  %-13s %s\n", commands[i]->name, commands[i]->summary);
	puts("\n`berth help COMMAND` says everything about one. Every command takes --socket PATH and --json.\n"
	     "\n"
	     "  berth run -- pytest -n 4 --berth       no server needed\n"
	     "  berth exec -- make check               one lease around a command\n"
	     "  eval \"$(berth acquire --shell)\"        one lease for this shell\n"
	     "\n"
	     "Exit status: 0 done, 1 the command said no, 2 wrong usage, 69 daemon unreachable, 75 try again\n"
	     "later; exec, attach, run and once pass their command's own.");
}

static int
run(const struct invocation *asked)
{
	const struct command *command;

	if (asked->argc == 0) {
		overview();
		return 0;
	}
	command = command_find(asked->argv[0]);
	if (!command)
		return complain_usage(NULL, "there is no command '%s'", asked->argv[0]);
	command_print_help(command);
	return 0;
}

const struct command command_help = {
	.name = "help",
	.usage = "[COMMAND]",
	.summary = "Show what can be done, or everything about one command",
	.most = 1,
	.run = run,
};
