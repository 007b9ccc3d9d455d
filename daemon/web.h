/* SPDX-License-Identifier: MIT */
/*
 * web: metrics and the status page over HTTP, on a loopback port or a Unix socket (setting `metrics`).
 *
 * It reads alone: GET and HEAD of a few paths. A request has WEB_REQUEST_BYTES, everything of it WEB_MS, and there
 * are WEB_VISITS at a time (the kernel keeps the others waiting); each connection has one answer. libevent's own
 * HTTP server bounds neither how many connections there are nor how long they last.
 */
#pragma once

#include <event2/event.h>
#include <netinet/in.h>
#include <sys/queue.h>
#include <sys/un.h>

#include "proto/errors.h"

struct berthd;
struct evconnlistener;
struct visit;

enum { WEB_REQUEST_BYTES = 4096, WEB_MS = 3000, WEB_VISITS = 8 };

struct web_address {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un un;
	};
	int len; /* 0: none */
};

struct web {
	struct berthd *berthd;
	struct evconnlistener *listener; /* NULL: not wanted */
	char address[128];               /* where it listens, "" for nowhere */
	bool local;                      /* a Unix socket: nobody else's page leads a browser there */
	LIST_HEAD(, visit) visits;
	int count;
	uint64_t answered;
};

/* "127.0.0.1:9187", "[::1]:9187", "localhost:9187", "/run/berth/metrics.sock", "" for none. USAGE for any other. */
int web_address_parse(const char *text, struct web_address *ret, struct berth_error *e);
/* Listens where the setting says. -1: it cannot. */
int web_open(struct web *web, struct berthd *berthd, struct berth_error *e);
void web_close(struct web *web);
