/* SPDX-License-Identifier: MIT */
/*
 * A command of `berth`: its row feeds dispatch, parsing, `berth help` and --help.
 *
 * Each lives in its file cmd_NAME.c; main.c lists the rows in the order in which people read them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Values of an option that may be given several times. Borrows argv's texts. */
struct texts {
	const char **items; /* owned */
	size_t count;
};

enum option_type {
	OPTION_FLAG,     /* bool */
	OPTION_TEXT,     /* const char * */
	OPTION_TEXTS,    /* struct texts */
	OPTION_WORDS,    /* the same; each time it takes every word up to the next option */
	OPTION_DURATION, /* long long, milliseconds */
};

/* One option of a command; `into` points to a variable of the type's. */
struct cli_option {
	const char *name;    /* without the dashes */
	const char *metavar; /* NULL for a flag */
	enum option_type type;
	void *into;
	const char *help;
};

/* What was asked of a command. */
struct invocation {
	const char *socket; /* --socket, or NULL */
	bool json;
	int argc; /* the words that are no options */
	char **argv;
	int command_argc; /* CMD of exec and attach */
	char **command;   /* NULL-terminated; NULL when there is none */
};

enum command_takes {
	TAKES_NO_COMMAND,
	TAKES_COMMAND, /* everything from the first word that is no option */
	TAKES_COMMAND_AFTER_DASHES,
};

struct command {
	const char *name;
	const char *usage; /* what follows "berth NAME" */
	const char *summary;
	const char *details; /* paragraphs for --help, or NULL */
	/* Ends with a row without a name; NULL: only the common ones. */
	const struct cli_option *options;
	int most; /* words that are no options; more is wrong usage */
	enum command_takes takes;
	/* Returns the exit status. */
	int (*run)(const struct invocation *asked);
	/* Instead of all of the above from options on: it parses its arguments itself. */
	int (*main)(int argc, char **argv);
};

/* Every command, ending with NULL. */
extern const struct command *const commands[];
/* NULL when there is none of that name. */
const struct command *command_find(const char *name);

/*
 * Parses the arguments of a command (argv[0] is its name) into its options and `ret`. Returns -1 to
 * go on, or an exit status when all is said: 0 after --help, 2 after a complaint.
 */
int command_parse(const struct command *command, int argc, char **argv, struct invocation *ret);
/* Prints everything about a command. */
void command_print_help(const struct command *command);
