/* SPDX-License-Identifier: MIT */
/* HELP SHUTDOWN: the daemon itself. */
#include <stdio.h>
#include <string.h>

#include "daemon/berthd.h"
#include "daemon/verb.h"

/* ---- HELP ---- */

static void
reply_help(struct reply *reply, const struct verb_row *row)
{
	char line[512];

	snprintf(line, sizeof line, "%s%s%s: %s", row->word, *row->usage ? " " : "", row->usage, row->summary);
	reply_simple(reply, line);
}

void
verb_help(struct session *session, const struct request *request)
{
	int verb = request->argc > 1 ? verb_find(&request->argv[1]) : -1;

	if (request->argc > 1 && verb < 0) {
		session_error(session, BERTH_ERR, "there is no such verb; HELP lists them");
		return;
	}
	if (verb >= 0) {
		reply_help(&session->reply, &verb_rows[verb]);
		return;
	}
	reply_array(&session->reply, VERBS);
	for (verb = 0; verb < VERBS; verb++)
		reply_help(&session->reply, &verb_rows[verb]);
}

/* ---- SHUTDOWN ---- */

void
verb_shutdown(struct session *session, const struct request *request)
{
	bool now = request->argc > 1 && request_arg_is(&request->argv[1], "NOW");
	bool handover = request->argc > 1 && request_arg_is(&request->argv[1], "HANDOVER");
	struct berth_error e;

	if (request->argc > 1 && !now && !handover) {
		session_error(session, BERTH_USAGE, "it is: SHUTDOWN %s", verb_rows[VERB_shutdown].usage);
	} else if (handover && berthd_hand_over(session->berthd, &e) < 0) {
		session_error(session, e.code, "%s", e.message);
	} else {
		reply_ok(&session->reply);
		if (!handover)
			berthd_shutdown(session->berthd, now);
	}
}
