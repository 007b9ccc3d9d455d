/* SPDX-License-Identifier: MIT */
/* TEMPLATE SEAL ABORT LIST DROP. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/berthd.h"
#include "daemon/errand.h"
#include "daemon/inquiry.h"
#include "daemon/template_sweep.h"
#include "daemon/verb.h"

enum { SEAL_FIELDS = 6, LIST_FIELDS = 12 };

/* ---- SEAL ---- */

static void
reply_seal(struct session *session, const struct template *template, int64_t us)
{
	struct reply *reply = &session->reply;

	reply_map(reply, SEAL_FIELDS);
	reply_field_text(reply, "key", template->key);
	reply_field_text(reply, "kind", slot_kind_word(template->shelf.kind));
	reply_field_int(reply, "tables", template->tables);
	reply_field_int(reply, "rows", template->rows);
	reply_field_int(reply, "bytes", template->bytes);
	reply_field_int(reply, "us", us);
}

struct sealing {
	struct errand *errand;
	int64_t began;
};

static void
on_sealed(void *arg, struct lease *lease, const struct berth_error *e)
{
	struct sealing *sealing = arg;
	struct session *session = errand_end(sealing->errand);
	int64_t us = clock_now() - sealing->began;

	free(sealing);
	if (!session)
		return;
	if (e)
		session_error(session, e->code, "%s", e->message);
	else if (!lease)
		session_error(session, BERTH_NOLEASE, "the template is sealed, but its builder's lease has ended meanwhile");
	else
		reply_seal(session, lease->want.template, us);
	session_resume(session);
}

static void
say_no_builder(struct session *session, const struct lease *lease)
{
	const struct template *template = lease->want.template;

	if (!template)
		session_error(session, BERTH_DENIED, "lease %s builds no template: it was acquired without TEMPLATE key", lease->id);
	else if (*template->builder && template->state != TEMPLATE_SEALED)
		session_error(session, BERTH_DENIED, "lease %s does not build template %.80s: %.200s does", lease->id, template->key,
		              template->builder);
	else
		session_error(session, BERTH_DENIED, "lease %s does not build template %.80s%s", lease->id, template->key,
		              template->state == TEMPLATE_SEALED ? ": it is sealed" : "");
}

static void
seal(struct session *session, struct lease *lease)
{
	struct berthd *berthd = session->berthd;
	struct sealing *sealing;
	struct berth_error e;

	if (lease->sealed) {
		reply_seal(session, lease->want.template, 0);
	} else if (!lease_builds(lease)) {
		say_no_builder(session, lease);
	} else if (lease->restore) {
		session_error(session, BERTH_BUSY, "lease %s is being reset; wait for its answer", lease->id);
	} else if (!registry_ready(&berthd->registry, &e) || !pg_up(&berthd->pg, &e)) {
		session_error(session, e.code, "%s", e.message);
	} else {
		sealing = calloc(1, sizeof *sealing);
		if (!sealing)
			abort();
		*sealing = (struct sealing){ errand_new(session), clock_now() };
		if (!lease->seal)
			seal_start(&berthd->seals, lease);
		seal_join(lease->seal, on_sealed, sealing);
		session_suspend(session);
	}
}

/* ---- ABORT ---- */

static void
give_up(struct session *session, struct lease *lease, const struct request *request)
{
	char message[400] = "";

	if (!lease_builds(lease)) {
		say_no_builder(session, lease);
		return;
	}
	if (request->argc > 3)
		snprintf(message, sizeof message, "%.*s", (int)(request->argv[3].len > 399 ? 399 : request->argv[3].len),
		         request->argv[3].ptr);
	for (char *c = message; *c; c++)
		*c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
	if (*message)
		template_give_up(lease->want.template, message);
	book_end(lease, LEASE_END_ABORTED);
	reply_ok(&session->reply);
}

/* ---- LIST ---- */

