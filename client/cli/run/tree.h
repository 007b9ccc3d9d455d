/* SPDX-License-Identifier: MIT */
/* Directories and small files, by descriptors and without following links. */
#pragma once

#include <dirent.h>
#include <stddef.h>

#include "client/cli/run/user.h"
#include "proto/errors.h"

/* The entries of the directory `dir`, whose descriptor stays the caller's. NULL on failure. */
DIR *tree_list(int dir);
/* Makes the open file or directory `owner`'s (NULL: leaves it ours). */
int tree_give(int fd, const struct user *owner);
/* Removes `name` in the directory `dir` with all that is in it. 0 also when there is none. */
int tree_remove(int dir, const char *name);
/* Makes the directory `name` in `dir`, 0700, the owner's (NULL: ours). Returns it open, or -1. */
int tree_mkdir(int dir, const char *name, const struct user *owner, struct berth_error *e);
/* Writes a new file, 0600 and the owner's, in place of any that is there. */
int tree_write(int dir, const char *name, const char *text, const struct user *owner,
               struct berth_error *e);
/* Reads the beginning of a file into `text`, NUL-terminated; -1 when it cannot be read. */
int tree_read(int dir, const char *name, char *text, size_t size);
