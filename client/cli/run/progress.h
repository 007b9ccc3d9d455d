/* SPDX-License-Identifier: MIT */
/* What `berth run` tells a person on stderr: nothing, unless it is slow or something is wrong. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One stage at a time. */
struct progress {
	bool verbose;
	bool told;        /* this stage is slow, and that was said */
	const char *what; /* borrowed, static; NULL between stages */
	int64_t began_us;
	int64_t start_us; /* when all of it began */
};

/* Monotonic time in µs. */
int64_t now_us(void);
/* "berth run: …\n" on stderr, in one write. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

void progress_init(struct progress *progress, bool verbose);
/* Ends the stage before; `what` NULL only ends it. */
void progress_stage(struct progress *progress, const char *what);
/* Speaks up once a stage has taken half a second; call it while waiting. */
void progress_tick(struct progress *progress);
/* With --verbose: `what`, and the time since progress_init(). */
void progress_total(const struct progress *progress, const char *what);
