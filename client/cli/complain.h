/* SPDX-License-Identifier: MIT */
/* What goes wrong, on stderr: `berth: CODE message`, and a hint where one helps. */
#pragma once

#include "client/lib/berth.h"

enum { EXIT_WRONG_USAGE = 2, EXIT_UNREACHABLE = 69 };

/* Says the error and returns its exit status; 69 when the client (may be NULL) lost its connection.
 */
int complain(const struct berth_client *client, const struct berth_error *e);
/* Says that the command line is wrong and returns 2. `command` is its name, or NULL. */
int complain_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A line that is no error: `berth: …`. */
void notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* `hint: …` */
void hint(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* What an allocation returned, unless it failed: then berth says so and exits. */
void *need(void *memory);
