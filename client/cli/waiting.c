/* SPDX-License-Identifier: MIT */
/* The line that says how long berth has been waiting, and for what. */
#include "client/cli/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/complain.h"
#include "client/cli/duration.h"

enum { LINE_MAX_BYTES = 512, COLUMNS = 80, QUIET_MS = 500 };

static int64_t
now_in_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
is_terminal(void)
{
	const char *term = getenv("TERM");

	return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

void
waiting_init(struct waiting *waiting, long long most_ms)
{
	*waiting = (struct waiting){
		.most_ms = most_ms,
		.began_ms = now_in_ms(),
		.terminal = is_terminal(),
	};
}

static void
describe(const struct waiting *waiting, int position, const char *why, char text[LINE_MAX_BYTES])
{
	char spent[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX], place[48] = "";

	duration_show((now_in_ms() - waiting->began_ms) / 1000 * 1000, spent);
	duration_show(waiting->most_ms, most);
	if (position > 0)
		snprintf(place, sizeof place, ": position %d in the queue", position);
	snprintf(text, LINE_MAX_BYTES, "waiting for a lease, %s%s%s%s%s%s",
	         waiting->terminal ? spent : "", waiting->terminal ? " of " : "up to ", most, place,
	         why ? ": " : "", why ? why : "");
}

void
waiting_say(struct waiting *waiting, const char *text)
{
	struct winsize size = { .ws_col = COLUMNS };

	if (now_in_ms() - waiting->began_ms < QUIET_MS)
		return;
	if (!waiting->terminal && !waiting->shown)
		notice("%s", text);
	if (waiting->terminal) {
		ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
		fprintf(stderr, "\r\033[K%.*s", size.ws_col > 1 ? size.ws_col - 1 : COLUMNS - 1,
		        text);
	}
	waiting->shown = true;
}

int
waiting_show(void *arg, int position, const char *why)
{
	char text[LINE_MAX_BYTES];

	describe(arg, position, why, text);
	waiting_say(arg, text);
	return 0;
}

void
waiting_end(struct waiting *waiting)
{
	if (waiting->terminal && waiting->shown)
		fputs("\r\033[K", stderr);
	waiting->shown = false;
}
