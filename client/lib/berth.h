/* SPDX-License-Identifier: MIT */
/*
 * libberth: asks berthd, the daemon that hands out database schemas to test workers, for leases.
 *
 * Blocking, without global state; a client belongs to one thread at a time. Every call that can
 * fail returns 0 or -1, takes a `struct berth_error *` last (NULL: not interested) and leaves its
 * other outputs untouched when it fails. Running out of memory is an error (BERTH_LIMIT) like any
 * other, and no call raises SIGPIPE. Times are milliseconds unless a name says otherwise.
 */
#ifndef BERTH_H
#define BERTH_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "proto/errors.h"

/* One connection to the daemon, or the next one after that broke. The leases it acquires or attaches
 * live while it is open. */
struct berth_client;

enum berth_state {
	BERTH_STATE_HELD,
	BERTH_STATE_QUEUED,   /* waits for its turn or for a server: see position and why */
	BERTH_STATE_BUILDING, /* its schema is being made, or it builds: see berth_lease_builds() */
};

/*
 * A lease as the daemon described it. The library allocates it and owns its strings: free it with
 * berth_lease_free(). Strings are NULL and numbers -1 where there is nothing to say: everything
 * about servers until the lease is held or builds a template, everything about Redis when it grants
 * none.
 */
struct berth_lease {
	const char *lease; /* its id, like "3fa9c1-17" */
	const char *run;
	const char *worker;
	enum berth_state state;
	int position;     /* in the queue, from 1; 0 when it is not queued */
	const char *kind; /* "schema" or "database" */
	const char *schema;
	const char *role;
	const char *dsn;  /* a libpq URI, with the password */
	const char *host; /* a name, an address, or the directory of a Unix socket */
	int port;
	const char *dbname;
	const char *user;
	const char *password; /* "" where the server wants none */
	const char *options;  /* libpq's, where several leases share a role: without them a session is in no lease's schema */
	const char *redis; /* the level granted: "acl", "index", "private" or "none" */
	const char *redis_url;
	const char *redis_host;
	int redis_port;
	const char *redis_socket;
	int redis_db;
	const char *redis_user;
	const char *redis_password;
	long long fence;      /* rises whenever what is leased changes hands */
	long long expires_ms; /* ms left: to the TTL when detached, else to the hard maximum */
	const char *why;      /* what a queued lease waits for */
	/* What it is made from, or NULL; "template" on the wire, which is a keyword in C++. */
	const char *template_key;
	const char *builder; /* who builds that template now, for people */
};

/* One row of berth_leases(): who holds or waits for what, without secrets. */
struct berth_lease_row {
	const char *lease;
	const char *run;
	const char *worker;
	enum berth_state state;
	int position;
	const char *kind;
	const char *schema;
	const char *role;
	const char *dbname;
	const char *redis;
	int redis_db;
	long long fence;
	long long uid;
	long long pid;
	const char *label;
	long long age_ms;
	long long expires_ms;
	int connections;
};

enum { BERTH_WAIT_FOREVER = -1 };

/*
 * What berth_acquire() may be told beside the worker. Start from BERTH_OPTIONS_INIT, or from zeroes
 * (then only the fields below up to and including progress_arg are read, whatever comes later).
 */
struct berth_options {
	size_t size;       /* sizeof(struct berth_options); 0 means this first form of it */
	const char *run;   /* NULL: "default" */
	const char *kind;  /* "schema" or "database"; NULL: schema */
	const char *name;  /* exactly this schema or database name; NULL: a generated one */
	const char *redis; /* "index", "acl", "private" or "none"; NULL: the daemon's default */
	const char *label; /* free text for whoever looks at the list of leases */
	long long ttl_ms;  /* a detached lease's life without connections; 0: as the daemon has it */
	long long wait_ms; /* to wait until it is held; 0: not at all; BERTH_WAIT_FOREVER */
	bool detach;       /* let it outlive this connection, until its TTL */
	/*
	 * Called about twice a second while waiting: the place in the queue (0: none) and what is
	 * waited for (may be NULL). A return other than 0 ends the waiting.
	 */
	int (*progress)(void *arg, int position, const char *why);
	void *progress_arg;
	/*
	 * Make it from the template of this key, 1 to 255 visible ASCII characters; NULL: an empty
	 * one. Whoever asks first builds the template: see berth_lease_builds().
	 */
	const char *template_key;
};

