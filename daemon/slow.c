/* SPDX-License-Identifier: MIT */
/* An array in order. */
#include "daemon/slow.h"

#include <string.h>

#include "daemon/base/clock.h"

void
slow_forget(struct slow *slow, int64_t now)
{
	int kept = 0;

	for (int i = 0; i < slow->count; i++)
		if (now - slow->rows[i].at <= clock_ms(3600000))
			slow->rows[kept++] = slow->rows[i];
	slow->count = kept;
}

void
slow_note(struct slow *slow, const struct slow_reset *reset)
{
	int at = 0;

	slow_forget(slow, reset->at);
	while (at < slow->count && slow->rows[at].us >= reset->us)
		at++;
	if (at == SLOW_MOST)
		return;
	if (slow->count < SLOW_MOST)
		slow->count++;
	memmove(&slow->rows[at + 1], &slow->rows[at], (size_t)(slow->count - at - 1) * sizeof *slow->rows);
	slow->rows[at] = *reset;
}
