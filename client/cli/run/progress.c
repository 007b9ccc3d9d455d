/* SPDX-License-Identifier: MIT */
/* Messages on stderr, and the stages of a start. */
#include "client/cli/run/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { SLOW_US = 500 * 1000 };

int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void
say(const char *fmt, ...)
{
	char text[4096] = "berth run: ";
	size_t prefix = strlen(text), len;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + prefix, sizeof text - prefix - 1, fmt, ap);
	va_end(ap);
	len = strlen(text);
	text[len++] = '\n';
	if (write(STDERR_FILENO, text, len) < 0)
		return; /* nobody is left to be told */
}

void
progress_init(struct progress *progress, bool verbose)
{
	*progress = (struct progress){ .verbose = verbose, .start_us = now_us() };
}

void
progress_stage(struct progress *progress, const char *what)
{
	int64_t now = now_us();

	if (progress->what && (progress->verbose || progress->told))
		say("%s: %.1f ms", progress->what, (double)(now - progress->began_us) / 1000);
	progress->what = what;
	progress->began_us = now;
	progress->told = false;
}

void
progress_tick(struct progress *progress)
{
	if (!progress->what || progress->told || now_us() - progress->began_us < SLOW_US)
		return;
	progress->told = true;
	if (!progress->verbose)
		say("%s ...", progress->what);
}

void
progress_total(const struct progress *progress, const char *what)
{
	if (progress->verbose)
		say("%s: %.1f ms in all", what, (double)(now_us() - progress->start_us) / 1000);
}
