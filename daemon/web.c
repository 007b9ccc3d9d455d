/* SPDX-License-Identifier: MIT */
/* A listener, and one visit a connection. */
#include "daemon/web.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "daemon/base/local.h"
#include "daemon/base/log.h"
#include "daemon/berthd.h"
#include "daemon/exposition.h"
#include "daemon/status.h"
#include "daemon/status_page.h"

struct visit {
	struct web *web;
	struct bufferevent *io;
	struct event *deadline;
	bool answered;
	LIST_ENTRY(visit) link;
};

/* ---- addresses ---- */

static int
parse_path(const char *text, struct web_address *ret, struct berth_error *e)
{
	ret->un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(text) >= sizeof ret->un.sun_path)
		return berth_error_set(e, BERTH_USAGE, "metrics: a socket's path has at most %zu bytes",
		                       sizeof ret->un.sun_path - 1);
	strcpy(ret->un.sun_path, text);
	ret->len = sizeof ret->un;
	return 0;
}

/* Fills an address in that leads nowhere but here; false for any other. */
static bool
is_loopback(const char *host, struct web_address *ret, uint16_t port)
{
	ret->v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port) };
	ret->len = sizeof ret->v4;
	if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &ret->v4.sin_addr) == 1)
		return ntohl(ret->v4.sin_addr.s_addr) >> 24 == 127;
	ret->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port) };
	ret->len = sizeof ret->v6;
	return strcmp(host, "[::1]") == 0 && inet_pton(AF_INET6, "::1", &ret->v6.sin6_addr) == 1;
}

int
web_address_parse(const char *text, struct web_address *ret, struct berth_error *e)
{
	const char *colon = strrchr(text, ':');
	char host[64], *end;
	long port;

	*ret = (struct web_address){ .len = 0 };
	if (!*text)
		return 0;
	if (*text == '/')
		return parse_path(text, ret, e);
	snprintf(host, sizeof host, "%.*s", (int)(colon ? colon - text : 0), text);
	port = colon ? strtol(colon + 1, &end, 10) : -1;
	if (!colon || end == colon + 1 || *end || port < 0 || port > 65535 || !is_loopback(host, ret, (uint16_t)port)) {
		ret->len = 0;
		return berth_error_set(e, BERTH_USAGE, "metrics must be a loopback address and a port (127.0.0.1:9187,"
		                       " [::1]:9187) or the path of a socket, not '%.200s'", text);
	}
	return 0;
}

/* ---- what there is to see ---- */

static void
write_page(const struct berthd *berthd, struct evbuffer *out)
{
	evbuffer_add_reference(out, status_page, sizeof status_page - 1, NULL, NULL);
}

static const struct {
	const char *path, *type;
	void (*write)(const struct berthd *berthd, struct evbuffer *out);
} routes[] = {
	{ "/",            "text/html; charset=utf-8",                 write_page },
	{ "/metrics",     "text/plain; version=0.0.4; charset=utf-8", exposition_write },
	{ "/status.json", "application/json",                         status_write },
};

/* ---- a visit ---- */

static void
leave(struct visit *visit)
{
	struct web *web = visit->web;

	LIST_REMOVE(visit, link);
	web->count--;
	evconnlistener_enable(web->listener);
	bufferevent_free(visit->io);
	event_free(visit->deadline);
	free(visit);
}

static void
answer(struct visit *visit, const char *status, const char *type, struct evbuffer *body, bool with_body)
{
	struct evbuffer *out = bufferevent_get_output(visit->io);

	evbuffer_add_printf(out,
	                    "HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n"
	                    "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
	                    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
	                    " connect-src 'self'; frame-ancestors 'none'\r\n\r\n",
	                    status, type, evbuffer_get_length(body));
	if (with_body)
		evbuffer_add_buffer(out, body);
	visit->answered = true;
	visit->web->answered++;
}

static void
refuse(struct visit *visit, const char *status)
{
	struct evbuffer *body = evbuffer_new();

	if (!body)
		abort();
	evbuffer_add_printf(body, "%s\n", status);
	answer(visit, status, "text/plain", body, true);
	evbuffer_free(body);
}

/* A page of somebody else's may send a browser here by a name of its own; that name is in Host. */
static bool
is_meant(const struct web *web, const char *head)
{
	const char *host = strcasestr(head, "\r\nHost:");
	struct web_address address;
	char name[64];

	if (web->local || !host)
		return true;
	host += strlen("\r\nHost:");
	host += strspn(host, " \t");
	snprintf(name, sizeof name, "%.*s", (int)strcspn(host, " \t\r"), host);
	if (*name && !strchr(name[0] == '[' ? strchr(name, ']') ? strchr(name, ']') : name : name, ':'))
		strncat(name, ":80", sizeof name - strlen(name) - 1);
	return *name && web_address_parse(name, &address, NULL) == 0 && *name != '/';
}

static void
serve(struct visit *visit, const char *path, bool with_body)
{
	struct evbuffer *body = evbuffer_new();
	size_t i = 0;

	if (!body)
		abort();
	while (i < sizeof routes / sizeof *routes && strcmp(routes[i].path, path) != 0)
		i++;
	if (i < sizeof routes / sizeof *routes) {
		routes[i].write(visit->web->berthd, body);
		answer(visit, "200 OK", routes[i].type, body, with_body);
	} else {
		refuse(visit, "404 Not Found");
	}
	evbuffer_free(body);
}

