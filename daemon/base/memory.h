/* SPDX-License-Identifier: MIT */
/* Memory that is there, or the end: out of memory the daemon aborts (the registry survives it). */
#pragma once

#include <stddef.h>

/* A copy of `text`, to be freed; NULL for NULL. */
char *memory_copy(const char *text);
/* `array` of `count` elements with one more, zeroed, at its end. */
void *memory_more(void *array, int count, size_t size);
