/* SPDX-License-Identifier: MIT */
/* Building environments. Out of memory ends the program: nothing was started for it yet. */
#include "client/cli/run/env.h"

#include <assert.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Takes `var`. */
static void
append(struct env *env, char *var)
{
	env->vars = realloc(env->vars, (env->count + 2) * sizeof *env->vars);
	assert(env->vars && var);
	env->vars[env->count++] = var;
	env->vars[env->count] = NULL;
}

static bool
is_named(const char *var, const char *name)
{
	size_t len = strlen(name);

	return strncmp(var, name, len) == 0 && var[len] == '=';
}

void
env_copy(struct env *env, char *const *from, const char *without)
{
	for (; *from; from++)
		if (!without || strncmp(*from, without, strlen(without)) != 0)
			append(env, strdup(*from));
}

void
env_set(struct env *env, const char *name, const char *fmt, ...)
{
	char *value, *var;
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&value, fmt, ap);
	va_end(ap);
	assert(len >= 0);
	len = asprintf(&var, "%s=%s", name, value);
	assert(len >= 0);
	free(value);
	for (size_t i = 0; i < env->count; i++) {
		if (is_named(env->vars[i], name)) {
			free(env->vars[i]);
			env->vars[i] = var;
			return;
		}
	}
	append(env, var);
}

void
env_keep(struct env *env, const char *name)
{
	const char *value = getenv(name);

	if (value)
		env_set(env, name, "%s", value);
}

void
env_fini(struct env *env)
{
	for (size_t i = 0; i < env->count; i++)
		free(env->vars[i]);
	free(env->vars);
	*env = (struct env){ 0 };
}
