/* SPDX-License-Identifier: MIT */
/* An environment for a child: a NULL-terminated list of NAME=value. */
#pragma once

#include <stddef.h>

/* Owns the texts. */
struct env {
	char **vars;
	size_t count;
};

/* Copies `from` without the names that begin with `without` (NULL: all of it). */
void env_copy(struct env *env, char *const *from, const char *without);
/* Copies one variable of ours, if it is set. */
void env_keep(struct env *env, const char *name);
/* Sets or replaces a variable. */
void env_set(struct env *env, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void env_fini(struct env *env);
