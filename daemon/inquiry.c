/* SPDX-License-Identifier: MIT */
/* Sessions are found again by their id: they may close while the server thinks. */
#include "daemon/inquiry.h"

#include <stdio.h>
#include <stdlib.h>

#include "daemon/berthd.h"
#include "daemon/session.h"

static void
ask(void *ctx, struct sql *sql)
{
	const struct inquiry *inquiry = ctx;

	inquiry->ask(ctx, sql);
}

static int
on_answer(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct inquiry *inquiry = ctx;
	struct session *session = listener_find(&inquiry->berthd->listener, inquiry->session);

	inquiry->session = 0; /* answered: whatever fails now is not for it */
	if (session) {
		inquiry->reply(session, result);
		session_resume(session);
	}
	return 0;
}

static const struct flow_step steps[] = {
	{ "ask", ask, on_answer, .wait = true },
	{ 0 },
};

static void
on_done(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct inquiry *inquiry = ctx;
	struct session *session = e ? listener_find(&inquiry->berthd->listener, inquiry->session) : NULL;

	if (session) {
		session_error(session, e->code, "%s", e->message);
		session_resume(session);
	}
	free(inquiry);
}

void
inquire_about(struct session *session, const char *about, void (*question)(void *ctx, struct sql *sql),
              void (*reply)(struct session *session, const PGresult *result))
{
	struct berthd *berthd = session->berthd;
	struct berth_error e;
	struct inquiry *inquiry;

	if (!registry_ready(&berthd->registry, &e) || !pg_up(&berthd->pg, &e)) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	inquiry = calloc(1, sizeof *inquiry);
	if (!inquiry)
		abort();
	*inquiry = (struct inquiry){ .berthd = berthd, .session = session->id, .ask = question, .reply = reply };
	snprintf(inquiry->about, sizeof inquiry->about, "%s", about);
	inquiry->flow = (struct flow){ .steps = steps, .subject = "the question", .ctx = inquiry, .done = on_done };
	session_suspend(session);
	pg_run(&berthd->pg, &inquiry->flow);
}

void
inquire(struct session *session, void (*question)(void *ctx, struct sql *sql),
        void (*reply)(struct session *session, const PGresult *result))
{
	inquire_about(session, "", question, reply);
}
