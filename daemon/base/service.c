/* SPDX-License-Identifier: MIT */
/* libsystemd's side of it, where there is one. */
#include "daemon/base/service.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#ifdef HAVE_LIBSYSTEMD
#include <systemd/sd-daemon.h>
#else
enum { SD_LISTEN_FDS_START = 3 };
#define sd_listen_fds(unset) 0
#define sd_is_socket_unix(fd, type, listening, path, length) 0
#define sd_watchdog_enabled(unset, usec) ((void)(usec), 0)
#define sd_notify(unset, text) ((void)(text))
#endif

static struct sockaddr_un address;
static bool given;
static struct event *turn;
static bool watched;
static void (*tell)(void *arg);
static void *tell_arg;
static char status[256];

enum { STATUS_US = 5000000 };

/* ---- what is handed over ---- */

int
service_socket(const char **ret_path, struct berth_error *e)
{
	socklen_t size = sizeof address;
	int count = sd_listen_fds(0), fd = SD_LISTEN_FDS_START;

	if (count == 0)
		return 0;
	if (count != 1)
		return berth_error_set(e, BERTH_USAGE, "%d descriptors were handed over (LISTEN_FDS); berthd wants one, a "
		                       "listening Unix socket", count);
	memset(&address, 0, sizeof address);
	if (sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0
	    || getsockname(fd, (struct sockaddr *)&address, &size) < 0 || address.sun_path[0] != '/')
		return berth_error_set(e, BERTH_USAGE, "the descriptor that was handed over (LISTEN_FDS) is no listening "
		                       "Unix stream socket with a path; see ListenStream= of its unit");
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	given = true;
	*ret_path = address.sun_path;
	return 1;
}

int
service_descriptor(void)
{
	return given ? SD_LISTEN_FDS_START : -1;
}

/* ---- the loop turns ---- */

static void
on_turn(evutil_socket_t fd, short what, void *arg)
{
	if (watched)
		sd_notify(0, "WATCHDOG=1");
	tell(tell_arg);
}

void
service_start(struct event_base *base, void (*tell_)(void *arg), void *arg)
{
	uint64_t us = 0, often = STATUS_US;
	struct timeval period;

	if (!getenv("NOTIFY_SOCKET"))
		return;
	tell = tell_;
	tell_arg = arg;
	watched = sd_watchdog_enabled(0, &us) > 0;
	if (watched && us / 2 < often)
		often = us / 2;
	period = (struct timeval){ .tv_sec = (time_t)(often / 1000000), .tv_usec = (suseconds_t)(often % 1000000) };
	turn = event_new(base, -1, EV_PERSIST, on_turn, NULL);
	if (!turn || event_add(turn, &period) < 0)
		abort();
}

void
service_stop(void)
{
	if (turn)
		event_free(turn);
	turn = NULL;
}

/* ---- what is told ---- */

void
service_ready(void)
{
	sd_notify(0, "READY=1");
}

/* The time tells a reload that was asked for from one that had begun before. */
void
service_reloading(void)
{
	struct timespec now;
	char text[80];

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
	         (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	sd_notify(0, text);
}

void
service_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

void
service_status(const char *fmt, ...)
{
	char text[sizeof status] = "STATUS=";
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text + strlen(text), sizeof text - strlen(text), fmt, ap);
	va_end(ap);
	if (strcmp(text, status) == 0)
		return;
	memcpy(status, text, sizeof status);
	sd_notify(0, status);
}
