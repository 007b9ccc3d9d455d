/* SPDX-License-Identifier: MIT */
/* Times as people write them: 500ms, 30s, 10m, 2h, 1d. A number needs its unit, except 0. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Milliseconds; false when it is no duration, or none that fits. */
bool duration_parse(const char *text, long long *ret_ms);

enum { DURATION_TEXT_MAX = 32 };
/* Two units at most: "850ms", "12s", "3m20s", "2h5m", "3d4h". Returns buf. */
char *duration_show(long long ms, char buf[DURATION_TEXT_MAX]);
/* Microseconds, below a tenth of a second finer than duration_show(): "850us", "1.2ms". */
char *duration_show_us(long long us, char buf[DURATION_TEXT_MAX]);
