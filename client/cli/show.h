/* SPDX-License-Identifier: MIT */
/* A held lease as acquire and attach print it. */
#pragma once

#include <stdbool.h>

#include "client/cli/vars.h"
#include "client/lib/berth.h"

enum show { SHOW_TABLE, SHOW_JSON, SHOW_SHELL };

/* Prints the lease, and the variables that --env asked for (in a shell's form: all variables). */
void show_lease(enum show how, const struct berth_lease *lease, const char *socket,
                const struct texts *env);