static void
ask_templates(void *ctx, struct sql *sql)
{
	sql_add(sql,
	        "SELECT key, kind, state, tables, rows, bytes,"
	        " (SELECT count(*) FROM berth.slot s WHERE s.template = t.key AND s.kind = t.kind),"
	        " (SELECT count(*) FROM berth.lease l JOIN berth.slot s ON s.name = l.slot WHERE s.template = t.key"
	        "  AND s.kind = t.kind),"
	        " builder, runner, (extract(epoch FROM clock_timestamp() - since) * 1000)::int8,"
	        " (extract(epoch FROM clock_timestamp() - used) * 1000)::int8"
	        " FROM berth.template t ORDER BY used DESC, key, kind LIMIT 1000");
}

static void
reply_templates(struct session *session, const PGresult *result)
{
	static const struct { const char *name; bool is_text; } fields[LIST_FIELDS] = {
		{ "key", true }, { "kind", true }, { "state", true }, { "tables", false }, { "rows", false },
		{ "bytes", false }, { "slots", false }, { "leases", false }, { "builder", true }, { "runner", true },
		{ "age_ms", false }, { "idle_ms", false },
	};

	reply_array(&session->reply, (size_t)PQntuples(result));
	for (int row = 0; row < PQntuples(result); row++) {
		reply_map(&session->reply, LIST_FIELDS);
		for (int i = 0; i < LIST_FIELDS; i++) {
			if (fields[i].is_text)
				reply_field_text(&session->reply, fields[i].name, flow_cell(result, row, i));
			else
				reply_field_int(&session->reply, fields[i].name, flow_cell_int(result, row, i));
		}
	}
}

/* ---- DROP ---- */

static void
on_dropped(void *arg, const struct berth_error *e)
{
	struct session *session = errand_end(arg);

	if (!session)
		return;
	if (e)
		session_error(session, e->code, "%s", e->message);
	else
		reply_ok(&session->reply);
	session_resume(session);
}

/* A lease of ours may be so new that the registry does not know of it yet. */
static bool
is_wanted(struct templates *templates, const char *key)
{
	for (int kind = 0; kind < SLOT_KINDS; kind++) {
		const struct template *template = template_find(templates, key, (enum slot_kind)kind);

		if (template && template->holders > 0)
			return true;
	}
	return false;
}

static void
drop(struct session *session, const struct request_arg *arg)
{
	struct berthd *berthd = session->berthd;
	char key[LIMIT_TEMPLATE_KEY_BYTES + 1];
	struct berth_error e;

	if (template_key_check(arg->ptr, arg->len, &e) < 0 || !registry_ready(&berthd->registry, &e)
	    || !pg_up(&berthd->pg, &e)) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	snprintf(key, sizeof key, "%.*s", (int)arg->len, arg->ptr);
	if (is_wanted(&berthd->templates, key)) {
		session_error(session, BERTH_INUSE, "template %.80s is in use: a lease of it is held or waits (berth ls)", key);
		return;
	}
	template_drop(&berthd->templates, key, on_dropped, errand_new(session));
	session_suspend(session);
}

/* ---- */

static struct lease *
lease_arg(struct session *session, const struct request *request)
{
	struct berth_error e;
	struct lease *lease = book_find(&session->berthd->book, request->argv[2].ptr, request->argv[2].len, session->uid,
	                                session->privileged, &e);

	if (!lease)
		session_error(session, e.code, "%s", e.message);
	return lease;
}

void
verb_template(struct session *session, const struct request *request)
{
	const struct request_arg *what = &request->argv[1];
	struct lease *lease;

	if (request_arg_is(what, "LIST") && request->argc == 2) {
		inquire(session, ask_templates, reply_templates);
	} else if (request_arg_is(what, "DROP") && request->argc == 3) {
		drop(session, &request->argv[2]);
	} else if (request_arg_is(what, "SEAL") && request->argc == 3) {
		if ((lease = lease_arg(session, request)))
			seal(session, lease);
	} else if (request_arg_is(what, "ABORT") && request->argc >= 3) {
		if ((lease = lease_arg(session, request)))
			give_up(session, lease, request);
	} else {
		session_error(session, BERTH_USAGE, "it is: TEMPLATE %s", verb_rows[VERB_template].usage);
	}
}
