/* SPDX-License-Identifier: MIT */
/* RESET BASELINE DIFF COPY: a lease's schema and Redis database as they were, or as they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/berthd.h"
#include "daemon/diff.h"
#include "daemon/errand.h"
#include "daemon/verb.h"

enum { RESET_FIELDS = 5, DIFF_FIELDS = 4 };

static void
reply_reset(struct reply *reply, const struct reset_result *result)
{
	reply_map(reply, RESET_FIELDS);
	reply_field_int(reply, "tables", result->tables);
	reply_field_int(reply, "rows", result->rows);
	reply_field_int(reply, "sequences", result->sequences);
	reply_field_int(reply, "rebuilt", result->rebuilt);
	reply_field_int(reply, "us", result->us);
}

/* Of a table that is not there, or was not, there are no rows to count. */
static void
reply_rows(struct reply *reply, const char *name, int64_t rows)
{
	reply_text(reply, name);
	if (rows < 0)
		reply_null(reply);
	else
		reply_int(reply, rows);
}

static void
reply_diff(struct reply *reply, const struct diff *diff)
{
	reply_array(reply, (size_t)diff->count);
	for (int i = 0; i < diff->count; i++) {
		reply_map(reply, DIFF_FIELDS);
		reply_field_text(reply, "table", diff->rows[i].table);
		reply_rows(reply, "rows_then", diff->rows[i].then);
		reply_rows(reply, "rows_now", diff->rows[i].now);
		reply_field_int(reply, "written", diff->rows[i].written);
	}
}

/* Ends the errand with `reply`, or with the error. */
static void
answer(struct errand *errand, void (*reply)(struct session *session, const struct restore_result *result),
       const struct restore_result *result, const struct berth_error *e)
{
	struct session *session = errand_end(errand);

	if (!session)
		return;
	if (e)
		session_error(session, e->code, "%s", e->message);
	else
		reply(session, result);
	session_resume(session);
}

static void
say_reset(struct session *session, const struct restore_result *result)
{
	reply_reset(&session->reply, &result->reset);
}

static void
say_diff(struct session *session, const struct restore_result *result)
{
	reply_diff(&session->reply, result->diff);
}

static void
say_ok(struct session *session, const struct restore_result *result)
{
	reply_ok(&session->reply);
}

static void
on_reset(void *arg, const struct restore_result *result, const struct berth_error *e)
{
	answer(arg, say_reset, result, e);
}

static void
on_diff(void *arg, const struct restore_result *result, const struct berth_error *e)
{
	answer(arg, say_diff, result, e);
}

static void
on_done(void *arg, const struct restore_result *result, const struct berth_error *e)
{
	answer(arg, say_ok, result, e);
}

/* Whether that can be begun, or joined, now; false: the error was replied. */
static bool
may_begin(struct session *session, const struct lease *lease, enum restore_kind kind)
{
	struct berthd *berthd = session->berthd;
	struct berth_error e;

	if (lease->state != LEASE_HELD)
		session_error(session, BERTH_BUSY, "lease %s is not held yet; ask LEASE %s WAIT ms first", lease->id, lease->id);
	else if (lease->seal)
		session_error(session, BERTH_BUSY, "the template of lease %s is being sealed", lease->id);
	else if (lease->restore && restore_kind(lease->restore) != kind)
		session_error(session, BERTH_BUSY, "lease %s is having %s; wait for its answer", lease->id,
		              restore_words(restore_kind(lease->restore)));
	else if (kind != RESTORE_RESET && lease->want.kind == SLOT_DATABASE)
		session_error(session, BERTH_USAGE, "there is no looking into a database: %s is of a schema; a lease of KIND "
		              "database is RESET to its template alone: ACQUIRE it with TEMPLATE key", restore_words(kind));
	else if ((kind == RESTORE_RESET || kind == RESTORE_DIFF) && lease->slot->forgetful)
		session_error(session, BERTH_NOTEMPLATE, "berthd was restarted, and nobody knows any more what lease %s is to be reset "
		              "to: declare a BASELINE again, or release it and ask anew", lease->id);
	else if (!registry_ready(&berthd->registry, &e) || !pg_up(&berthd->pg, &e))
		session_error(session, e.code, "%s", e.message);
	else
		return true;
	return false;
}

