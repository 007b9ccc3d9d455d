/* SPDX-License-Identifier: MIT */
/* berth completions: what a shell reads to complete our commands and options, from their own rows. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"

/* What the words of a shell's script are made of, in the order in which they are written. */
struct dialect {
	const char *shell;
	void (*begin)(void);
	void (*command)(const struct command *command);
	void (*end)(void);
};

/* ---- what there is to be said ---- */

static const struct cli_option common[] = {
	{ "socket", "PATH", OPTION_TEXT, NULL, "the daemon's socket" },
	{ "json", NULL, OPTION_FLAG, NULL, "answer as JSON" },
	{ "help", NULL, OPTION_FLAG, NULL, "show this" },
	{ 0 }
};

/* Calls `each` with its own options and, of those that have none of the common ones (berth run), the ones in its usage. */
static void
each_option(const struct command *command, void (*each)(const struct cli_option *option))
{
	char name[32];

	for (const struct cli_option *o = command->options; o && o->name; o++)
		each(o);
	for (const struct cli_option *o = common; !command->main && o->name; o++)
		each(o);
	for (const char *at = command->usage; command->main && (at = strstr(at, "[--")); at++)
		if (sscanf(at, "[--%31[a-z-]", name) == 1)
			each(&(struct cli_option){ name, NULL, OPTION_FLAG, NULL, name });
}

/* The lower-case words with which the alternatives of its usage begin: "ls" of "ensure NAME | ls". */
static void
each_word(const struct command *command, void (*each)(const char *word))
{
	char word[32];

	for (int i = 0; commands[i] && strcmp(command->usage, "[COMMAND]") == 0; i++)
		each(commands[i]->name);
	for (const char *at = command->usage; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (sscanf(at, " %31[a-z]", word) == 1)
			each(word);
	}
}

static bool
runs_something(const struct command *command)
{
	return command->main || command->takes != TAKES_NO_COMMAND;
}

/* A text between single quotes, with a backslash before each of `special`. */
static void
quoted(const char *text, const char *special)
{
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", stdout);
		else
			printf("%s%c", strchr(special, *text) ? "\\" : "", *text);
	}
}

/* ---- bash ---- */

static void
bash_begin(void)
{
	puts("# bash completion for berth(1)\n"
	     "_berth() {\n"
	     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words=() options=() runs=\n"
	     "\tCOMPREPLY=()\n"
	     "\tif [ \"$COMP_CWORD\" -gt 1 ]; then\n"
	     "\t\tcase ${COMP_WORDS[1]} in");
}

static void
bash_option(const struct cli_option *option)
{
	printf(" --%s", option->name);
}

static void
bash_word(const char *word)
{
	printf(" %s", word);
}

static void
bash_command(const struct command *command)
{
	printf("\t\t%s) words=(", command->name);
	each_word(command, bash_word);
	fputs(" ) options=(", stdout);
	each_option(command, bash_option);
	printf(" )%s ;;\n", runs_something(command) ? " runs=1" : "");
}

static void
bash_end(void)
{
	puts("\t\tesac\n"
	     "\telse\n"
	     "\t\twords=(");
	for (int i = 0; commands[i]; i++)
		printf("\t\t\t%s\n", commands[i]->name);
	puts("\t\t)\n"
	     "\tfi\n"
	     "\tif [[ $cur == -* ]]; then\n"
	     "\t\twords=(\"${options[@]}\")\n"
	     "\telif [ -n \"$runs\" ] && { [ ${#words[@]} = 0 ] || [ \"$COMP_CWORD\" -gt 2 ]; }; then\n"
	     "\t\tmapfile -t COMPREPLY < <(compgen -A command -- \"$cur\")\n"
	     "\t\treturn\n"
	     "\tfi\n"
	     "\tmapfile -t COMPREPLY < <(compgen -W \"${words[*]}\" -- \"$cur\")\n"
	     "}\n"
	     "complete -o default -F _berth berth");
}

