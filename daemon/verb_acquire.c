/* SPDX-License-Identifier: MIT */
/* ACQUIRE: the one verb that makes leases. */
#include <stdio.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/berthd.h"
#include "daemon/pg/sql.h"
#include "daemon/verb.h"

enum { RUN, TEMPLATE, KIND, NAME, REDIS, TTL, WAIT, DETACH, LABEL, OPTIONS };

static const struct option acquire_options[OPTIONS] = {
	[RUN]    = { "RUN", OPTION_TEXT, .most = LIMIT_RUN_BYTES },
	[TEMPLATE] = { "TEMPLATE", OPTION_TEXT, .most = LIMIT_TEMPLATE_KEY_BYTES },
	[KIND]   = { "KIND", OPTION_TEXT, .most = 16 },
	[NAME]   = { "NAME", OPTION_TEXT, .most = LIMIT_LABEL_BYTES },
	[REDIS]  = { "REDIS", OPTION_TEXT, .most = 16 },
	[TTL]    = { "TTL", OPTION_NUMBER, .least = 1 },
	[WAIT]   = { "WAIT", OPTION_NUMBER, .least = 0, .greatest = LIMIT_WAIT_MS },
	[DETACH] = { "DETACH", OPTION_FLAG },
	[LABEL]  = { "LABEL", OPTION_TEXT, .most = LIMIT_LABEL_BYTES },
};

static int
want_kind(const struct option *option, struct lease_want *want, struct berth_error *e)
{
	int kind = option->said ? slot_kind_of(option->text) : SLOT_SCHEMA;

	if (kind < 0)
		return berth_error_set(e, BERTH_USAGE, "KIND is schema or database, not '%s'", option->text);
	want->kind = kind;
	return 0;
}

static int
want_name(const struct berthd *berthd, const struct option *option, struct lease_want *want, struct berth_error *e)
{
	if (!option->said)
		return 0;
	if (!sql_is_name(option->text, strlen(option->text)))
		return berth_error_set(e, BERTH_USAGE, "NAME must be an identifier of 1 to %d lower-case letters, digits "
		                       "and _, not beginning with a digit or pg_, and none of PostgreSQL's own; not '%s'",
		                       LIMIT_NAME_BYTES, option->text);
	if (strcmp(option->text, berthd->config.lease_role) == 0)
		return berth_error_set(e, BERTH_INUSE, "%s is the role that all leases share (lease_role), and a schema of that name"
		                       " would be in the search_path of them all; ask for another NAME", option->text);
	snprintf(want->name, sizeof want->name, "%s", option->text);
	return 0;
}

static int
want_template(struct berthd *berthd, const struct option *option, struct lease_want *want, struct berth_error *e)
{
	if (!option->said)
		return 0;
	if (template_key_check(option->text, strlen(option->text), e) < 0)
		return -1;
	want->template = template_get(&berthd->templates, option->text, want->kind, e);
	return want->template ? 0 : -1;
}

static int
want_redis(const struct berthd *berthd, const struct option *option, struct lease_want *want,
           struct berth_error *e)
{
	int mode = option->said ? redis_mode_of(option->text) : (int)berthd->redis_default;

	if (mode < 0)
		return berth_error_set(e, BERTH_USAGE, "REDIS is index, acl, private or none, not '%s'", option->text);
	if (mode != REDIS_NONE && mode != REDIS_PRIVATE && !*berthd->config.redis_url)
		return berth_error_set(e, BERTH_USAGE, "REDIS %s cannot be had: this berthd has no redis_url; ask for "
		                       "REDIS none or private, or set it", redis_mode_word(mode));
	if (option->said && mode == REDIS_ACL && redis_up(berthd->redis, NULL) && !redis_acl_allowed(berthd->redis))
		return berth_error_set(e, BERTH_REDISERR, "REDIS acl cannot be had: this Redis does not let berthd make "
		                       "users (ACL SETUSER); ask for REDIS index or private");
	want->redis = mode;
	want->exactly = option->said;
	return 0;
}

static int
read_request(struct session *session, const struct request *request, struct option *options, char *worker,
             struct book_request *ask, struct berth_error *e)
{
	struct berthd *berthd = session->berthd;

	options[TTL].greatest = berthd->config.ttl_max_ms;
	if (argument_word(&request->argv[1], "the worker's name", LIMIT_WORKER_BYTES, worker, e) < 0
	    || options_read(request, 2, options, OPTIONS, e) < 0)
		return -1;
	if (strchr(worker, '/'))
		return berth_error_set(e, BERTH_USAGE, "the worker's name may hold no / (run/worker names a lease)");
	if (options[RUN].said && (!*options[RUN].text || strpbrk(options[RUN].text, " ")))
		return berth_error_set(e, BERTH_USAGE, "RUN must be 1 to %d bytes without spaces", LIMIT_RUN_BYTES);
	if (want_kind(&options[KIND], &ask->want, e) < 0 || want_name(berthd, &options[NAME], &ask->want, e) < 0
	    || want_redis(berthd, &options[REDIS], &ask->want, e) < 0
	    || want_template(berthd, &options[TEMPLATE], &ask->want, e) < 0)
		return -1;
	ask->worker = worker;
	ask->run = options[RUN].said ? options[RUN].text : "default";
	ask->label = options[LABEL].text;
	ask->kind_said = options[KIND].said;
	ask->name_said = options[NAME].said;
	ask->want.ttl = clock_ms(options[TTL].said ? options[TTL].number : berthd->config.ttl_ms);
	ask->want.detach = options[DETACH].said;
	ask->uid = session->uid;
	ask->pid = session->pid;
	return 0;
}

/* The time is over, or there is news. A server that is away is an error by now. */
static void
answer(struct session *session, struct lease *lease)
{
	struct berth_error e;

	if (lease->state == LEASE_WAITING && !book_usable(&session->berthd->book, lease->want.redis, &e))
		session_error(session, e.code, "%s", e.message);
	else
		reply_lease(session, lease);
}

void
verb_acquire(struct session *session, const struct request *request)
{
	struct book *book = &session->berthd->book;
	struct book_request ask = { 0 };
	struct option options[OPTIONS];
	char worker[LIMIT_WORKER_BYTES + 1];
	struct berth_error e;
	struct lease *lease;

	memcpy(options, acquire_options, sizeof options);
	if (read_request(session, request, options, worker, &ask, &e) < 0) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	/* Nobody waits who did not say so: without WAIT a server that is away is an answer. */
	if (options[WAIT].number == 0 && !book_peek(book, &ask) && !book_usable(book, ask.want.redis, &e)) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	lease = book_acquire(book, session, &ask, &e);
	if (!lease)
		session_error(session, e.code, "%s", e.message);
	else if ((lease->state == LEASE_WAITING || book_is_adopting(lease, &e)) && options[WAIT].number > 0)
		session_wait(session, lease, options[WAIT].number, answer);
	else
		reply_lease(session, lease);
}
