/* SPDX-License-Identifier: MIT */
/*
 * A directory tree in two files: a list, and the contents one after the other.
 *
 *     D base/1                  a directory
 *     F 8192 base/1/1249        a file of so many bytes
 *     end                       without it the list is not complete
 *
 * PostgreSQL's thousand small files cost a second or more on some disks; two files cost nothing.
 */
#pragma once

#include <stdio.h>

#include "client/cli/run/user.h"
#include "client/cli/run/watch.h"
#include "proto/errors.h"

/*
 * Packs what is in the directory `from`: files and directories; anything else is an error. The list
 * and the contents are borrowed, and are written from where they stand.
 */
int pack_write(int from, FILE *list, int contents, struct watch *watch, struct berth_error *e);
/*
 * Unpacks into the empty directory `to`, readable by its owner alone; all of it, and `to` itself,
 * belong to `owner` in the end. Gives up when watch->ending. What is incomplete is an error.
 */
int pack_read(FILE *list, int contents, int to, const struct user *owner, struct watch *watch,
              struct berth_error *e);
