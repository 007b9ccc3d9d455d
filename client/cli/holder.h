/* SPDX-License-Identifier: MIT */
/* CMD under a lease: runs it as a child, as if it ran alone, while the connection stays open. */
#pragma once

#include "client/lib/berth.h"

/*
 * Runs a command (NULL-terminated, `argc` words) in the environment as it is now and waits for its
 * end. Signals to berth alone are passed on to it. It gets SIGTERM when berth is killed. Returns
 * its exit status as a shell gives it: 128 + n after signal n, 127 not found, 126 not executable.
 */
int holder_run(int argc, char **command, const struct berth_client *client);
/*
 * Waits until stdin ends or a signal asks to stop, and returns 0; 69 after a complaint when the
 * daemon goes first.
 */
int holder_wait(const struct berth_client *client);
