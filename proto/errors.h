/* SPDX-License-Identifier: MIT */
/*
 * The closed list of error codes, and the one struct that carries an error.
 *
 * One row drives the reply on the wire, the exit status of the command line, the retry flag, the
 * Python exception and the documentation. A code never begins with a word on which Redis clients
 * act by themselves (LOADING, READONLY, TRYAGAIN, MOVED, ASK, NOAUTH, MASTERDOWN, CLUSTERDOWN).
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

/*  code         exit retry  meaning */
#define BERTH_ERRORS(X)                                                                       \
	X(ERR,         1, false, "the request is not understood")                             \
	X(USAGE,       2, false, "an argument is missing, unknown or malformed")              \
	X(NOLEASE,     1, false, "no such lease")                                             \
	X(STALE,       1, false, "the fence is not the lease's: somebody else holds it now")  \
	X(BUSY,       75, true,  "the state does not allow this now")                         \
	X(TIMEOUT,    75, true,  "it was not done within its time")                           \
	X(DRIFT,       1, false, "it exists, but with another definition")                    \
	X(INUSE,       1, false, "the name belongs to somebody else")                         \
	X(DENIED,      1, false, "this uid may not do that")                                  \
	X(LIMIT,       1, false, "a limit is reached")                                        \
	X(NOTEMPLATE,  1, false, "no such template")                                          \
	X(BUILDFAILED, 1, false, "the template's builder failed")                             \
	X(UNAVAILABLE, 75, true, "a server that is needed cannot be reached")                 \
	X(PGERR,       1, false, "PostgreSQL refused")                                        \
	X(REDISERR,    1, false, "Redis refused")

enum berth_error_code {
	BERTH_OK = 0,
#define X(code, exit_status, retry, meaning) BERTH_##code,
	BERTH_ERRORS(X)
#undef X
	BERTH_ERROR_CODES
};

enum { BERTH_ERROR_MESSAGE_MAX = 512 };

/* An error: a code and a message for a person. Owns nothing; copy it freely. */
struct berth_error {
	enum berth_error_code code;
	char message[BERTH_ERROR_MESSAGE_MAX];
};

/* Sets `e` (which may be NULL) and returns -1, so that a caller can `return berth_error_set(…)`. */
int berth_error_set(struct berth_error *e, enum berth_error_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int berth_error_vset(struct berth_error *e, enum berth_error_code code, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

/* The word on the wire ("NOLEASE"); "OK" for BERTH_OK. Borrowed, static. */
const char *berth_error_name(enum berth_error_code code);
/* The code of a word, of which `len` bytes count; BERTH_ERR for a word that is not in the list. */
enum berth_error_code berth_error_code(const char *word, unsigned long len);
/* The exit status of the command line for this code; 0 for BERTH_OK. */
int berth_error_exit_status(enum berth_error_code code);
/* Whether the same request may succeed later without anybody changing anything. */
bool berth_error_retry(enum berth_error_code code);
/* The one-line meaning, for docs and `berth help errors`. Borrowed, static. */
const char *berth_error_meaning(enum berth_error_code code);
