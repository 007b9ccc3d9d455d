/* SPDX-License-Identifier: MIT */
/* A fingerprint of files, the same on every machine that has the same ones. */
#pragma once

#include "client/cli/command.h"
#include "proto/errors.h"

enum { FINGERPRINT_TEXT = 65 };

/*
 * SHA-256, in hex, of what `sha256sum NAME... | LC_ALL=C sort -k 2` prints in the directory nearest
 * to the root that holds all of the files: their contents count, and their names from there on, but
 * neither where that directory is nor the order in which they are given. ERR for a file that cannot
 * be read; the message begins with `what`, which names the option or is "".
 */
int fingerprint(const char *what, const struct texts *files, char ret[FINGERPRINT_TEXT],
                struct berth_error *e);
