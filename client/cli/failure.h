/* SPDX-License-Identifier: MIT */
/* How CMD failed, in words for those who waited for it elsewhere. */
#pragma once

#include "client/cli/tap.h"
#include "proto/errors.h"

/* "'CMD' exited with status N on HOST: its last words" of a command of `argc` words. */
void failure_text(int argc, char **command, const struct tap *tap, int status,
                  char text[BERTH_ERROR_MESSAGE_MAX]);
