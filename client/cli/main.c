/* SPDX-License-Identifier: MIT */
/* `berth`: leases of PostgreSQL schemas and Redis databases, from the command line. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/lib/berth.h"

/* clang-format off */
#define COMMANDS(X) \
	X(run) X(exec) X(acquire) X(renew) X(release) X(attach) X(detach) X(reset) X(baseline) \
	X(template) X(lint) X(ls) X(top) X(once) X(enum) X(orphans) X(doctor) X(grants) X(info) \
	X(ping) X(reload) X(shutdown) X(completions) X(help)
/* clang-format on */

#define X(name) extern const struct command command_##name;
COMMANDS(X)
#undef X

const struct command *const commands[] = {
#define X(name) &command_##name,
	COMMANDS(X)
#undef X
		NULL
};

const struct command *
command_find(const char *name)
{
	for (int i = 0; commands[i]; i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int
dispatch(int argc, char **argv)
{
	const struct command *command = command_find(argv[0]);
	struct invocation asked;
	int status;

	if (!command && argv[0][0] == '-')
		return complain_usage(NULL, "%s: options come after the command", argv[0]);
	if (!command)
		return complain_usage(NULL, "there is no command '%s'", argv[0]);
	if (command->main)
		return command->main(argc, argv);
	status = command_parse(command, argc, argv, &asked);
	return status >= 0 ? status : command->run(&asked);
}

/* A full disk or a closed pipe must not look like success. */
static int
finish(int status)
{
	if ((fflush(stdout) != 0 || ferror(stdout)) && status == 0) {
		notice("ERR cannot write the answer: %s", strerror(errno));
		return EXIT_FAILURE;
	}
	return status;
}

int
main(int argc, char **argv)
{
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return finish(dispatch(1, (char *[]){ (char *)"help", NULL }));
	if (strcmp(argv[1], "--version") == 0) {
		printf("berth %s\n", berth_version());
		return finish(0);
	}
	return finish(dispatch(argc - 1, argv + 1));
}
