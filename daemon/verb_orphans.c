/* SPDX-License-Identifier: MIT */
/* ORPHANS LIST DROP: what nobody who lives owns. */
#include <stdlib.h>
#include <string.h>

#include "daemon/berthd.h"
#include "daemon/orphans.h"
#include "daemon/verb.h"

enum { FIELDS = 14, DROP_COUNT = 64 };

/* A verb under way; the session may be gone by its end. */
struct visit {
	struct berthd *berthd;
	uint64_t session;
};

static struct session *
who(const struct visit *visit)
{
	return listener_find(&visit->berthd->listener, visit->session);
}

static bool
is_wanted(void *arg)
{
	return who(arg) != NULL;
}

/* ---- the answer ---- */

static void
field_known(struct reply *reply, const char *name, int64_t number)
{
	reply_text(reply, name);
	if (number >= 0)
		reply_int(reply, number);
	else
		reply_null(reply);
}

static void
reply_row(struct reply *reply, const struct orphan *orphan)
{
	const char *runner = *orphan->stamp.runner ? orphan->stamp.runner : orphan->runner;

	reply_map(reply, FIELDS);
	reply_field_text(reply, "kind", orphan_kind_word(orphan->kind));
	reply_field_text(reply, "name", orphan->name);
	reply_field_text(reply, "class", orphan_class_word(orphan->class));
	reply_field_text(reply, "runner", *runner ? runner : NULL);
	reply_field_text(reply, "host", *orphan->host ? orphan->host : NULL);
	reply_field_text(reply, "run", *orphan->run ? orphan->run : NULL);
	reply_field_text(reply, "worker", *orphan->worker ? orphan->worker : NULL);
	field_known(reply, "uid", orphan->uid);
	field_known(reply, "age_ms", orphan->age_ms);
	field_known(reply, "tables", orphan->tables);
	field_known(reply, "bytes", orphan->bytes);
	field_known(reply, "sessions", orphan->sessions);
	reply_field_text(reply, "action", orphan_action_word(orphan->action));
	reply_field_text(reply, "why", orphan->why);
}

static void
on_done(void *arg, const struct orphan *list, int count, const struct berth_error *e)
{
	struct visit *visit = arg;
	struct session *session = who(visit);

	if (session && e) {
		session_error(session, e->code, "%s", e->message);
	} else if (session) {
		reply_array(&session->reply, (size_t)count);
		for (int i = 0; i < count; i++)
			reply_row(&session->reply, &list[i]);
	}
	if (session)
		session_resume(session);
	free(visit);
}

/* ---- the question ---- */

enum { OLDER, LIKE, FOREIGN, SESSIONS, EMPTY, BRIEF, AFTER, COUNT, OPTIONS };

/* "kind/name" of the last row that is known. */
static int
read_after(const char *text, struct orphans_ask *ask, struct berth_error *e)
{
	const char *slash = strchr(text, '/');
	int kind = slash ? orphan_kind_of(text, (int)(slash - text)) : -1;

	if (kind < 0 || !slash[1] || strlen(slash + 1) >= sizeof ask->after)
		return berth_error_set(e, BERTH_USAGE, "AFTER wants the kind and name of a row, like schema/test_3fa9c1_17, "
		                       "not '%s'", text);
	ask->after_kind = (enum orphan_kind)kind;
	strcpy(ask->after, slash + 1);
	return 0;
}

/* What to do, and how many words said it. */
static int
read_what(const struct request *request, struct orphans_ask *ask)
{
	if (request->argc > 1 && request_arg_is(&request->argv[1], "LIST"))
		return 1;
	if (request->argc < 2 || !request_arg_is(&request->argv[1], "DROP"))
		return 0;
	ask->what = ORPHANS_DROP;
	if (request->argc < 3 || !request_arg_is(&request->argv[2], "DRYRUN"))
		return 1;
	ask->what = ORPHANS_DRYRUN;
	return 2;
}

static int
read_ask(const struct request *request, struct orphans_ask *ask, struct berth_error *e)
{
	struct option options[OPTIONS] = {
		[OLDER]    = { "OLDER", OPTION_NUMBER, .greatest = INT64_MAX },
		[LIKE]     = { "LIKE", OPTION_TEXT, .most = sizeof ask->like - 1 },
		[FOREIGN]  = { "FOREIGN", OPTION_FLAG },
		[SESSIONS] = { "SESSIONS", OPTION_FLAG },
		[EMPTY]    = { "EMPTY", OPTION_FLAG },
		[BRIEF]    = { "BRIEF", OPTION_FLAG },
		[AFTER]    = { "AFTER", OPTION_TEXT, .most = LIMIT_LABEL_BYTES },
		[COUNT]    = { "COUNT", OPTION_NUMBER, .least = 1, .greatest = ORPHANS_MOST },
	};
	int words;

	*ask = (struct orphans_ask){ .older_ms = -1 };
	words = read_what(request, ask);
	if (options_read(request, 1 + words, options, OPTIONS, e) < 0
	    || (options[AFTER].said && read_after(options[AFTER].text, ask, e) < 0))
		return -1;
	if (options[OLDER].said)
		ask->older_ms = options[OLDER].number;
	strcpy(ask->like, options[LIKE].text);
	ask->foreign = options[FOREIGN].said;
	ask->sessions = options[SESSIONS].said;
	ask->empty = options[EMPTY].said;
	ask->brief = options[BRIEF].said || ask->what == ORPHANS_DROP;
	ask->count = options[COUNT].said ? (int)options[COUNT].number
	                                 : ask->what == ORPHANS_DROP ? DROP_COUNT : ORPHANS_MOST;
	return orphans_check(ask, e);
}

/* Orphans of berth's are nobody's; what others made, and who is at work, is for those who answer for it. */
static int
may_ask(const struct session *session, const struct orphans_ask *ask, struct berth_error *e)
{
	if (session->privileged || ask->what != ORPHANS_DROP || (!ask->foreign && !ask->sessions))
		return 0;
	return berth_error_set(e, BERTH_DENIED, "DROP %s is for root and the daemon's own user, you are uid %u",
	                       ask->foreign ? "FOREIGN" : "SESSIONS", (unsigned)session->uid);
}

void
verb_orphans(struct session *session, const struct request *request)
{
	struct berthd *berthd = session->berthd;
	struct orphans_ask ask;
	struct berth_error e;
	struct visit *visit;

	if (read_ask(request, &ask, &e) < 0 || may_ask(session, &ask, &e) < 0
	    || !registry_ready(&berthd->registry, &e) || !pg_up(&berthd->pg, &e)) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	visit = calloc(1, sizeof *visit);
	if (!visit)
		abort();
	*visit = (struct visit){ .berthd = berthd, .session = session->id };
	session_suspend(session);
	orphans_start(berthd, &ask, is_wanted, on_done, visit);
}
