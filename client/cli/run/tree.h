/* SPDX-License-Identifier: MIT */
/* Copying and removing directory trees, by descriptors and without following links. */
#pragma once

#include "client/cli/run/user.h"
#include "client/cli/run/watch.h"
#include "proto/errors.h"

struct tree_count {
	long long files;
	long long bytes;
};

/*
 * Copies what is in the directory `from` into the directory `to`: files and directories, readable
 * by their owner alone; anything else is an error. The copies belong to `owner` if that is not
 * NULL. Counts into *ret. Both descriptors are borrowed. Gives up when watch->ending.
 */
int tree_copy(int from, int to, const struct user *owner, struct watch *watch,
              struct tree_count *ret, struct berth_error *e);
/* Removes `name` in the directory `dir` with all that is in it. 0 also when there is none. */
int tree_remove(int dir, const char *name);
/* Makes the directory `name` in `dir`, 0700, the owner's (NULL: ours). Returns it open, or -1. */
int tree_mkdir(int dir, const char *name, const struct user *owner, struct berth_error *e);
/* Writes a new file, 0600 and the owner's, in place of any that is there. */
int tree_write(int dir, const char *name, const char *text, const struct user *owner,
               struct berth_error *e);
/* Reads the beginning of a file into `text`, NUL-terminated; -1 when it cannot be read. */
int tree_read(int dir, const char *name, char *text, size_t size);
