/* SPDX-License-Identifier: MIT */
/* malloc() that does not fail. */
#include "daemon/base/memory.h"

#include <stdlib.h>
#include <string.h>

char *
memory_copy(const char *text)
{
	char *made = text ? strdup(text) : NULL;

	if (text && !made)
		abort();
	return made;
}

void *
memory_more(void *array, int count, size_t size)
{
	char *grown = realloc(array, (size_t)(count + 1) * size);

	if (!grown)
		abort();
	memset(grown + (size_t)count * size, 0, size);
	return grown;
}
