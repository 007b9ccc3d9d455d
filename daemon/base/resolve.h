/* SPDX-License-Identifier: MIT */
/*
 * Host names to addresses without blocking the loop: libpq and hiredis would call getaddrinfo(3)
 * inside "asynchronous" connects, so they are only ever given numeric addresses or socket paths.
 */
#pragma once

struct evdns_base;
struct event_base;
struct resolve;

/* Called exactly once: `address` is numeric ("127.0.0.1", "::1") and borrowed, or NULL with `why` said. */
typedef void resolve_done(void *arg, const char *address, const char *why);

struct evdns_base *resolve_base_new(struct event_base *base);
void resolve_base_free(struct evdns_base *dns);
/* Starts looking `host` up. A numeric host, and "localhost", are answered before this returns, and
 * then NULL is returned. Otherwise the answer is a request that resolve_cancel() may end. */
struct resolve *resolve_start(struct evdns_base *dns, const char *host, resolve_done *done, void *arg);
/* `done` will not be called. Takes NULL. */
void resolve_cancel(struct resolve *resolve);
