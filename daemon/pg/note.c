/* SPDX-License-Identifier: MIT */
/* A flow that owns itself. */
#include "daemon/pg/note.h"

#include <stdlib.h>

#include "daemon/base/log.h"
#include "daemon/pg/pg.h"

struct note {
	struct flow flow;
	struct sql statement;
};

static void
say(void *ctx, struct sql *sql)
{
	const struct note *note = ctx;

	sql_put(sql, note->statement.text, note->statement.len);
}

static const struct flow_step steps[] = {
	{ "note it", say, .wait = true },
	{ 0 },
};

static void
on_said(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct note *note = ctx;

	if (e)
		log_warn("pg.note_failed", LOG_T("what", note->flow.subject), LOG_T("why", e->message));
	sql_fini(&note->statement);
	free(note);
}

void
note_send(struct pg *pg, const char *what, struct sql *statement)
{
	struct note *note = calloc(1, sizeof *note);

	if (!note)
		abort();
	note->statement = *statement;
	*statement = (struct sql){ 0 };
	note->flow = (struct flow){ .steps = steps, .subject = what, .ctx = note, .done = on_said };
	pg_run_first(pg, &note->flow); /* it is short, and others want to know */
}
