/* SPDX-License-Identifier: MIT */
/* Shows on stderr what is waited for: redrawn in place on a terminal, one line otherwise. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct waiting {
	long long most_ms;
	int64_t began_ms;
	bool terminal;
	bool shown;
};

void waiting_init(struct waiting *waiting, long long most_ms);
/* For berth_options.progress; `arg` is the struct waiting. Never stops the waiting. */
int waiting_show(void *arg, int position, const char *why);
/* The same in other words. What they are on a terminal should say how long it has been. */
void waiting_say(struct waiting *waiting, const char *text);
/* Clears the line, if there is one. */
void waiting_end(struct waiting *waiting);
