/* SPDX-License-Identifier: MIT */
/* Verbs: from a request to the function that answers it; one function a row of proto/verbs.h. */
#pragma once

#include "daemon/session.h"
#include "proto/request.h"
#include "proto/verbs.h"

/* Checks the word and the arity, counts, calls. Replies exactly once, or the session waits. */
void verb_dispatch(struct session *session, const struct request *request);
/* Whether it may be looked at while replies to those before it are promised: what shares a conversation. */
bool verb_goes_along(const struct request *request);

struct verb_row {
	const char *word, *usage, *summary;
	int min, max; /* arguments, the verb counted; max 0: as many as a request may have */
	int flags;
};
extern const struct verb_row verb_rows[VERBS];
/* The verb of a word, -1 for none. */
int verb_find(const struct request_arg *word);

#define X(symbol, word, min, max, flags, usage, summary) \
	void verb_##symbol(struct session *session, const struct request *request);
BERTH_VERBS(X)
#undef X

/*
 * Options behind a verb's fixed arguments: `RUN id`, `DETACH`. A table of them is filled by
 * options_read(); each may be said once, in any order.
 */
struct option {
	const char *word;
	enum { OPTION_TEXT, OPTION_NUMBER, OPTION_FLAG } kind;
	size_t most;                 /* of a text: its longest, in bytes */
	int64_t least, greatest;     /* of a number */
	bool said;
	char text[LIMIT_LABEL_BYTES + 1];
	int64_t number;
};

/* Reads argv[from..] into `options` (`count` rows); -1 with USAGE, or LIMIT for a number out of range. */
int options_read(const struct request *request, int from, struct option *options, int count,
                 struct berth_error *e);
/* Copies an argument that must be 1..most bytes of visible ASCII; `what` names it in the error. */
int argument_word(const struct request_arg *arg, const char *what, size_t most, char *out,
                  struct berth_error *e);

struct doctor;
/* Replies to a session that asked DOCTOR, if it is still there. */
void verb_doctor_tell(struct doctor *doctor, uint64_t session);

/* The lease that argv[1] names, as this session may see it; NULL: the error was replied. */
struct lease *verb_lease_arg(struct session *session, const struct request *request);
/* Replies with the lease's map, or with the error it ended with. */
void reply_lease(struct session *session, struct lease *lease);
