/* SPDX-License-Identifier: MIT */
/* Redis URLs as redis-py, ioredis and go-redis write them, taken apart and put together. */
#pragma once

#include <stddef.h>

#include "proto/errors.h"

enum {
	REDIS_USER_MAX = 64,
	REDIS_PASSWORD_MAX = 256,
	REDIS_HOST_MAX = 256,
	REDIS_SOCKET_MAX = 108,
	REDIS_URL_MAX = 1536
};

/* Where a server is and who one is there. Exactly one of `host` and `socket` is not empty. */
struct redis_url {
	char user[REDIS_USER_MAX];         /* "" for the default user */
	char password[REDIS_PASSWORD_MAX]; /* "" without one */
	char host[REDIS_HOST_MAX]; /* a name or a numeric address, an IPv6 one without brackets */
	int port;                  /* 0 with a socket */
	char socket[REDIS_SOCKET_MAX]; /* an absolute path; what fits into sockaddr_un */
	int db;                        /* -1 when the URL names none */
};

/*
 * Takes apart redis://[[user]:password@]host[:port][/db] and unix://[[user]:password@]/path[?db=N];
 * every part may be percent-encoded. USAGE (which never repeats the URL: it is secret) otherwise;
 * `ret` is then untouched.
 */
int redis_url_parse(const char *text, struct redis_url *ret, struct berth_error *e);

/* Puts it together again, percent-encoding what needs it; db < 0 is left out. `out` holds
 * REDIS_URL_MAX bytes, which every redis_url fits into. */
void redis_url_format(const struct redis_url *url, char out[REDIS_URL_MAX]);
