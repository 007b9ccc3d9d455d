/* SPDX-License-Identifier: MIT */
/* CMD under a lease: runs it as a child, as if it ran alone, while the connection stays open. */
#pragma once

#include <stdbool.h>

#include "client/lib/berth.h"

/*
 * Runs a command (NULL-terminated, `argc` words) in the environment as it is now and waits for its
 * end. Signals to berth alone are passed on to it. It gets SIGTERM when berth is killed. Returns
 * its exit status as a shell gives it: 128 + n after signal n, 127 not found, 126 not executable.
 * When the daemon goes away, the leases of `client` are attached again as soon as one is back.
 */
int holder_run(int argc, char **command, struct berth_client *client);

struct tap;

/* What makes a run of CMD another one than holder_run()'s. */
struct holding {
	const struct berth_client *client;
	const char *at_stake; /* what is said when the daemon goes away */
	struct tap *tap; /* CMD's stderr goes through it; NULL: not. Not open before and after */
	/* The daemon went away: called now and then to make `client` a new connection; returns whether to
	 * go on calling. NULL (which it may become): a new one is not wanted. */
	bool (*come_back)(struct holding *holding);
	void *arg;             /* of come_back() */
	bool keeps_connection; /* the connection stays open as long as CMD or a child of it lives */
	bool interrupted;      /* returned: CMD was told to end, and did not end well */
};
int holder_run_as(int argc, char **command, struct holding *holding);
/*
 * Signals are for CMD while it runs, and held back after its end, so that what it left can be put
 * in order. From here on those that end a program end us again, held back ones too.
 */
void holder_be_mortal(void);

/*
 * Waits until stdin ends or a signal asks to stop, and returns 0; an exit status after a complaint when
 * the daemon goes first and does not come back, or comes back without the lease.
 */
int holder_wait(struct berth_client *client);
