/* SPDX-License-Identifier: MIT */
/* What the files of libberth share among themselves; none of it is exported. */
#pragma once

#include <stdint.h>

#include "client/lib/berth.h"

enum {
	REPLY_BYTES_MAX = 8 << 20, /* one reply: 4096 leases are about 2 MiB */
	REPLY_ITEMS_MAX = 1 << 19, /* all elements of one reply together */
	REPLY_DEPTH_MAX = 7,
};

/* What one reply may still use, and whether it wanted more. */
struct reply_budget {
	size_t bytes;
	size_t items;
	bool exceeded;
};

struct berth_client {
	int fd; /* owned; -1 once lost */
	int timeout_ms;
	unsigned late;              /* replies given up on, which will still come and be dropped */
	struct redisReader *reader; /* owned */
	struct reply_budget budget;
	char *path;        /* owned */
	struct held *held; /* owned: the leases that it keeps alive */
	bool adrift;       /* the daemon hung up, and not all of them are attached to the next one yet */
};

/* reader.c: hiredis' reader, building struct berth_reply within the budget (borrowed). */
struct redisReader *libberth_reader_new(struct reply_budget *budget);
void libberth_budget_start(struct reply_budget *budget);

/* connection.c */
/* A client on a connected socket, which it takes (closes it on failure too). No greeting. */
int libberth_client_new(int fd, const char *path, struct berth_client **ret, struct berth_error *e);
/* Writes all of it until the deadline, or loses the connection. */
int libberth_send(struct berth_client *c, const void *data, size_t len, int64_t deadline,
                  struct berth_error *e);
/* The next reply, whatever it is. TIMEOUT leaves the connection as it is. */
int libberth_receive(struct berth_client *c, int64_t deadline, struct berth_reply **ret,
                     struct berth_error *e);
/* Marks the connection as lost; returns -1 with UNAVAILABLE and the reason. */
int libberth_lose(struct berth_client *c, struct berth_error *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The daemon closed it: what is held is worth coming back for. */
int libberth_hung_up(struct berth_client *c, struct berth_error *e);
/* Whether the daemon has closed it, and nothing is left to read. */
bool libberth_is_over(const struct berth_client *c);

/* open.c: a new connection instead of the lost one. */
int libberth_connect(struct berth_client *c, struct berth_error *e);

/* held.c */
/* The lease is kept alive by this client: from now on it comes back to it. */
int libberth_hold(struct berth_client *c, const struct berth_lease *lease, struct berth_error *e);
/* As it is told now, if it is one of those. */
void libberth_renew_fence(struct berth_client *c, const struct berth_lease *lease);
void libberth_let_go(struct berth_client *c, const char *id);
void libberth_let_all_go(struct berth_client *c);
/* Connects where necessary and attaches what is held, again and again until the deadline. UNAVAILABLE: not yet;
 * else a lease that is gone, and forgotten, while all others are attached. */
int libberth_come_back(struct berth_client *c, int64_t deadline, struct berth_error *e);

/* command.c */
/* One request, one reply, on the connection as it is. */
int libberth_exchange(struct berth_client *c, int64_t deadline, int argc, const char *const argv[],
                      struct berth_reply **ret, struct berth_error *e);
int libberth_oom(struct berth_error *e);
/* A verb whose answer must be of this type. */
int libberth_ask(struct berth_client *c, long long wait_ms, int argc, const char *const argv[],
                 enum berth_reply_type type, struct berth_reply **ret, struct berth_error *e);
/* A verb that answers OK. */
int libberth_tell(struct berth_client *c, long long wait_ms, int argc, const char *const argv[],
                  struct berth_error *e);

/* lease.c: a verb that answers with a lease map. */
int libberth_ask_lease(struct berth_client *c, long long wait_ms, int argc,
                       const char *const argv[], struct berth_lease **ret, struct berth_error *e);

/* map.c: one row for each field of a map that goes into a struct. */
enum field_type { FIELD_TEXT, FIELD_INT, FIELD_LONG, FIELD_STATE };
enum field_need { FIELD_MAYBE, FIELD_HELD, FIELD_ALWAYS }; /* when null is not accepted */
struct field {
	const char *name;
	size_t offset;
	enum field_type type;
	enum field_need need;
};

/* Fills a zeroed struct from a map by the table, which ends with a row without a name. Texts are
 * borrowed from the reply. A field that is missing, of another type or null against its need is an
 * error; unknown ones are ignored. `state` says whether FIELD_HELD counts. */
int libberth_map_read(const struct berth_reply *map, const struct field *fields, void *into,
                      struct berth_error *e);

/* Monotonic. */
int64_t libberth_now_us(void);
static inline int64_t
libberth_now_ms(void)
{
	return libberth_now_us() / 1000;
}
