/* SPDX-License-Identifier: MIT */
/* The environment variables that a lease becomes: the usual ones, and those that --env asks for. */
#pragma once

#include "client/cli/command.h"
#include "client/lib/berth.h"

/* One variable; a NULL value means: unset it, an inherited one would be another lease's. */
struct var {
	char *name;
	char *value;
};

/* Owns its texts. */
struct vars {
	struct var *items;
	size_t count;
};

/* Checks the NAME=FORMAT of every --env: 0, or USAGE. */
int vars_check(const struct texts *env, struct berth_error *e);
/* The variables of a lease from the daemon at `socket`; a checked --env replaces the usual. */
void vars_init(struct vars *vars, const struct berth_lease *lease, const char *socket,
               const struct texts *env);
void vars_fini(struct vars *vars);

/* Puts them into this process' environment. */
void vars_set(const struct vars *vars);
/* Prints them as lines for a shell: export NAME='…', or unset NAME. */
void vars_print_shell(const struct vars *vars);
/* Prints a text so that a shell takes it as one word, whatever is in it. */
void print_quoted(const char *text);
