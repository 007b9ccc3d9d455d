/* SPDX-License-Identifier: MIT */
/* CLOCK_BOOTTIME: a lease goes on ageing while the machine sleeps. */
#include "daemon/base/clock.h"

#include <time.h>

static int64_t fixed = -1;

int64_t
clock_now(void)
{
	struct timespec now;

	if (fixed >= 0)
		return fixed;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void
clock_set(int64_t us)
{
	fixed = us;
}
