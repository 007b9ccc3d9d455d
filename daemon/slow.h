/* SPDX-License-Identifier: MIT */
/* slow: the slowest resets of the last hour, for who wonders where the time goes. Plain data. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/limits.h"

enum { SLOW_MOST = 8 };

struct slow_reset {
	char slot[LIMIT_NAME_BYTES + 1], worker[LIMIT_WORKER_BYTES + 1];
	int64_t us, at; /* at: clock_now() */
	int tables;
	bool rebuilt;
};

/* The slowest first. */
struct slow {
	struct slow_reset rows[SLOW_MOST];
	int count;
};

void slow_note(struct slow *slow, const struct slow_reset *reset);
/* Forgets those of more than an hour ago. */
void slow_forget(struct slow *slow, int64_t now);
