/* SPDX-License-Identifier: MIT */
/*
 * service: what a service manager is told and hands over, as systemd has it (sd_notify(3),
 * sd_listen_fds(3)). Without one, or without libsystemd, all of it does nothing.
 */
#pragma once

#include <event2/event.h>

#include "proto/errors.h"

/*
 * The listening Unix socket that was handed over: 1, with its descriptor's path (static); 0: none. -1:
 * what was handed over is something else, and `e` says what.
 */
int service_socket(const char **ret_path, struct berth_error *e);
/* Its descriptor, non-blocking; -1 for none. It is the manager's: never unlinked, closed with the process. */
int service_descriptor(void);

/*
 * From now on the watchdog is fed from this loop, as often as the manager wants, and only while it turns;
 * `tell` is called then and every few seconds, for service_status().
 */
void service_start(struct event_base *base, void (*tell)(void *arg), void *arg);
void service_stop(void);

/* Started, and what it is doing; reloading; leaving. A status that has not changed is not sent again. */
void service_ready(void);
void service_reloading(void);
void service_stopping(void);
void service_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
