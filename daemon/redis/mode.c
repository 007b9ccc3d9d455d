/* SPDX-License-Identifier: MIT */
/* The words of the levels of Redis a lease can have. */
#include <string.h>

#include "daemon/redis/redis.h"

static const char *const words[] = {
	[REDIS_NONE] = "none",
	[REDIS_INDEX] = "index",
	[REDIS_ACL] = "acl",
	[REDIS_PRIVATE] = "private",
};

const char *
redis_mode_word(enum redis_mode mode)
{
	return words[mode];
}

int
redis_mode_of(const char *word)
{
	for (int mode = REDIS_NONE; mode <= REDIS_PRIVATE; mode++)
		if (strcmp(words[mode], word) == 0)
			return mode;
	return -1;
}
