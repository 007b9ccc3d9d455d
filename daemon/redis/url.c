/* SPDX-License-Identifier: MIT */
/* Parsing and formatting of redis:// and unix:// URLs. */
#include "daemon/redis/url.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REDIS_PORT = 6379 };

/* A piece of the text: [at, end). */
struct span {
	const char *at;
	const char *end;
};

static int
refuse(struct berth_error *e, const char *why)
{
	return berth_error_set(e, BERTH_USAGE,
	                       "the Redis URL %s; it is redis://[user:password@]host[:port]"
	                       " or unix://[user:password@]/path",
	                       why);
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undoes percent-encoding into `out`; -1 when it does not fit, is malformed or hides a NUL. */
static int
decode(struct span in, char *out, size_t size)
{
	size_t len = 0;

	for (const char *p = in.at; p < in.end; p++) {
		int c = (unsigned char)*p;

		if (c == '%') {
			int high = in.end - p > 2 ? hex_digit(p[1]) : -1;
			int low = high < 0 ? -1 : hex_digit(p[2]);
			if (low < 0)
				return -1;
			c = high * 16 + low;
			p += 2;
		}
		if (c == 0 || len + 1 >= size)
			return -1;
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return 0;
}

/* A decimal number up to `max` that fills the span; -1 otherwise. */
static int
number(struct span in, int max)
{
	long value = 0;

	if (in.at == in.end)
		return -1;
	for (const char *p = in.at; p < in.end; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		value = value * 10 + (*p - '0');
		if (value > max)
			return -1;
	}
	return (int)value;
}

static const char *
find(struct span in, char c)
{
	return memchr(in.at, c, (size_t)(in.end - in.at));
}

/* [[user]:password@] in front of `rest`, which then begins behind it. */
static int
parse_userinfo(struct span *rest, struct redis_url *url, struct berth_error *e)
{
	const char *slash = find(*rest, '/');
	struct span head = { rest->at, slash ? slash : rest->end };
	const char *at = find(head, '@');

	if (!at)
		return 0;
	struct span user = { head.at, at };
	const char *colon = find(user, ':');
	struct span password = { colon ? colon + 1 : at, at };
	if (colon)
		user.end = colon;
	if (decode(user, url->user, sizeof url->user) < 0)
		return refuse(e, "has a user that is malformed or too long");
	if (decode(password, url->password, sizeof url->password) < 0)
		return refuse(e, "has a password that is malformed or too long");
	rest->at = at + 1;
	return 0;
}

static int
parse_host(struct span rest, struct redis_url *url, struct berth_error *e)
{
	const char *slash = find(rest, '/');
	struct span authority = { rest.at, slash ? slash : rest.end };
	bool bracket = authority.at < authority.end && *authority.at == '[';
	const char *close = bracket ? find(authority, ']') : NULL;
	struct span behind = { close ? close + 1 : authority.at, authority.end };
	const char *colon = find(behind, ':');
	struct span host = { authority.at + bracket, close   ? close
		                                     : colon ? colon
		                                             : authority.end };

	if ((bracket && !close) || (close && behind.at < behind.end && !colon))
		return refuse(e, "has a malformed address");
	url->port = colon ? number((struct span){ colon + 1, authority.end }, 65535) : REDIS_PORT;
	if (url->port <= 0)
		return refuse(e, "has a malformed port");
	if (decode(host, url->host, sizeof url->host) < 0 || url->host[0] == '\0')
		return refuse(e, "has no host, or one that is too long");
	if (slash && slash + 1 < rest.end)
		url->db = number((struct span){ slash + 1, rest.end }, INT_MAX);
	if (slash && slash + 1 < rest.end && url->db < 0)
		return refuse(e, "has a database that is no number");
	return 0;
}

static int
parse_socket(struct span rest, struct redis_url *url, struct berth_error *e)
{
	const char *mark = find(rest, '?');
	struct span path = { rest.at, mark ? mark : rest.end };

	if (decode(path, url->socket, sizeof url->socket) < 0 || url->socket[0] != '/')
		return refuse(e, "has no absolute socket path, or one that is too long");
	if (!mark)
		return 0;
	if (strncmp(mark, "?db=", 4) != 0)
		return refuse(e, "has a parameter that is not db");
	url->db = number((struct span){ mark + 4, rest.end }, INT_MAX);
	return url->db < 0 ? refuse(e, "has a database that is no number") : 0;
}

static const struct {
	const char *scheme;
	int (*parse)(struct span rest, struct redis_url *url, struct berth_error *e);
} schemes[] = {
	{ "redis://", parse_host },
	{ "unix://", parse_socket },
};

int
redis_url_parse(const char *text, struct redis_url *ret, struct berth_error *e)
{
	struct redis_url url = { .db = -1 };

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t len = strlen(schemes[i].scheme);
		if (strncmp(text, schemes[i].scheme, len) != 0)
			continue;
		struct span rest = { text + len, text + strlen(text) };
		if (parse_userinfo(&rest, &url, e) < 0 || schemes[i].parse(rest, &url, e) < 0)
			return -1;
		*ret = url;
		return 0;
	}
	return refuse(e, strncmp(text, "rediss://", 9) == 0 ? "asks for TLS, which is not supported"
	                                                    : "has an unknown scheme");
}

/* Text that grows at its end inside REDIS_URL_MAX bytes. */
struct growing {
	char *out;
	size_t len;
};

static void add(struct growing *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct growing *to, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int len = vsnprintf(to->out + to->len, REDIS_URL_MAX - to->len, fmt, ap);
	va_end(ap);
	assert(len >= 0 && to->len + (size_t)len < REDIS_URL_MAX);
	to->len += (size_t)len;
}

/* Everything but letters, digits, -._~ and what `safe` lists is percent-encoded. */
static void
add_encoded(struct growing *to, const char *text, const char *safe)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		bool plain = *p < 0x80 && (isalnum(*p) || strchr("-._~", *p) || strchr(safe, *p));
		add(to, plain ? "%c" : "%%%02X", *p);
	}
}

void
redis_url_format(const struct redis_url *url, char out[REDIS_URL_MAX])
{
	struct growing to = { .out = out };

	add(&to, url->socket[0] ? "unix://" : "redis://");
	if (url->user[0] || url->password[0]) {
		add_encoded(&to, url->user, "");
		add(&to, ":");
		add_encoded(&to, url->password, "");
		add(&to, "@");
	}
	if (url->socket[0]) {
		add_encoded(&to, url->socket, "/");
		if (url->db >= 0)
			add(&to, "?db=%d", url->db);
		return;
	}
	add(&to, strchr(url->host, ':') ? "[%s]" : "%s", url->host);
	add(&to, ":%d", url->port);
	if (url->db >= 0)
		add(&to, "/%d", url->db);
}