/* All of them, so that no compiler warns; 0 stands for NULL and false in C and C++. */
#define BERTH_OPTIONS_INIT { sizeof(struct berth_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* The library's version, "0.1.0". */
const char *berth_version(void);
/* "held", "queued" or "building". */
const char *berth_state_name(enum berth_state state);

/*
 * Writes the path of the daemon's socket: $BERTH_SOCKET, else for root /run/berth/berth.sock, else
 * $XDG_RUNTIME_DIR/berth/berth.sock if that exists or /run/berth/berth.sock does not. USAGE when it
 * does not fit into `size` bytes.
 */
int berth_socket_path(char *buf, size_t size, struct berth_error *e);

/*
 * Connects to the socket at `path` (NULL: berth_socket_path()) and greets the daemon. UNAVAILABLE
 * when nobody answers there. `*ret` is the caller's until berth_close().
 */
int berth_open(const char *path, struct berth_client **ret, struct berth_error *e);
/* Closes the connection: its attached leases end. NULL is fine. */
void berth_close(struct berth_client *c);

/* The path it is connected to. Borrowed from the client. */
const char *berth_path(const struct berth_client *c);
/*
 * The socket, close-on-exec, for poll(2): readable between calls means that the daemon closed it.
 * Borrowed: neither read nor close it. -1 once the connection is lost.
 */
int berth_fd(const struct berth_client *c);
/*
 * False once the connection broke. While the client holds a lease (acquired or attached, neither
 * released nor detached), the next call connects again, attaches what is held, and says its request
 * (again): a daemon that was restarted goes on with its leases. It tries for the client's timeout.
 * Otherwise every further call says UNAVAILABLE.
 */
bool berth_connected(const struct berth_client *c);
/*
 * The same without a request: for who holds a lease and says nothing for long, when berth_fd() is
 * readable between calls. Tries for `wait_ms` (0: once). UNAVAILABLE: not yet. NOLEASE or STALE: a
 * lease is gone, and forgotten; all others are attached.
 */
int berth_reattach(struct berth_client *c, long long wait_ms, struct berth_error *e);
/*
 * How long a reply may take, beyond the time the daemon was asked to wait (default 10 000 ms). A
 * reply that comes later is dropped; the connection, and with it the leases, stay.
 */
void berth_set_timeout(struct berth_client *c, int timeout_ms);

/*
 * Takes the lease of (options->run, worker), or gets the one that is already held. Without
 * waiting, or when the time was not enough, it succeeds with a state other than BERTH_STATE_HELD:
 * go on with berth_lease_get() on the same client, which keeps the place in the queue. While
 * waiting, UNAVAILABLE is retried until the time is over. With a template, waiting also ends when
 * the lease is to build it (berth_lease_builds()), and BUILDFAILED says that somebody else could
 * not. `options` may be NULL. `*ret` is the caller's, to be freed with berth_lease_free().
 */
int berth_acquire(struct berth_client *c, const char *worker, const struct berth_options *options,
                  struct berth_lease **ret, struct berth_error *e);
/* Below, `id` is a lease's id, "run/worker" of the caller's user, or a lease's schema; unknown: NOLEASE. */

/* The lease as it is now, or once it is held or builds, within `wait_ms` (BERTH_WAIT_FOREVER). */
int berth_lease_get(struct berth_client *c, const char *id, long long wait_ms,
                    struct berth_lease **ret, struct berth_error *e);
/* Binds a lease to this connection too; STALE when `fence` is not the lease's. */
int berth_attach(struct berth_client *c, const char *id, long long fence,
                 struct berth_lease **ret, struct berth_error *e);
/* Lets a lease live without connections, until its TTL. */
int berth_detach(struct berth_client *c, const char *id, struct berth_error *e);
/* Starts a lease's time again, with another TTL if not 0. `*left_ms` (or NULL): what it has now. */
int berth_renew(struct berth_client *c, const char *id, long long ttl_ms, long long *left_ms,
                struct berth_error *e);
/* Gives a lease back; with `keep_ms` not 0 its state stays for a look, detached, for that long. */
int berth_release(struct berth_client *c, const char *id, long long keep_ms,
                  struct berth_error *e);
/* Wipes and frees a lease; NULL is fine. The lease itself is not given back. */
void berth_lease_free(struct berth_lease *lease);

/*
 * Whether the lease is an empty one in which its template is to be built: migrate through its DSN,
 * then berth_template_seal() and berth_lease_get(), or berth_template_abort().
 */
