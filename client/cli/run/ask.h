/* SPDX-License-Identifier: MIT */
/* One question to a server on a Unix socket. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* The longest path that fits into a socket address. */
enum { SOCKET_PATH_MAX = 107 };

/*
 * Connects to `path`, sends `question` and reads the beginning of the answer into `answer`
 * (NUL-terminated), all within `timeout_ms`. Returns false when nobody answered in time.
 */
bool ask(const char *path, const char *question, char *answer, size_t size, int timeout_ms);
/* Whether a daemon answers PING at `path` (NULL or "": no). */
bool ask_ping(const char *path, int timeout_ms);
