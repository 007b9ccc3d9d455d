/* SPDX-License-Identifier: MIT */
/* Parses a command's arguments by its table of options, and prints its help from the same table. */
#include <assert.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"

enum { OPTIONS_MAX = 24, WIDTH = 24, COMMON = 3 };

/* What a command is parsed with: its own options and those that all have. */
struct parse {
	const struct command *command;
	struct cli_option options[OPTIONS_MAX];
	struct option getopt[OPTIONS_MAX + 1];
	int count;
	bool help;
};

static void
add_options(struct parse *p, const struct cli_option *options)
{
	for (; options && options->name; options++) {
		assert(p->count < OPTIONS_MAX);
		p->getopt[p->count] = (struct option){
			.name = options->name,
			.has_arg = options->type == OPTION_FLAG ? no_argument : required_argument,
			.val = p->count + 1,
		};
		p->options[p->count++] = *options;
	}
}

static void
parse_init(struct parse *p, const struct command *command, struct invocation *into)
{
	const struct cli_option common[COMMON + 1] = {
		{ "socket", "PATH", OPTION_TEXT, &into->socket,
		  "the daemon's socket (default: $BERTH_SOCKET, then the usual places)" },
		{ "json", NULL, OPTION_FLAG, &into->json, "answer as JSON" },
		{ "help", NULL, OPTION_FLAG, &p->help, "show this" },
		{ 0 },
	};

	*p = (struct parse){ .command = command };
	add_options(p, command->options);
	add_options(p, common);
}

static void
add_text(struct texts *texts, const char *text)
{
	texts->items = need(reallocarray(texts->items, texts->count + 1, sizeof *texts->items));
	texts->items[texts->count++] = text;
}

/* 0, or the exit status after a complaint. */
static int
store(const struct parse *p, const struct cli_option *option, const char *value)
{
	assert(option->into);
	switch (option->type) {
	case OPTION_FLAG: *(bool *)option->into = true; break;
	case OPTION_TEXT: *(const char **)option->into = value; break;
	case OPTION_TEXTS:
	case OPTION_WORDS: add_text(option->into, value); break;
	case OPTION_DURATION:
		if (!duration_parse(value, option->into))
			return complain_usage(
				p->command->name,
				"--%s '%s': a duration is a number and ms, s, m, h or d, like 30s",
				option->name, value);
		break;
	}
	return 0;
}

/* What getopt_long refused: '?' an unknown or ambiguous option, ':' one without its value. */
static int
refuse(const struct parse *p, int opt, char **argv)
{
	const char *word = argv[optind - 1];

	if (opt == ':')
		return complain_usage(p->command->name, "%s needs a value", word);
	return complain_usage(p->command->name, "%s: there is no such option", word);
}

/* 0, or the exit status after a complaint. Leaves what is no option from optind on. */
static int
parse_options(struct parse *p, int argc, char **argv)
{
	const char *mode = p->command->takes == TAKES_COMMAND ? "+:" : ":";
	const struct cli_option *option;
	int opt, status;

	optind = 0;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, mode, p->getopt, NULL)) != -1) {
		if (opt == '?' || opt == ':')
			return refuse(p, opt, argv);
		option = &p->options[opt - 1];
		status = store(p, option, optarg);
		if (status)
			return status;
		while (option->type == OPTION_WORDS && optind < argc && *argv[optind] != '-')
			add_text(option->into, argv[optind++]);
	}
	return 0;
}

/* Where "--" stands, or argc. */
static int
dashes(int argc, char **argv)
{
	int i = 1;

	while (i < argc && strcmp(argv[i], "--") != 0)
		i++;
	return i;
}

static int
check(const struct command *command, const struct invocation *asked)
{
	if (asked->argc > command->most)
		return complain_usage(command->name, "'%s' is one word too many",
		                      asked->argv[command->most]);
	return -1;
}

int
command_parse(const struct command *command, int argc, char **argv, struct invocation *ret)
{
	bool after = command->takes == TAKES_COMMAND_AFTER_DASHES;
	int end = after ? dashes(argc, argv) : argc;
	int start = after ? end + 1 : argc; /* of CMD */
	struct parse p;
	int status;

	*ret = (struct invocation){ 0 };
	parse_init(&p, command, ret);
	status = parse_options(&p, end, argv);
	if (status)
		return status;
	if (p.help) {
		command_print_help(command);
		return 0;
	}
	if (command->takes == TAKES_COMMAND)
		start = end = optind;
	ret->argc = end - optind;
	ret->argv = argv + optind;
	ret->command_argc = start < argc ? argc - start : 0;
	ret->command = start < argc ? argv + start : NULL;
	if (command->takes == TAKES_COMMAND ? !ret->command : start == argc && end < argc)
		return complain_usage(command->name, "which command?");
	return check(command, ret);
}

static void
print_option(const struct cli_option *option)
{
	char left[64];

	snprintf(left, sizeof left, "--%s%s%s", option->name, option->metavar ? " " : "",
	         option->metavar ? option->metavar : "");
	printf("  %-*s %s\n", WIDTH, left, option->help);
}

void
command_print_help(const struct command *command)
{
	struct invocation nowhere;
	struct parse p;

	if (command->main) {
		command->main(2, (char *[]){ (char *)command->name, (char *)"--help", NULL });
		return;
	}
	parse_init(&p, command, &nowhere);
	printf("usage: berth %s%s%s\n\n%s.\n\n", command->name, *command->usage ? " " : "",
	       command->usage, command->summary);
	for (int i = 0; i < p.count; i++)
		print_option(&p.options[i]);
	if (command->details)
		printf("\n%s", command->details);
}