/* ---- zsh ---- */

static void
zsh_begin(void)
{
	puts("#compdef berth\n"
	     "# zsh completion for berth(1)\n"
	     "local -a commands=(");
	for (int i = 0; commands[i]; i++) {
		printf("\t'%s:", commands[i]->name);
		quoted(commands[i]->summary, ":\\");
		puts("'");
	}
	puts(")\n"
	     "if (( CURRENT == 2 )); then\n"
	     "\t_describe command commands\n"
	     "\treturn\n"
	     "fi\n"
	     "shift words; (( CURRENT-- ))\n"
	     "case $words[1] in");
}

static void
zsh_option(const struct cli_option *option)
{
	printf(" \\\n\t\t'%s--%s[", option->type == OPTION_TEXTS ? "*" : "", option->name);
	quoted(option->help, "[]\\");
	printf("]%s%s%s'", option->metavar ? ":" : "", option->metavar ? option->metavar : "",
	       option->metavar ? ":_files" : "");
}

static int zsh_words;

static void
zsh_word(const char *word)
{
	printf("%s%s", zsh_words++ ? " " : " \\\n\t\t'1:word:(", word);
}

static void
zsh_command(const struct command *command)
{
	printf("%s)\n\t_arguments -s", command->name);
	each_option(command, zsh_option);
	zsh_words = 0;
	each_word(command, zsh_word);
	printf("%s%s ;;\n", zsh_words ? ")'" : "",
	       runs_something(command) ? " \\\n\t\t'*::command:_normal'" : "");
}

static void
zsh_end(void)
{
	puts("esac");
}

/* ---- fish ---- */

static const struct command *described;

static void
fish_begin(void)
{
	puts("# fish completion for berth(1)\n"
	     "complete -c berth -f");
}

static void
fish_option(const struct cli_option *option)
{
	printf("complete -c berth -n '__fish_seen_subcommand_from %s' -l %s%s -d '", described->name, option->name,
	       option->metavar ? " -r -F" : "");
	quoted(option->help, "\\");
	puts("'");
}

static void
fish_word(const char *word)
{
	printf("complete -c berth -n '__fish_seen_subcommand_from %s' -a %s\n", described->name, word);
}

static void
fish_command(const struct command *command)
{
	described = command;
	printf("complete -c berth -n __fish_use_subcommand -a %s -d '", command->name);
	quoted(command->summary, "\\");
	puts("'");
	each_word(command, fish_word);
	each_option(command, fish_option);
	if (runs_something(command))
		printf("complete -c berth -n '__fish_seen_subcommand_from %s' -a '(__fish_complete_command)'\n",
		       command->name);
}

static void
fish_end(void)
{
}

/* ---- */

static const struct dialect dialects[] = {
	{ "bash", bash_begin, bash_command, bash_end },
	{ "zsh", zsh_begin, zsh_command, zsh_end },
	{ "fish", fish_begin, fish_command, fish_end },
	{ 0 }
};

static int
run(const struct invocation *asked)
{
	const struct dialect *dialect = dialects;

	while (dialect->shell && (!asked->argc || strcmp(dialect->shell, asked->argv[0]) != 0))
		dialect++;
	if (!dialect->shell)
		return complain_usage("completions", "bash, zsh or fish?");
	dialect->begin();
	for (int i = 0; commands[i]; i++)
		dialect->command(commands[i]);
	dialect->end();
	return 0;
}

const struct command command_completions = {
	.name = "completions",
	.usage = "bash | zsh | fish",
	.summary = "What a shell reads to complete berth's commands and options",
	.details = "An installed berth brings them along. Otherwise, for the shell that asks:\n"
		   "\n"
		   "  source <(berth completions bash)          in ~/.bashrc\n"
		   "  berth completions fish | source           in ~/.config/fish/config.fish\n"
		   "  berth completions zsh > DIR/_berth        with a DIR of $fpath\n",
	.most = 1,
	.run = run,
};
