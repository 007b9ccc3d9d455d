/* SPDX-License-Identifier: MIT */
/* Requests written before, replies looked at after the clock has stopped. */
#include "tests/bench/exchange.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

int64_t
now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

void
die(const char *fmt, ...)
{
	va_list ap;

	fputs("probe: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* ---- requests ---- */

static void
put_word(char *request, size_t *len, const char *word)
{
	*len += (size_t)snprintf(request + *len, EXCHANGE_REQUEST_MAX - *len, "$%zu\r\n%s\r\n",
	                         strlen(word), word);
	if (*len >= EXCHANGE_REQUEST_MAX)
		die("a request is longer than %d bytes", EXCHANGE_REQUEST_MAX);
}

static void
put_request(struct exchange *x, const char *const *words)
{
	int count = 0;

	while (words[count])
		count++;
	x->request_len = (size_t)snprintf(x->request, sizeof x->request, "*%d\r\n", count);
	for (int i = 0; i < count; i++)
		put_word(x->request, &x->request_len, words[i]);
}

static void
put_acquire(struct exchange *x, const struct target *target, const char *worker)
{
	const char *words[16] = { "ACQUIRE", worker, "RUN", target->run };
	int n = 4;

	if (target->redis) {
		words[n++] = "REDIS";
		words[n++] = target->redis;
	}
	if (target->wait_ms) {
		words[n++] = "WAIT";
		words[n++] = target->wait_ms;
	}
	if (target->detach)
		words[n++] = "DETACH";
	put_request(x, words);
}

/* The echo reads from the first bytes how many it shall send. */
static void
put_echo(struct exchange *x, const struct target *target)
{
	uint32_t wanted = (uint32_t)target->bytes[x->kind].reply;

	x->wanted = wanted;
	x->request_len = target->bytes[x->kind].request;
	if (x->request_len < sizeof wanted || x->request_len > sizeof x->request
	    || wanted > sizeof x->reply)
		die("an echo of %zu bytes by %u bytes cannot be had", x->request_len, wanted);
	memset(x->request, '.', x->request_len);
	memcpy(x->request, &wanted, sizeof wanted);
}

void
exchange_prepare(struct exchange *x, const struct target *target, enum exchange_kind kind,
                 int worker)
{
	char name[32], lease[160];

	snprintf(name, sizeof name, "w%04d", worker);
	snprintf(lease, sizeof lease, "%s/%s", target->run, name);
	x->kind = kind;
	x->reply_len = x->wanted = 0;
	if (target->echo)
		put_echo(x, target);
	else if (kind == EXCHANGE_ACQUIRE)
		put_acquire(x, target, name);
	else if (kind == EXCHANGE_RELEASE)
		put_request(x, (const char *const[]){ "RELEASE", lease, NULL });
	else
		put_request(x,
		            (const char *const[]){ kind == EXCHANGE_PING ? "PING" : "INFO", NULL });
}

/* ---- replies ---- */

static const char *
line_end(const char *at, const char *end)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));

	return newline ? newline + 1 : NULL;
}

/* Where the RESP2 value at `at` ends, NULL if it is not all there. */
static const char *
value_end(const char *at, const char *end)
{
	const char *next = at < end ? line_end(at, end) : NULL;
	long number;

	if (!next)
		return NULL;
	number = strtol(at + 1, NULL, 10);
	if (*at == '$' && number >= 0)
		return end - next >= number + 2 ? next + number + 2 : NULL;
	if (*at == '*')
		while (next && number-- > 0)
			next = value_end(next, end);
	return next;
}

bool
exchange_receive(struct exchange *x, int fd)
{
	ssize_t got = recv(fd, x->reply + x->reply_len, sizeof x->reply - x->reply_len, 0);

	x->answered = now_ns();
	if (got <= 0)
		die("the connection broke: %s", got < 0 ? strerror(errno) : "end of file");
	x->reply_len += (size_t)got;
	if (x->wanted)
		return x->reply_len >= x->wanted;
	return value_end(x->reply, x->reply + x->reply_len) != NULL;
}

void
exchange_check(const struct exchange *x, struct target *target)
{
	static const char *const hoped[EXCHANGE_KINDS] = {
		[EXCHANGE_PING] = "+PONG\r\n",
		[EXCHANGE_ACQUIRE] = "$5\r\nstate\r\n$4\r\nheld\r\n",
		[EXCHANGE_RELEASE] = "+OK\r\n",
		[EXCHANGE_INFO] = "\r\n",
	};
	const char *hope = hoped[x->kind];

	if (target->echo)
		return;
	if (!memmem(x->reply, x->reply_len, hope, strlen(hope)))
		die("%.*s was answered: %.*s", (int)x->request_len, x->request,
		    (int)(x->reply_len < 600 ? x->reply_len : 600), x->reply);
	target->bytes[x->kind].request = x->request_len;
	target->bytes[x->kind].reply = x->reply_len;
}

/* ---- both ---- */

void
exchange_send(struct exchange *x, int fd)
{
	x->sent = now_ns();
	if (send(fd, x->request, x->request_len, MSG_NOSIGNAL) != (ssize_t)x->request_len)
		die("cannot send: %s", strerror(errno));
}

int64_t
exchange_run(struct exchange *x, struct target *target, int fd, enum exchange_kind kind, int worker)
{
	exchange_prepare(x, target, kind, worker);
	exchange_send(x, fd);
	while (!exchange_receive(x, fd))
		;
	exchange_check(x, target);
	return x->answered - x->sent;
}

int
target_connect(struct target *target)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct exchange x;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(target->socket) >= sizeof address.sun_path)
		die("the path of the socket is too long");
	strcpy(address.sun_path, target->socket);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
		die("cannot connect: %s", strerror(errno));
	exchange_run(&x, target, fd, EXCHANGE_PING, 0);
	return fd;
}