/* `head` is the request up to its empty line. */
static void
look_at(struct visit *visit, char *head)
{
	char method[8], path[128], version[16];

	if (sscanf(head, "%7s %127s %15s", method, path, version) != 3 || strncmp(version, "HTTP/1.", 7) != 0)
		refuse(visit, "400 Bad Request");
	else if (!is_meant(visit->web, head))
		refuse(visit, "403 Forbidden");
	else if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		refuse(visit, "405 Method Not Allowed");
	else {
		path[strcspn(path, "?")] = '\0';
		serve(visit, path, strcmp(method, "GET") == 0);
	}
}

static void
on_read(struct bufferevent *io, void *arg)
{
	struct visit *visit = arg;
	struct evbuffer *in = bufferevent_get_input(io);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	char head[WEB_REQUEST_BYTES + 1];

	if (visit->answered) {
		evbuffer_drain(in, evbuffer_get_length(in));
	} else if (end.pos >= 0 && end.pos <= WEB_REQUEST_BYTES - 2) {
		evbuffer_remove(in, head, (size_t)end.pos + 2);
		head[end.pos + 2] = '\0';
		look_at(visit, head);
	} else if (evbuffer_get_length(in) >= WEB_REQUEST_BYTES) {
		refuse(visit, "431 Request Header Fields Too Large");
	}
}

/* All is written. Closing now would reset the connection under what the other side still sends. */
static void
on_written(struct bufferevent *io, void *arg)
{
	struct visit *visit = arg;

	if (visit->answered)
		shutdown(bufferevent_getfd(io), SHUT_WR);
}

static void
on_event(struct bufferevent *io, short what, void *arg)
{
	struct visit *visit = arg;

	if (what & BEV_EVENT_EOF && visit->answered && evbuffer_get_length(bufferevent_get_output(io)) > 0)
		return; /* it has said all, and still listens */
	leave(visit);
}

static void
on_deadline(evutil_socket_t fd, short what, void *arg)
{
	leave(arg);
}

static void
on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address, int len, void *arg)
{
	struct timeval most = { .tv_sec = WEB_MS / 1000 };
	struct web *web = arg;
	struct visit *visit = calloc(1, sizeof *visit);

	if (!visit)
		abort();
	*visit = (struct visit){ .web = web };
	visit->io = bufferevent_socket_new(web->berthd->base, fd, BEV_OPT_CLOSE_ON_FREE);
	visit->deadline = event_new(web->berthd->base, -1, 0, on_deadline, visit);
	if (!visit->io || !visit->deadline)
		abort();
	LIST_INSERT_HEAD(&web->visits, visit, link);
	if (++web->count == WEB_VISITS)
		evconnlistener_disable(listener);
	event_add(visit->deadline, &most);
	bufferevent_setwatermark(visit->io, EV_READ, 0, WEB_REQUEST_BYTES);
	bufferevent_setcb(visit->io, on_read, on_written, on_event, visit);
	bufferevent_enable(visit->io, EV_READ | EV_WRITE);
}

/* Out of descriptors: who waits there waits on; sessions come first. */
static void
on_accept_error(struct evconnlistener *listener, void *arg)
{
	log_debug("web.accept", LOG_T("why", strerror(errno)));
}

/* ---- the listener ---- */

static struct evconnlistener *
listen_at_path(struct web *web, const char *path, struct berth_error *e)
{
	int fd = local_listen(path, "metrics", web->berthd->config.socket_group, WEB_VISITS, e);
	struct evconnlistener *listener;

	if (fd < 0)
		return NULL;
	listener = evconnlistener_new(web->berthd->base, on_accept, web, LEV_OPT_CLOSE_ON_FREE, 0, fd);
	if (!listener)
		abort();
	return listener;
}

static struct evconnlistener *
listen_at(struct web *web, const struct web_address *at, struct berth_error *e)
{
	unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE;
	struct evconnlistener *listener;

	if (web->local)
		return listen_at_path(web, at->un.sun_path, e);
	listener = evconnlistener_new_bind(web->berthd->base, on_accept, web, flags, -1, &at->any, at->len);
	if (!listener)
		berth_error_set(e, BERTH_INUSE, "cannot listen on %s (metrics): %s", web->berthd->config.metrics, strerror(errno));
	return listener;
}

/* The port as it is: 0 lets the kernel choose one. */
static void
keep_address(struct web *web, const struct web_address *at)
{
	struct web_address bound = *at; /* port 0 is another one by now */
	socklen_t len = sizeof bound;
	char host[INET6_ADDRSTRLEN];

	getsockname(evconnlistener_get_fd(web->listener), &bound.any, &len);
	if (web->local)
		snprintf(web->address, sizeof web->address, "%s", at->un.sun_path);
	else if (at->any.sa_family == AF_INET)
		snprintf(web->address, sizeof web->address, "%s:%d", inet_ntop(AF_INET, &at->v4.sin_addr, host, sizeof host),
		         ntohs(bound.v4.sin_port));
	else
		snprintf(web->address, sizeof web->address, "[::1]:%d", ntohs(bound.v6.sin6_port));
}

int
web_open(struct web *web, struct berthd *berthd, struct berth_error *e)
{
	struct web_address at;

	*web = (struct web){ .berthd = berthd };
	if (web_address_parse(berthd->config.metrics, &at, e) < 0)
		return -1;
	if (at.len == 0)
		return 0;
	web->local = at.any.sa_family == AF_UNIX;
	web->listener = listen_at(web, &at, e);
	if (!web->listener)
		return -1;
	evconnlistener_set_error_cb(web->listener, on_accept_error);
	keep_address(web, &at);
	log_info("web.listen", LOG_T("address", web->address));
	return 0;
}

void
web_close(struct web *web)
{
	if (!web->listener)
		return;
	while (!LIST_EMPTY(&web->visits))
		leave(LIST_FIRST(&web->visits));
	evconnlistener_free(web->listener);
	web->listener = NULL;
	if (web->local)
		unlink(web->address);
}
