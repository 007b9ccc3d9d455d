/* SPDX-License-Identifier: MIT */
/* ENUM ENSURE APPEND LIST: shared enum types. */
#include <stdlib.h>
#include <string.h>

#include "daemon/berthd.h"
#include "daemon/errand.h"
#include "daemon/inquiry.h"
#include "daemon/verb.h"

static const char *const outcomes[] = {
	[ENUM_EXISTS] = "exists", [ENUM_CREATED] = "created", [ENUM_APPENDED] = "appended",
};

/* Whose answer it is, and which; the promise is gone when the session is. */
struct promised {
	struct errand *errand;
	struct promise *promise;
};

static void
on_ensured(void *arg, enum enum_outcome outcome, const struct berth_error *e)
{
	struct promised *promised = arg;
	struct session *session = errand_end(promised->errand);

	if (session) {
		session_keep(session, promised->promise);
		if (e)
			session_error(session, e->code, "%s", e->message);
		else
			reply_simple(&session->reply, outcomes[outcome]);
		session_kept(session);
	}
	free(promised);
}

static int
read_def(const struct request *request, struct enum_def *def, struct berth_error *e)
{
	if (enum_def_name(def, request->argv[2].ptr, request->argv[2].len, e) < 0)
		return -1;
	for (int i = 3; i < request->argc; i++)
		if (enum_def_label(def, request->argv[i].ptr, request->argv[i].len, e) < 0)
			return -1;
	return 0;
}

/* An answer that is known at once may have others before it: it is promised, too. */
static void
ensure(struct session *session, const struct request *request, bool append)
{
	struct berthd *berthd = session->berthd;
	struct promised *promised;
	struct enum_def def;
	struct berth_error e;

	if (request->argc < 4) {
		session_error(session, BERTH_USAGE, "it is: ENUM %s name label [label …]", append ? "APPEND" : "ENSURE");
		return;
	}
	promised = calloc(1, sizeof *promised);
	if (!promised)
		abort();
	*promised = (struct promised){ errand_new(session), session_promise(session) };
	if (read_def(request, &def, &e) < 0 || !registry_ready(&berthd->registry, &e) || !pg_up(&berthd->pg, &e))
		on_ensured(promised, ENUM_EXISTS, &e);
	else
		enums_ensure(&berthd->enums, &def, append, on_ensured, promised);
}

/* ---- LIST ---- */

static void
ask_enums(void *ctx, struct sql *sql)
{
	const struct inquiry *inquiry = ctx;

	sql_add(sql,
	        "SELECT t.typname, n.nspname, l.enumlabel, count(*) OVER (PARTITION BY t.oid)"
	        " FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_enum l ON l.enumtypid = t.oid"
	        " WHERE n.nspname = %L ORDER BY t.typname, l.enumsortorder",
	        inquiry->berthd->config.enum_schema);
}

static void
reply_enums(struct session *session, const PGresult *result)
{
	struct reply *reply = &session->reply;
	size_t enums = 0;

	for (int row = 0; row < PQntuples(result); row += (int)flow_cell_int(result, row, 3))
		enums++;
	reply_array(reply, enums);
	for (int row = 0; row < PQntuples(result);) {
		int labels = (int)flow_cell_int(result, row, 3);

		reply_map(reply, 3);
		reply_field_text(reply, "name", flow_cell(result, row, 0));
		reply_field_text(reply, "schema", flow_cell(result, row, 1));
		reply_text(reply, "labels");
		reply_array(reply, (size_t)labels);
		for (int end = row + labels; row < end; row++)
			reply_text(reply, flow_cell(result, row, 2));
	}
}

void
verb_enum(struct session *session, const struct request *request)
{
	const struct request_arg *what = &request->argv[1];

	if (request_arg_is(what, "ENSURE"))
		ensure(session, request, false);
	else if (request_arg_is(what, "APPEND"))
		ensure(session, request, true);
	else if (request_arg_is(what, "LIST") && request->argc == 2)
		inquire(session, ask_enums, reply_enums);
	else
		session_error(session, BERTH_USAGE, "it is: ENUM %s", verb_rows[VERB_enum].usage);
}
