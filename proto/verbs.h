/* SPDX-License-Identifier: MIT */
/*
 * Every verb, one row each: the daemon's dispatch, HELP, COMMAND and the manual come from here.
 *
 * Arity counts the verb itself, as Redis does; max 0 means up to LIMIT_REQUEST_ARGS.
 */
#pragma once

/* What a verb needs or does. */
enum verb_flags {
	VERB_HANDSHAKE = 1 << 0, /* exists so that real Redis clients connect */
	VERB_READ      = 1 << 1, /* changes nothing */
	VERB_LEASE     = 1 << 2, /* acts on a lease of the caller's uid */
	VERB_ADMIN     = 1 << 3, /* root or the daemon's own user only */
	VERB_SLOW      = 1 << 4, /* may answer later (WAIT) */
};

/*  symbol   word       min max flags                    usage, summary */
#define BERTH_VERBS(X)                                                                              \
	X(acquire,  "ACQUIRE",  2,  0, VERB_LEASE | VERB_SLOW,                                      \
	  "worker [RUN id] [TEMPLATE key] [KIND schema|database] [NAME schema] "                    \
	  "[REDIS index|acl|private|none] [TTL ms] [WAIT ms] [DETACH] [LABEL text]",                                               \
	  "Take the lease of (run, worker), or get the one that is already held")                   \
	X(lease,    "LEASE",    2,  4, VERB_READ | VERB_LEASE | VERB_SLOW, "id [WAIT ms]",          \
	  "The lease as it is now; poll a queued one with WAIT")                                    \
	X(renew,    "RENEW",    2,  4, VERB_LEASE, "id [TTL ms]",                                   \
	  "Start a lease's time again; answers the ms that are left")                               \
	X(release,  "RELEASE",  2,  4, VERB_LEASE, "id [KEEP ms]",                                  \
	  "Give a lease back, or pin its state for a look")                                         \
	X(detach,   "DETACH",   2,  2, VERB_LEASE, "id",                                            \
	  "Let a lease outlive its connections, until its TTL")                                     \
	X(attach,   "ATTACH",   3,  3, VERB_LEASE, "id fence",                                      \
	  "Bind a lease to this connection too")                                                    \
	X(baseline, "BASELINE", 2,  2, VERB_LEASE | VERB_SLOW, "id",                                \
	  "From now on RESET brings back what is in the lease's schema now")                        \
	X(diff,     "DIFF",     2,  2, VERB_READ | VERB_LEASE | VERB_SLOW, "id",                    \
	  "The tables of a lease's schema that hold something else than its baseline")              \
	X(leaks,    "LEAKS",    2,  2, VERB_READ | VERB_LEASE | VERB_SLOW, "id",                    \
	  "What a lease's role has outside of its schema: objects, sessions, locks")                \
	X(copy,     "COPY",     3,  3, VERB_LEASE | VERB_SLOW, "id to",                             \
	  "Fill the schema of another lease, which is empty, with what is in this one's")           \
	X(template, "TEMPLATE", 2,  4, VERB_SLOW, "SEAL lease | ABORT lease [message] | LIST | DROP key", \
	  "Templates: seal what a builder has migrated, give up, list, drop")                       \
	X(leases,   "LEASES",   1,  5, VERB_READ, "[RUN id] [UID n]",                               \
	  "Who holds or waits for what (no secrets)")                                               \
	X(slots,    "SLOTS",    1,  1, VERB_READ, "", "Every slot and its state")                   \
	X(runners,  "RUNNERS",  1,  1, VERB_READ | VERB_SLOW, "", "Every runner in the registry")   \
	X(enum,     "ENUM",     2,  0, VERB_SLOW,                                                   \
	  "ENSURE name label [label …] | APPEND name label [label …] | LIST",                       \
	  "Shared enum types, each made exactly once under an advisory lock")                       \
	X(once,     "ONCE",     2,  8, VERB_SLOW,                                                   \
	  "ENTER key [RETRY] [WAIT ms] [FENCE n] | DONE key fence | FAIL key fence message [STATUS n] | "     \
	  "FORGET key | LIST",                                                                      \
	  "The gate: exactly one runs, the others learn the outcome")                               \
	X(orphans,  "ORPHANS",  1, 16, VERB_SLOW,                                                   \
	  "[LIST | DROP [DRYRUN]] [OLDER ms] [LIKE pattern] [FOREIGN] [SESSIONS] [EMPTY] [BRIEF] "    \
	  "[AFTER kind/name] [COUNT n]",                                                            \
	  "What nobody who lives owns, in PostgreSQL and Redis; drop it")                           \
	X(doctor,   "DOCTOR",   1,  1, VERB_READ | VERB_SLOW, "",                                   \
	  "What is misconfigured around berthd, what it means, and what mends it")                  \
	X(info,     "INFO",     1,  2, VERB_READ, "[section]", "Counters and states as text")       \
	X(config,   "CONFIG",   2,  3, VERB_READ, "GET pattern", "Settings in force (no secrets)")  \
	X(reload,   "RELOAD",   1,  1, VERB_ADMIN, "",                                              \
	  "Read the settings again; answers what was taken and what takes a restart")               \
	X(shutdown, "SHUTDOWN", 1,  2, VERB_ADMIN | VERB_SLOW, "[NOW|HANDOVER]",                    \
	  "Leave when the last lease has ended, end them all NOW, or leave them to the next berthd")\
	X(help,     "HELP",     1,  2, VERB_READ, "[verb]", "Every verb in a line, or one of them") \
	X(hello,    "HELLO",    1,  7, VERB_HANDSHAKE, "[2|3 [AUTH user password] [SETNAME name]]", \
	  "Choose RESP2 or RESP3; who the server is")                                               \
	X(ping,     "PING",     1,  2, VERB_HANDSHAKE | VERB_READ, "[text]", "PONG, or the text")   \
	X(echo,     "ECHO",     2,  2, VERB_HANDSHAKE | VERB_READ, "text", "The text")              \
	X(auth,     "AUTH",     2,  3, VERB_HANDSHAKE, "[user] password",                           \
	  "Accepted and ignored: peers are known by their uid")                                     \
	X(select,   "SELECT",   2,  2, VERB_HANDSHAKE, "0", "There is one database, 0")             \
	X(quit,     "QUIT",     1,  1, VERB_HANDSHAKE, "", "OK, and the connection closes")         \
	X(reset,    "RESET",    1,  3, VERB_HANDSHAKE | VERB_SLOW, "[id [FORCE]]",                  \
	  "Bring a lease's schema and Redis database back to its template; alone: back to RESP2, no name") \
	X(command,  "COMMAND",  1,  0, VERB_HANDSHAKE | VERB_READ, "[COUNT | DOCS [verb …] | LIST | INFO [verb …]]", \
	  "The verbs in Redis' format")                                                             \
	X(client,   "CLIENT",   2,  0, VERB_HANDSHAKE, "SETINFO|SETNAME|GETNAME|ID …",              \
	  "This connection's name and id")

enum verb {
#define X(symbol, word, min, max, flags, usage, summary) VERB_##symbol,
	BERTH_VERBS(X)
#undef X
	VERBS
};
