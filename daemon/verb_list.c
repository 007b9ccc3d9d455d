/* SPDX-License-Identifier: MIT */
/* LEASES SLOTS RUNNERS: who and what there is. No secret is in them. */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/berthd.h"
#include "daemon/inquiry.h"
#include "daemon/redis/redis.h"
#include "daemon/url.h"
#include "daemon/verb.h"

enum { LEASES_FIELDS = 18, SLOTS_FIELDS = 7, RUNNERS_FIELDS = 8 };

/* ---- LEASES ---- */

static void
reply_row(struct berthd *berthd, struct reply *reply, const struct lease *lease)
{
	const struct slot *slot = lease->state == LEASE_HELD ? lease->slot : NULL;

	reply_map(reply, LEASES_FIELDS);
	reply_field_text(reply, "lease", lease->id);
	reply_field_text(reply, "run", lease->run);
	reply_field_text(reply, "worker", lease->worker);
	reply_field_text(reply, "state", lease_state_word(lease));
	reply_field_int(reply, "position", queue_position(&berthd->book.queue, &lease->place));
	reply_field_text(reply, "kind", slot_kind_word(lease->want.kind));
	reply_field_text(reply, "schema", !slot ? NULL : slot->kind == SLOT_SCHEMA ? slot->name : "public");
	reply_field_text(reply, "role", slot ? slot->role : NULL);
	reply_field_text(reply, "dbname", slot ? url_database(slot, pg_facts(&berthd->pg)) : NULL);
	reply_field_text(reply, "redis", lease->redis ? redis_mode_word(lease->redis->mode) : "none");
	reply_text(reply, "redis_db");
	if (lease->redis && lease->redis->mode != REDIS_PRIVATE)
		reply_int(reply, lease->redis->db);
	else
		reply_null(reply);
	reply_field_int(reply, "fence", slot ? slot->fence : 0);
	reply_field_int(reply, "uid", lease->uid);
	reply_field_int(reply, "pid", lease->pid);
	reply_field_text(reply, "label", *lease->label ? lease->label : NULL);
	reply_field_int(reply, "age_ms", (clock_now() - lease->created) / 1000);
	reply_field_int(reply, "expires_ms", book_ms_left(lease));
	reply_field_int(reply, "connections", lease->connections);
}

enum { RUN, UID, FILTERS };

static bool
is_listed(const struct lease *lease, const struct option *filters)
{
	return (!filters[RUN].said || strcmp(lease->run, filters[RUN].text) == 0)
	       && (!filters[UID].said || (int64_t)lease->uid == filters[UID].number);
}

void
verb_leases(struct session *session, const struct request *request)
{
	struct option filters[FILTERS] = {
		[RUN] = { "RUN", OPTION_TEXT, .most = LIMIT_RUN_BYTES },
		[UID] = { "UID", OPTION_NUMBER, .greatest = UINT32_MAX },
	};
	struct berthd *berthd = session->berthd;
	struct lease *lease, *next;
	struct berth_error e;
	size_t count = 0;

	if (options_read(request, 1, filters, FILTERS, &e) < 0) {
		session_error(session, e.code, "%s", e.message);
		return;
	}
	HASH_ITER(by_id, berthd->book.by_id, lease, next)
		count += is_listed(lease, filters);
	reply_array(&session->reply, count);
	HASH_ITER(by_id, berthd->book.by_id, lease, next)
		if (is_listed(lease, filters))
			reply_row(berthd, &session->reply, lease);
}

/* ---- SLOTS ---- */

void
verb_slots(struct session *session, const struct request *request)
{
	struct reply *reply = &session->reply;
	const struct pool *pool = &session->berthd->pool;
	const struct slot *slot;

	reply_array(reply, (size_t)pool_size(pool));
	for (int state = 0; state < SLOT_STATE_COUNT; state++) {
		TAILQ_FOREACH(slot, &pool->lists[state], link) {
			reply_map(reply, SLOTS_FIELDS);
			reply_field_text(reply, "name", slot->name);
			reply_field_text(reply, "kind", slot_kind_word(slot->kind));
			reply_field_text(reply, "state", slot_state_word(slot->state));
			reply_field_text(reply, "template", slot->shelf->key);
			reply_field_int(reply, "fence", slot->fence);
			reply_field_text(reply, "lease", slot->lease ? slot->lease->id : NULL);
			reply_field_int(reply, "drop_tries", slot->drop_tries);
		}
	}
}

/* ---- RUNNERS ---- */

static void
ask_runners(void *ctx, struct sql *sql)
{
	sql_add(sql,
	        "SELECT id, host, pid, uid, version, extract(epoch FROM clock_timestamp() - started) * 1000,"
	        " extract(epoch FROM clock_timestamp() - heartbeat) * 1000,"
	        " (SELECT count(*) FROM berth.slot s WHERE s.runner = r.id) FROM berth.runner r ORDER BY started");
}

static void
reply_runners(struct session *session, const PGresult *result)
{
	static const struct { const char *name; bool is_text; } fields[RUNNERS_FIELDS] = {
		{ "runner", true }, { "host", true }, { "pid", false }, { "uid", false }, { "version", true },
		{ "age_ms", false }, { "silent_ms", false }, { "slots", false },
	};

	reply_array(&session->reply, (size_t)PQntuples(result));
	for (int row = 0; row < PQntuples(result); row++) {
		reply_map(&session->reply, RUNNERS_FIELDS);
		for (int i = 0; i < RUNNERS_FIELDS; i++) {
			if (fields[i].is_text)
				reply_field_text(&session->reply, fields[i].name, flow_cell(result, row, i));
			else
				reply_field_int(&session->reply, fields[i].name, flow_cell_int(result, row, i));
		}
	}
}

void
verb_runners(struct session *session, const struct request *request)
{
	inquire(session, ask_runners, reply_runners);
}
