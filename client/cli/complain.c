/* SPDX-License-Identifier: MIT */
/* Errors, notices and hints on stderr. */
#include "client/cli/complain.h"

#include <stdio.h>
#include <stdlib.h>

static void
line(const char *prefix, const char *fmt, va_list ap)
{
	char text[4096];

	vsnprintf(text, sizeof text, fmt, ap);
	fprintf(stderr, "%s: %s\n", prefix, text);
}

void
notice(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("berth", fmt, ap);
	va_end(ap);
}

void
hint(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line("hint", fmt, ap);
	va_end(ap);
}

int
complain(const struct berth_client *client, const struct berth_error *e)
{
	notice("%s %s", berth_error_name(e->code), e->message);
	if (client && !berth_connected(client))
		return EXIT_UNREACHABLE;
	return berth_error_exit_status(e->code);
}

int
complain_usage(const char *command, const char *fmt, ...)
{
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	notice("USAGE %s", text);
	if (command)
		hint("berth help %s", command);
	else
		hint("berth alone shows what can be done");
	return EXIT_WRONG_USAGE;
}

void *
need(void *memory)
{
	if (!memory) {
		notice("%s out of memory", berth_error_name(BERTH_LIMIT));
		exit(berth_error_exit_status(BERTH_LIMIT));
	}
	return memory;
}
