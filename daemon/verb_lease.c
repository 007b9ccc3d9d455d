/* SPDX-License-Identifier: MIT */
/* LEASE RENEW RELEASE DETACH ATTACH: what may be done with a lease that is there. */
#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/berthd.h"
#include "daemon/verb.h"

static struct lease *
find(struct session *session, const struct request *request)
{
	struct berth_error e;
	struct lease *lease = book_find(&session->berthd->book, request->argv[1].ptr, request->argv[1].len,
	                                session->uid, session->privileged, &e);

	if (!lease)
		session_error(session, e.code, "%s", e.message);
	return lease;
}

struct lease *
verb_lease_arg(struct session *session, const struct request *request)
{
	struct lease *lease = find(session, request);
	struct berth_error e;

	if (!lease || !book_is_adopting(lease, &e))
		return lease;
	session_error(session, e.code, "%s", e.message);
	return NULL;
}

/* The one option that these verbs know. false: the error was replied. */
static bool
one_number(struct session *session, const struct request *request, struct option *option)
{
	struct berth_error e;

	if (options_read(request, 2, option, 1, &e) == 0)
		return true;
	session_error(session, e.code, "%s", e.message);
	return false;
}

void
verb_lease(struct session *session, const struct request *request)
{
	struct option wait = { "WAIT", OPTION_NUMBER, .greatest = LIMIT_WAIT_MS };
	struct lease *lease;
	struct berth_error e;

	if (!one_number(session, request, &wait) || !(lease = find(session, request)))
		return;
	if ((lease->state == LEASE_WAITING || book_is_adopting(lease, &e)) && wait.number > 0)
		session_wait(session, lease, wait.number, reply_lease);
	else
		reply_lease(session, lease);
}

void
verb_renew(struct session *session, const struct request *request)
{
	struct option ttl = { "TTL", OPTION_NUMBER, .least = 1,
		              .greatest = session->berthd->config.ttl_max_ms };
	struct lease *lease;

	if (!one_number(session, request, &ttl) || !(lease = verb_lease_arg(session, request)))
		return;
	book_renew(lease, clock_ms(ttl.number));
	reply_int(&session->reply, book_ms_left(lease));
}

void
verb_release(struct session *session, const struct request *request)
{
	struct option keep = { "KEEP", OPTION_NUMBER, .least = 1,
		               .greatest = session->berthd->config.ttl_max_ms };
	struct lease *lease;

	if (!one_number(session, request, &keep) || !(lease = verb_lease_arg(session, request)))
		return;
	if (keep.said && lease->state != LEASE_HELD) {
		session_error(session, BERTH_BUSY, "lease %s is not held yet; there is no state to keep", lease->id);
		return;
	}
	if (keep.said)
		book_keep(lease, clock_ms(keep.number));
	else
		book_end(lease, LEASE_END_RELEASED);
	reply_ok(&session->reply);
}

void
verb_detach(struct session *session, const struct request *request)
{
	struct lease *lease = verb_lease_arg(session, request);

	if (!lease)
		return;
	book_detach(lease);
	reply_ok(&session->reply);
}

void
verb_attach(struct session *session, const struct request *request)
{
	struct lease *lease;
	int64_t fence;

	if (!request_arg_int(&request->argv[2], &fence)) {
		session_error(session, BERTH_USAGE, "a fence is a whole number, not '%.*s'",
		              (int)(request->argv[2].len > 64 ? 64 : request->argv[2].len), request->argv[2].ptr);
		return;
	}
	if (!(lease = verb_lease_arg(session, request)))
		return;
	if (lease->state != LEASE_HELD)
		session_error(session, BERTH_BUSY, "lease %s is not held yet; ask LEASE %s WAIT ms first", lease->id,
		              lease->id);
	else if (lease->slot->fence != fence)
		session_error(session, BERTH_STALE, "the fence of lease %s is not %lld: what you held is another's now; "
		              "ACQUIRE a new one", lease->id, (long long)fence);
	else {
		book_bind(lease, session);
		reply_lease(session, lease);
	}
}
