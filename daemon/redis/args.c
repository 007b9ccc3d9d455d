/* SPDX-License-Identifier: MIT */
/* The growing command of args.h. */
#include "daemon/redis/args.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
take(struct args *args, char *word)
{
	if (!word)
		abort();
	if (args->count == args->room) {
		args->room = args->room ? 2 * args->room : 16;
		args->words = reallocarray(args->words, (size_t)args->room, sizeof *args->words);
		if (!args->words)
			abort();
	}
	args->words[args->count++] = word;
}

void
args_add(struct args *args, const char *word)
{
	take(args, strdup(word));
}

void
args_addf(struct args *args, const char *fmt, ...)
{
	char *word;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&word, fmt, ap) < 0)
		abort();
	va_end(ap);
	take(args, word);
}

void
args_add_number(struct args *args, int64_t number)
{
	args_addf(args, "%" PRId64, number);
}

void
args_fini(struct args *args)
{
	for (int i = 0; i < args->count; i++) {
		explicit_bzero(args->words[i], strlen(args->words[i]));
		free(args->words[i]);
	}
	free(args->words);
	*args = (struct args){ 0 };
}