bool berth_lease_builds(const struct berth_lease *lease);

/* What was sealed. */
struct berth_seal_report {
	long long tables;
	long long rows;
	long long bytes;
	long long us; /* how long that took, microseconds */
};

/*
 * Seals what a lease that builds has made; ends all sessions of its role. The lease goes on as an
 * ordinary one of that template: berth_lease_get() tells its new schema, DSN, password and fence.
 * Answers when it is done; asking again answers the same. DENIED when the lease builds no template,
 * BUILDFAILED when there is something that cannot be carried, LIMIT when it is too large. `*ret`
 * may be NULL.
 */
int berth_template_seal(struct berth_client *c, const char *id, struct berth_seal_report *ret,
                        struct berth_error *e);
/*
 * Gives up building: the lease ends. With a message (migrations failed) all who wait for the
 * template get BUILDFAILED with it; without (NULL) the next of them builds.
 */
int berth_template_abort(struct berth_client *c, const char *id, const char *message,
                         struct berth_error *e);
/* Removes a template; NOTEMPLATE, or INUSE while it is being built or a lease of it is held. */
int berth_template_drop(struct berth_client *c, const char *key, struct berth_error *e);

/* What berth_reset() did. */
struct berth_reset_report {
	long long tables;    /* that were changed, and are as they were */
	long long rows;      /* removed or restored */
	long long sequences; /* set back */
	int rebuilt;         /* 1: a new schema was made instead; the numbers are then 0 */
	long long us;        /* how long that took, microseconds */
};

/*
 * Brings the schema and the Redis database of a held lease back to its baseline: its template, what
 * berth_baseline() declared, or nothing. BUSY when another session of its role is in a transaction
 * or runs something; with `force` such sessions are ended. Idle ones stay. `*ret` may be NULL.
 */
int berth_reset(struct berth_client *c, const char *id, bool force, struct berth_reset_report *ret,
                struct berth_error *e);
/* What is in the schema of a held lease now is what berth_reset() brings back from now on. */
int berth_baseline(struct berth_client *c, const char *id, struct berth_error *e);

struct berth_leases;

/* Lists leases: of one run (NULL: all), of one uid (-1: all). Walk with berth_leases_next(). */
int berth_leases(struct berth_client *c, const char *run, long long uid,
                 struct berth_leases **ret, struct berth_error *e);
/* The next row, NULL after the last. It borrows from the list and lives until the next call. */
const struct berth_lease_row *berth_leases_next(struct berth_leases *list);
void berth_leases_free(struct berth_leases *list);

/* Counters and states as text, of one section (NULL: all). `*ret` is the caller's: free() it. */
int berth_info(struct berth_client *c, const char *section, char **ret, struct berth_error *e);
/* Asks whether the daemon is there. `*round_trip_us` (or NULL): how long that took. */
int berth_ping(struct berth_client *c, long long *round_trip_us, struct berth_error *e);
enum berth_shutdown {
	BERTH_SHUTDOWN_DRAIN,    /* no new leases; leaves when the last has ended */
	BERTH_SHUTDOWN_NOW,      /* ends all leases */
	BERTH_SHUTDOWN_HANDOVER, /* leaves at once; the next daemon on that socket goes on with them */
};
/* Tells the daemon to leave. UNAVAILABLE: a HANDOVER for which it could write nothing down. */
int berth_shutdown(struct berth_client *c, enum berth_shutdown how, struct berth_error *e);

enum berth_reply_type {
	BERTH_REPLY_NULL,
	BERTH_REPLY_TEXT,
	BERTH_REPLY_INTEGER,
	BERTH_REPLY_ARRAY, /* maps too: field, value, field, value */
	BERTH_REPLY_ERROR, /* only inside an array */
};

/* What a verb answered. The library owns all of it: free the outermost with berth_reply_free(). */
struct berth_reply {
	enum berth_reply_type type;
	long long integer;
	char *text;  /* ends with a NUL that `len` does not count */
	size_t len;
	struct berth_reply **items;
	size_t count;
};

/*
 * Sends any verb with its arguments and takes the one reply. An error reply fails with its code.
 * `wait_ms` is added to the client's timeout, for verbs that were asked to wait.
 */
int berth_command(struct berth_client *c, long long wait_ms, int argc, const char *const argv[],
                  struct berth_reply **ret, struct berth_error *e);
void berth_reply_free(struct berth_reply *reply);

#ifdef __cplusplus
}
#endif

#endif
