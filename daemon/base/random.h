/* SPDX-License-Identifier: MIT */
/* Secrets, ids and jitter from the kernel's generator. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { SECRET_BYTES = 16, SECRET_TEXT = 2 * SECRET_BYTES + 1 };

void random_bytes(void *out, size_t len);
uint32_t random_u32(void);
/* A password: 128 random bits as hex, NUL-terminated. */
void random_secret(char out[SECRET_TEXT]);
/* The delay before try number `attempt` (0, 1, …), in ms: doubles from `base` up to `max`, and then
 * somewhere between half of that and all of it, so that many who failed together do not return together. */
int random_backoff_ms(int attempt, int base, int max);
