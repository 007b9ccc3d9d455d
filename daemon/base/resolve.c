/* SPDX-License-Identifier: MIT */
/* libevent's resolver (/etc/hosts and /etc/resolv.conf) behind one callback. */
#include "daemon/base/resolve.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct resolve {
	resolve_done *done; /* NULL: cancelled */
	void *arg;
	struct evdns_getaddrinfo_request *request;
	bool answered;
};

struct evdns_base *
resolve_base_new(struct event_base *base)
{
	return evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
}

void
resolve_base_free(struct evdns_base *dns)
{
	if (dns)
		evdns_base_free(dns, 1);
}

static const char *
numeric(const struct evutil_addrinfo *found, char *out, size_t size)
{
	if (getnameinfo(found->ai_addr, (socklen_t)found->ai_addrlen, out, (socklen_t)size, NULL, 0,
	                NI_NUMERICHOST) != 0)
		return NULL;
	return out;
}

static void
on_answer(int status, struct evutil_addrinfo *found, void *arg)
{
	struct resolve *resolve = arg;
	char address[NI_MAXHOST];

	resolve->answered = true;
	if (resolve->done && status == 0 && found)
		resolve->done(resolve->arg, numeric(found, address, sizeof address), "not a printable address");
	else if (resolve->done)
		resolve->done(resolve->arg, NULL, evutil_gai_strerror(status));
	if (found)
		evutil_freeaddrinfo(found);
	if (resolve->request)
		free(resolve);
}

static bool
is_numeric(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

struct resolve *
resolve_start(struct evdns_base *dns, const char *host, resolve_done *done, void *arg)
{
	struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct resolve *resolve;

	if (is_numeric(host) || strcasecmp(host, "localhost") == 0) {
		done(arg, is_numeric(host) ? host : "127.0.0.1", NULL);
		return NULL;
	}
	if (!dns) {
		done(arg, NULL, "no resolver");
		return NULL;
	}
	resolve = calloc(1, sizeof *resolve);
	if (!resolve)
		abort();
	*resolve = (struct resolve){ .done = done, .arg = arg };
	struct evdns_getaddrinfo_request *request =
		evdns_getaddrinfo(dns, host, NULL, &hints, on_answer, resolve);
	if (resolve->answered) { /* out of /etc/hosts, at once */
		free(resolve);
		return NULL;
	}
	resolve->request = request;
	return resolve;
}

void
resolve_cancel(struct resolve *resolve)
{
	if (!resolve)
		return;
	resolve->done = NULL;
	evdns_getaddrinfo_cancel(resolve->request); /* on_answer() comes once more and frees it */
}
