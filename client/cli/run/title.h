/* SPDX-License-Identifier: MIT */
/* What `ps` shows of this process. */
#pragma once

/*
 * Overwrites the argument vector that the process was started with, up to the last of the `argc`
 * arguments of `argv` (its tail): their texts are gone afterwards. A title that is too long is cut.
 */
void title_set(int argc, char **argv, const char *title);