static void
join(struct session *session, struct lease *lease, restore_done *done)
{
	restore_join(lease->restore, done, errand_new(session));
	session_suspend(session);
}

void
verb_baseline(struct session *session, const struct request *request)
{
	struct lease *lease = verb_lease_arg(session, request);

	if (!lease || !may_begin(session, lease, RESTORE_BASELINE))
		return;
	if (!lease->restore)
		restore_baseline_start(&session->berthd->restores, lease);
	join(session, lease, on_done);
}

void
verb_diff(struct session *session, const struct request *request)
{
	struct lease *lease = verb_lease_arg(session, request);

	if (!lease || !may_begin(session, lease, RESTORE_DIFF))
		return;
	if (!lease->restore)
		restore_diff_start(&session->berthd->restores, lease);
	join(session, lease, on_diff);
}

/* ---- COPY ---- */

struct copying {
	struct errand *errand;
	char to[LIMIT_NAME_BYTES + 1]; /* the lease to be filled */
};

/* The lease, if it can be filled; NULL: the error was replied. */
static struct lease *
find_target(struct session *session, const char *id, size_t len)
{
	struct berth_error e;
	struct lease *to = book_find(&session->berthd->book, id, len, session->uid, session->privileged, &e);

	if (!to)
		session_error(session, e.code, "%s", e.message);
	else if (to->want.template)
		session_error(session, BERTH_USAGE, "lease %s has a template; a COPY goes into an empty schema: ACQUIRE one "
		              "without TEMPLATE", to->id);
	else if (to->restore)
		session_error(session, BERTH_BUSY, "lease %s is having %s; wait for its answer", to->id,
		              restore_words(restore_kind(to->restore)));
	else if (may_begin(session, to, RESTORE_FILL))
		return to;
	return NULL;
}

/* The second half, if the lease that is to be filled is still there. */
static void
fill(struct session *session, const char *id, struct image *image)
{
	struct lease *to = find_target(session, id, strlen(id));

	if (to) {
		restore_fill_start(&session->berthd->restores, to, image);
		restore_join(to->restore, on_done, errand_new(session));
	} else {
		session_resume(session);
	}
}

static void
on_image(void *arg, const struct restore_result *result, const struct berth_error *e)
{
	struct copying *copying = arg;

	if (e) {
		answer(copying->errand, say_ok, NULL, e);
	} else {
		struct session *session = errand_end(copying->errand);

		if (session)
			fill(session, copying->to, result->image);
	}
	free(copying);
}

void
verb_copy(struct session *session, const struct request *request)
{
	struct lease *lease = verb_lease_arg(session, request), *to;
	struct copying *copying;

	if (!lease || !may_begin(session, lease, RESTORE_IMAGE)
	    || !(to = find_target(session, request->argv[2].ptr, request->argv[2].len)))
		return;
	copying = calloc(1, sizeof *copying);
	if (!copying)
		abort();
	copying->errand = errand_new(session);
	snprintf(copying->to, sizeof copying->to, "%s", to->id);
	if (!lease->restore)
		restore_image_start(&session->berthd->restores, lease);
	restore_join(lease->restore, on_image, copying);
	session_suspend(session);
}

/* ---- RESET ---- */

static void
reset_session(struct session *session)
{
	session->reply.resp = 2;
	session->name[0] = '\0';
	reply_simple(&session->reply, "RESET");
}

void
verb_reset(struct session *session, const struct request *request)
{
	struct option force = { "FORCE", OPTION_FLAG };
	struct berth_error e;
	struct lease *lease;

	if (request->argc == 1) {
		reset_session(session);
		return;
	}
	if (options_read(request, 2, &force, 1, &e) < 0) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	lease = verb_lease_arg(session, request);
	if (!lease || !may_begin(session, lease, RESTORE_RESET))
		return;
	if (!lease->restore)
		restore_start(&session->berthd->restores, lease, force.said);
	join(session, lease, on_reset);
}
