/* SPDX-License-Identifier: MIT */
/*
 * journal: what the next berthd on this socket must know, in a file beside it.
 *
 * Records by key, in memory and in an append-only file: a berthd that is killed between two instructions
 * leaves all that it has told anybody. It is on the disk's cache when the call returns, and not synced:
 * whoever holds a lease is gone with the machine, too. Secrets are in it, so it is 0600 and its owner's.
 *
 *     *3 BERTH version boot-id    *2 RUNNER id    *2 SERIAL n    *3 PUT key …    *2 DROP key
 *
 * in the wire's own format, read by its own parser. What is not of this version, this boot of the machine
 * or whole is not believed: then there is no journal, and what was there goes the way of a dead runner's.
 *
 * The lock on the socket's path is held while the file is open, so there is one writer.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/request.h"

struct record;

struct journal {
	char path[160];
	char runner[16];        /* whose life it tells; "" while there is none */
	int fd;                 /* -1: not kept (any more) */
	unsigned serial, bound; /* below `bound` numbers may have been given away by an earlier life */
	struct record *records;
	long live, written;     /* records; lines of the file since it was last written anew */
};

/* Reads the file at `path`, if there is one to be believed. `journal->runner` says whether. */
void journal_open(struct journal *journal, const char *path);
/* From now on records of `runner` are kept; those that were read stay when it is the same one. A file that
 * cannot be written is said once in the log, and then there is none. */
void journal_keep(struct journal *journal, const char *runner);
/* Whether the next berthd will know. */
bool journal_kept(const struct journal *journal);
/* The file stays for the next berthd; nothing is written any more. */
void journal_close(struct journal *journal);
/* There is nothing to tell the next one: the file goes. */
void journal_discard(struct journal *journal);

/* Puts the record of that key, instead of the one that is there. Texts are borrowed for the call. */
void journal_put(struct journal *journal, const char *key, int argc, const char *const argv[]);
/* Takes it away; nothing when it is not there. */
void journal_drop(struct journal *journal, const char *key);
/* Every record of a key that begins with `prefix`, as argv[0] = key and what was put. It may be dropped from there. */
void journal_each(struct journal *journal, const char *prefix,
                  void (*each)(void *arg, const struct request *record), void *arg);
/* A number that no life of this runner has given away. */
unsigned journal_number(struct journal *journal);
