/* SPDX-License-Identifier: MIT */
/*
 * The private PostgreSQL, Redis and berthd of a run: started, watched, stopped.
 *
 * keeper    owns the servers; they borrow its watch, directory and programs until servers_stop()
 */
#pragma once

#include "client/cli/run/cache.h"
#include "client/cli/run/child.h"
#include "client/cli/run/env.h"
#include "client/cli/run/programs.h"
#include "client/cli/run/rundir.h"
#include "client/cli/run/user.h"
#include "client/cli/run/watch.h"
#include "proto/errors.h"

enum { PASSWORD_TEXT = 33 }; /* 128 bits in hex */

struct servers;

/* What is to be known of a kind of server. */
struct server_kind {
	const char *name; /* for people */
	const char *log;  /* file in the run's directory */
	int stop_signal;  /* and death signal */
	int stop_kept;    /* the same with --keep */
	int (*start)(struct servers *servers, struct child *child, int log, struct berth_error *e);
	bool (*is_ready)(struct servers *servers);
	/* NULL, or what to do once it is ready */
	int (*settle)(struct servers *servers, struct berth_error *e);
	/* NULL, or what to do when it ended before that; true: it may be tried again */
	bool (*mend)(struct servers *servers, const char *log_tail);
};

enum server_id { SERVER_POSTGRES, SERVER_REDIS, SERVER_BERTHD, SERVERS };

struct server {
	const struct server_kind *kind;
	struct child child;
	bool told; /* that it ended */
};

struct servers {
	struct watch *watch;
	const struct rundir *dir;
	const struct programs *programs;
	struct user user;
	bool tcp;
	struct cache cache;
	bool cached; /* the data directory came from the cache */
	int pg_port;
	int redis_port;
	char pg_password[PASSWORD_TEXT];
	char redis_password[PASSWORD_TEXT];
	struct env env; /* the servers' own: nothing of the user's that could change them */
	struct server server[SERVERS];
};

extern const struct server_kind postgres_kind, redis_kind, berthd_kind;

/* Prepares, without starting anything. */
void servers_init(struct servers *servers, struct watch *watch, const struct rundir *dir,
                  const struct programs *programs, const struct user *user, bool tcp);
/* Starts all and waits until berthd hands out leases. An error holds the end of the log. */
int servers_start(struct servers *servers, struct berth_error *e);
/* Ends all: no process is left, nor shared memory. The directory is the caller's to remove. */
void servers_stop(struct servers *servers);
/* Says of each server that has ended by itself that it did, once, with the end of its log. */
void servers_report(struct servers *servers);
/* The path of berthd's socket. Borrowed until the next call. */
const char *servers_socket(const struct servers *servers);
/* The running ones' pids; returns how many. */
size_t servers_pids(const struct servers *servers, pid_t pids[SERVERS]);

/* For the kinds: a port of 127.0.0.1 that is free now. */
int servers_free_port(void);
/* Runs a tool as the servers' user with `input` (NULL: none); its output goes to `log`. */
int servers_run_tool(struct servers *servers, const char *const *argv, const char *input,
                     const char *log, struct berth_error *e);
/* A pipe that holds `text` (shorter than a pipe's buffer), to be read once; -1 on failure. */
int servers_text_pipe(const char *text);
