/* SPDX-License-Identifier: MIT */
/* getrandom(2), and what is made of it. */
#include "daemon/base/random.h"

#include <assert.h>
#include <stdio.h>
#include <sys/random.h>

void
random_bytes(void *out, size_t len)
{
	/* Up to 256 bytes come whole and without EINTR (getrandom(2)). */
	assert(len <= 256);
	ssize_t got = getrandom(out, len, 0);
	assert(got == (ssize_t)len);
}

uint32_t
random_u32(void)
{
	uint32_t value;

	random_bytes(&value, sizeof value);
	return value;
}

void
random_secret(char out[SECRET_TEXT])
{
	unsigned char raw[SECRET_BYTES];

	random_bytes(raw, sizeof raw);
	for (int i = 0; i < SECRET_BYTES; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

int
random_backoff_ms(int attempt, int base, int max)
{
	int64_t delay = base;

	assert(base > 0 && max >= base);
	for (int i = 0; i < attempt && delay < max; i++)
		delay *= 2;
	if (delay > max)
		delay = max;
	return (int)(delay / 2 + random_u32() % (delay / 2 + 1));
}
