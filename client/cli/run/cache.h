/* SPDX-License-Identifier: MIT */
/*
 * The cache of initialised data directories, in $XDG_CACHE_HOME/berth or ~/.cache/berth:
 *
 *     lock                    flock: shared while copying out, exclusive while putting in
 *     postgres-HASH/          for one postgres program and one way of initialising
 *       list  contents        a pack (pack.h); the time of `contents` is that of its last use
 *     postgres-HASH.new/      being built: renamed when complete, removed by the next builder
 *
 * A cache that cannot be used only costs time: nothing here is an error of the run.
 */
#pragma once

#include <stdbool.h>
#include <sys/file.h>

#include "client/cli/run/user.h"
#include "client/cli/run/watch.h"

struct cache {
	int dir; /* -1: there is none */
	int lock;
	char entry[40];
	struct watch *watch; /* borrowed */
};

/* The cache's entry for this postgres program. Says why when there can be no cache. */
void cache_open(struct cache *cache, const char *postgres, struct watch *watch);
void cache_close(struct cache *cache);
/* LOCK_SH, LOCK_EX or LOCK_UN; waits for others. False without a cache or when watch->ending. */
bool cache_lock(struct cache *cache, int operation);
/*
 * Copies the entry into the empty directory `to`, which becomes `owner`'s. Returns 1 when it did, 0
 * when there is none, and -1 when that is damaged, which it has said, or the watch is ending.
 */
int cache_load(struct cache *cache, int to, const struct user *owner);
/* Keeps a copy of the directory `from`; with the exclusive lock. Says so when it cannot. */
void cache_store(struct cache *cache, int from);
/* Removes the entry; with the exclusive lock. */
void cache_discard(struct cache *cache);
