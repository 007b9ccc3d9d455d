/* SPDX-License-Identifier: MIT */
/* Time as the daemon sees it: one monotonic clock, in microseconds, that a test can move. */
#pragma once

#include <stdint.h>

/* Microseconds since some fixed moment; never goes back. */
int64_t clock_now(void);
/* From now on clock_now() answers this; -1 goes back to the real clock. For tests. */
void clock_set(int64_t us);

static inline int64_t
clock_ms(int64_t ms)
{
	return ms * 1000;
}
