/* SPDX-License-Identifier: MIT */
/* One request and its reply on a Unix socket: to berthd in RESP, or to the bare echo in the same
 * sizes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum exchange_kind {
	EXCHANGE_PING,
	EXCHANGE_ACQUIRE,
	EXCHANGE_RELEASE,
	EXCHANGE_INFO,
	EXCHANGE_KINDS
};

enum { EXCHANGE_REQUEST_MAX = 512, EXCHANGE_REPLY_MAX = 8192 };

/* Whom to ask, and for what. Borrows its texts. */
struct target {
	const char *socket;
	bool echo;                         /* false: berthd */
	const char *run, *redis, *wait_ms; /* options of ACQUIRE; NULL: not said */
	bool detach;
	struct {
		size_t request, reply;
	} bytes[EXCHANGE_KINDS]; /* what the echo is asked for; what was seen of berthd */
};

struct exchange {
	enum exchange_kind kind;
	size_t request_len, reply_len;
	size_t wanted;          /* bytes of an echo; 0: one RESP value */
	int64_t sent, answered; /* ns, monotonic */
	char request[EXCHANGE_REQUEST_MAX];
	char reply[EXCHANGE_REPLY_MAX];
};

int64_t now_ns(void);
/* "probe: …" on stderr, exit status 1. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A connected socket, greeted with one PING. */
int target_connect(struct target *target);

/* Fills in the request of the `worker`-th worker; nothing of it is timed. */
void exchange_prepare(struct exchange *x, const struct target *target, enum exchange_kind kind,
                      int worker);
/* Sends it and notes when. */
void exchange_send(struct exchange *x, int fd);
/* Takes what has come and notes when; true once that is the whole reply. Blocks if nothing has
 * come. */
bool exchange_receive(struct exchange *x, int fd);
/* Ends the program unless the reply is what was hoped for; keeps its size in target->bytes. Not
 * timed. */
void exchange_check(const struct exchange *x, struct target *target);
/* All of the above on a connection with nothing else on it; returns ns. */
int64_t exchange_run(struct exchange *x, struct target *target, int fd, enum exchange_kind kind,
                     int worker);
