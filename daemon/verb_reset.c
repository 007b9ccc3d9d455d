/* SPDX-License-Identifier: MIT */
/* RESET BASELINE: a lease's schema and Redis database as they were. */
#include <stdlib.h>

#include "daemon/berthd.h"
#include "daemon/errand.h"
#include "daemon/verb.h"

enum { RESET_FIELDS = 5 };

static void
reply_result(struct session *session, const struct reset_result *result)
{
	struct reply *reply = &session->reply;

	reply_map(reply, RESET_FIELDS);
	reply_field_int(reply, "tables", result->tables);
	reply_field_int(reply, "rows", result->rows);
	reply_field_int(reply, "sequences", result->sequences);
	reply_field_int(reply, "rebuilt", result->rebuilt);
	reply_field_int(reply, "us", result->us);
}

static void
on_restored(void *arg, const struct reset_result *result, const struct berth_error *e)
{
	struct session *session = errand_end(arg);

	if (!session)
		return;
	if (e)
		session_error(session, e->code, "%s", e->message);
	else if (result)
		reply_result(session, result);
	else
		reply_ok(&session->reply);
	session_resume(session);
}

/* Whether that can be begun, or joined, now; false: the error was replied. */
static bool
may_begin(struct session *session, const struct lease *lease, bool baseline)
{
	struct berthd *berthd = session->berthd;
	struct berth_error e;

	if (lease->state != LEASE_HELD)
		session_error(session, BERTH_BUSY, "lease %s is not held yet; ask LEASE %s WAIT ms first", lease->id, lease->id);
	else if (lease->seal)
		session_error(session, BERTH_BUSY, "the template of lease %s is being sealed", lease->id);
	else if (lease->restore && restore_is_baseline(lease->restore) != baseline)
		session_error(session, BERTH_BUSY, "lease %s is having a %s; wait for its answer", lease->id,
		              baseline ? "RESET" : "BASELINE");
	else if (baseline && lease->want.kind == SLOT_DATABASE)
		session_error(session, BERTH_USAGE, "a BASELINE is of a schema; a lease of KIND database is reset to its template: "
		              "ACQUIRE it with TEMPLATE key");
	else if (!baseline && lease->slot->forgetful)
		session_error(session, BERTH_NOTEMPLATE, "berthd was restarted, and nobody knows any more what lease %s is to be reset "
		              "to: declare a BASELINE again, or release it and ask anew", lease->id);
	else if (!registry_ready(&berthd->registry, &e) || !pg_up(&berthd->pg, &e))
		session_error(session, e.code, "%s", e.message);
	else
		return true;
	return false;
}

static void
join(struct session *session, struct lease *lease)
{
	restore_join(lease->restore, on_restored, errand_new(session));
	session_suspend(session);
}

void
verb_baseline(struct session *session, const struct request *request)
{
	struct lease *lease = verb_lease_arg(session, request);

	if (!lease || !may_begin(session, lease, true))
		return;
	if (!lease->restore)
		restore_baseline_start(&session->berthd->restores, lease);
	join(session, lease);
}

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
	if (!lease || !may_begin(session, lease, false))
		return;
	if (!lease->restore)
		restore_start(&session->berthd->restores, lease, force.said);
	join(session, lease);
}
