/* SPDX-License-Identifier: MIT */
/* The way of one template, step by step. */
#include "daemon/seal.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/image_store.h"
#include "daemon/image_take.h"
#include "daemon/lease.h"
#include "daemon/pg/guest.h"
#include "daemon/pg/pg.h"
#include "daemon/pool.h"
#include "daemon/seal_copy.h"
#include "daemon/slot_guest.h"
#include "daemon/slot_quiet.h"
#include "daemon/slot_role.h"
#include "daemon/template.h"

enum { AGAIN_MS = 20 };

struct seal_asker {
	seal_done *done;
	void *arg;
	struct seal_asker *next;
};

struct seal {
	struct flow flow;
	const struct seal_site *site;
	struct lease *lease;          /* NULL once it has ended */
	struct template *template;    /* held */
	struct slot *slot;            /* the builder's; talked to */
	struct slot *proof;           /* built from the image, for the lease */
	struct slot *looked_at;       /* the proof, while its image is taken; talked to */
	int64_t role;
	struct slot_quiet *quiet;     /* under way; frees itself */
	struct image_take *take;
	struct seal_copy *copy;
	struct image *image;
	struct seal_asker *askers;
	struct berth_error error;
	struct event *end;            /* it is over, in the next turn of the loop */
	struct event *again;          /* the next look whether the proof's name is free */
};

/* ---- the end ---- */

static void stop_looking(struct seal *seal);

static void
give_proof_back(struct seal *seal)
{
	struct slot *proof = seal->proof;

	seal->proof = NULL;
	if (!proof)
		return;
	slot_close_guest(proof);
	pool_release(seal->site->pool, proof, false);
}

static void
tell_askers(struct seal *seal, struct lease *lease)
{
	struct seal_asker *asker;

	while ((asker = seal->askers)) {
		seal->askers = asker->next;
		asker->done(asker->arg, lease, seal->error.code == BERTH_OK ? NULL : &seal->error);
		free(asker);
	}
}

/* Whatever comes after a failure: the lease goes on as the builder, its slot as it was. */
static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct seal *seal = arg;
	struct lease *lease = seal->lease;
	struct slot *slot = seal->slot;

	if (lease)
		lease->seal = NULL;
	if (seal->error.code != BERTH_OK)
		log_warn("template.seal_failed", LOG_T("key", seal->template->key), LOG_T("why", seal->error.message));
	slot->seal = NULL;
	stop_looking(seal);
	give_proof_back(seal);
	slot_close_guest(slot);
	pool_talk_end(seal->site->pool, slot);
	tell_askers(seal, lease);
	image_unref(seal->image);
	event_free(seal->end);
	event_free(seal->again);
	template_release(seal->template);
	free(seal);
}

static void
finish(struct seal *seal, const struct berth_error *e)
{
	if (e && seal->error.code == BERTH_OK)
		seal->error = *e;
	event_active(seal->end, EV_TIMEOUT, 0);
}

/* Whether to go on: not without a lease, and not after a failure. */
static bool
goes_on(struct seal *seal, const struct berth_error *e)
{
	struct berth_error gone;

	if (!e && seal->lease)
		return true;
	berth_error_set(&gone, BERTH_NOLEASE, "the builder's lease has ended");
	finish(seal, e ? e : &gone);
	return false;
}

/* ---- write it, hand over ---- */

static void
write_row(void *ctx, struct sql *sql)
{
	const struct seal *seal = ctx;
	const struct template *template = seal->template;
	struct sql body = { 0 };

	sql_add(&body,
	        "BEGIN UPDATE berth.template SET state = 'sealed', schema = %L, tables = %d, rows = %l, bytes = %l, role = %L,"
	        " used = clock_timestamp() WHERE key = %L AND kind = %L AND fence = %l AND state = 'building';"
	        " IF NOT FOUND THEN RAISE EXCEPTION 'fenced' USING ERRCODE = 'BE001'; END IF; END",
	        seal->image ? seal->image->schema : template->database, template->tables, template->rows, template->bytes,
	        slot_shared_role(seal->slot),
	        template->key, slot_kind_word(template->shelf.kind), template->fence);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static void
write_parts(void *ctx, struct sql *sql)
{
	const struct seal *seal = ctx;

	if (seal->image)
		image_store(seal->image, seal->template->key, slot_kind_word(seal->template->shelf.kind), sql);
}

static const struct flow_step write_steps[] = {
	{ "seal its row", write_row },
	{ "write its parts", write_parts, .wait = true },
	{ 0 },
};

static void
on_written(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct seal *seal = ctx;
	struct template *template = seal->template;
	struct slot *proof = seal->proof;
	struct berth_error stale;

	if (strcmp(sqlstate, "BE001") == 0) {
		berth_error_set(&stale, BERTH_STALE, "template %s is built by somebody else by now", template->key);
		e = &stale;
	}
	if (e && seal->lease) {
		goes_on(seal, e);
		return;
	}
	log_info("template.seal", LOG_T("key", template->key), LOG_N("tables", template->tables),
	         LOG_N("rows", template->rows), LOG_N("bytes", template->bytes));
	if (seal->lease) { /* without one it is sealed all the same: whoever asks next finds it in the registry */
		seal->proof = NULL;
		seal->lease->sealed = true;
		template_sealed(template);
		seal->site->hand_over(seal->site->arg, seal->lease, proof);
	}
	finish(seal, NULL);
}

static void
write(struct seal *seal)
{
	seal->flow = (struct flow){ .steps = write_steps, .subject = seal->template->key, .ctx = seal, .done = on_written };
	pg_run(seal->site->slots->pg, &seal->flow);
}

/* ---- prove it ---- */

static void
end_take(struct seal *seal)
{
	image_take_free(seal->take);
	seal->take = NULL;
}

/* An orphan's proof goes now. */
static void
stop_looking(struct seal *seal)
{
	struct slot *slot = seal->looked_at;

	end_take(seal);
	seal->looked_at = NULL;
	if (!slot)
		return;
	slot_close_guest(slot);
	pool_talk_end(seal->site->pool, slot);
}

static void
on_proof_taken(void *arg, struct image *image, const struct berth_error *e)
{
	struct seal *seal = arg;
	struct berth_error other;
	char why[300];

	if (!e && !image_equal(seal->image, image, why, sizeof why)) {
		berth_error_set(&other, BERTH_BUILDFAILED, "template %.80s cannot be built exactly: %s; ask for KIND database",
		                seal->template->key, why);
		e = &other;
	}
	image_unref(image);
	stop_looking(seal);
	if (goes_on(seal, e))
		write(seal);
}

void
seal_proof_built(struct seal *seal, struct slot *proof)
{
	assert(seal->proof == proof);
	if (!seal->lease || seal->template->shelf.kind == SLOT_DATABASE) {
		if (goes_on(seal, NULL))
			write(seal);
		return;
	}
	pool_talk_begin(proof);
	seal->looked_at = proof;
	slot_open_guest(seal->site->slots, proof);
	seal->take = image_take_start(seal->site->slots, proof->guest, proof, false, on_proof_taken, seal);
}

void
seal_proof_failed(struct seal *seal, struct slot *proof, const struct berth_error *e)
{
	struct berth_error failed;

	assert(seal->proof == proof);
	seal->proof = NULL;
	proof->lease = NULL;
	if (e->code == BERTH_PGERR)
		berth_error_set(&failed, BERTH_BUILDFAILED, "template %.80s cannot be built: %.380s", seal->template->key,
		                e->message);
	goes_on(seal, e->code == BERTH_PGERR ? &failed : e);
}

static void
prove(struct seal *seal)
{
	struct template *template = seal->template;
	const char *name = *seal->lease->want.name ? seal->lease->want.name : NULL;
	const struct slot *named = name ? pool_find(seal->site->pool, name) : NULL;
	struct timeval delay = { .tv_usec = AGAIN_MS * 1000 };
	struct berth_error taken;

	if (named && named->state == SLOT_DROPPING) {
		event_add(seal->again, &delay);
		return;
	}
	if (named) {
		berth_error_set(&taken, BERTH_INUSE, "the name %s is in use by another lease; ask for another NAME, or for none",
		                name);
		goes_on(seal, &taken);
		return;
	}
	template_shelve(template);
	seal->proof = pool_build_for(seal->site->pool, name, &template->shelf, seal->lease);
}

static void
on_again(evutil_socket_t fd, short what, void *arg)
{
	struct seal *seal = arg;

	if (goes_on(seal, NULL))
		prove(seal);
}

/* ---- take it ---- */

static void
take(struct seal *seal, image_take_done *done)
{
	seal->take = image_take_start(seal->site->slots, seal->slot->guest, seal->slot, true, done, seal);
}

static void
use_image(struct seal *seal, const struct berth_error *e)
{
	struct template *template = seal->template;

	slot_close_guest(seal->slot);
	if (!goes_on(seal, e))
		return;
	image_unref(template->shelf.image);
	template->shelf.image = image_ref(seal->image);
	template->tables = seal->image->table_count;
	template->rows = seal->image->rows;
	template->bytes = (int64_t)seal->image->bytes;
	prove(seal);
}

static void
on_taken_again(void *arg, struct image *image, const struct berth_error *e)
{
	struct seal *seal = arg;
	struct berth_error busy;
	char why[300];

	end_take(seal);
	if (!e && !image_equal(seal->image, image, why, sizeof why)) {
		berth_error_set(&busy, BERTH_BUSY, "template %.80s cannot be sealed: somebody writes into it meanwhile (%s); end"
		                " that, and say SEAL again", seal->template->key, why);
		e = &busy;
	}
	image_unref(image);
	use_image(seal, e);
}

static void
on_taken(void *arg, struct image *image, const struct berth_error *e)
{
	struct seal *seal = arg;

	end_take(seal);
	seal->image = image;
	if (e || !slot_is_shared(seal->slot))
		use_image(seal, e);
	else /* nobody could be locked out: what it was all the time, it is the second time, too */
		take(seal, on_taken_again);
}

static void
on_copied(void *arg, const char *database, int tables, int64_t bytes, const struct berth_error *e)
{
	struct seal *seal = arg;
	struct template *template = seal->template;

	seal->copy = NULL;
	if (!goes_on(seal, e))
		return;
	snprintf(template->database, sizeof template->database, "%s", database);
	template->tables = tables;
	template->bytes = bytes;
	prove(seal);
}

static void
on_quiet(void *arg, const struct berth_error *e)
{
	struct seal *seal = arg;
	struct slot *slot = seal->slot;

	seal->quiet = NULL;
	if (!goes_on(seal, e))
		return;
	if (slot->kind == SLOT_DATABASE) {
		seal->copy = seal_copy_start(seal->site->slots, slot, seal->template, on_copied, seal);
		return;
	}
	slot_open_guest(seal->site->slots, slot);
	take(seal, on_taken);
}

/* ---- lock out ---- */

static void
renew_password(void *ctx, struct sql *sql)
{
	struct seal *seal = ctx;

	slot_role_renew(seal->site->slots, seal->slot, sql);
}

static void
find_role(void *ctx, struct sql *sql)
{
	const struct seal *seal = ctx;

	sql_add(sql, "SELECT oid FROM pg_roles WHERE rolname = %L", seal->slot->role);
}

static int
keep_role(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct seal *seal = ctx;

	seal->role = flow_cell_int(result, 0, 0);
	return 0;
}

/* Its comment is the stamp, whatever the builder has made of it. */
static void
stamp(void *ctx, struct sql *sql)
{
	const struct seal *seal = ctx;

	if (seal->slot->kind == SLOT_SCHEMA)
		slot_write_stamp(seal->site->slots, seal->slot, "SCHEMA", sql);
}

static const struct flow_step lock_out_steps[] = {
	{ "change the password", renew_password },
	{ "find the role", find_role, keep_role, .wait = true },
	{ 0 },
};

static const struct flow_step stamp_steps[] = {
	{ "stamp schema", stamp, .wait = true },
	{ 0 },
};

static void
on_stamped(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	on_quiet(ctx, e);
}

static void
on_silent(void *arg, const struct berth_error *e)
{
	struct seal *seal = arg;

	seal->quiet = NULL;
	if (!goes_on(seal, e))
		return;
	seal->flow = (struct flow){ .steps = stamp_steps, .subject = seal->slot->name, .ctx = seal, .done = on_stamped };
	pg_run(seal->site->slots->pg, &seal->flow);
}

static void
on_locked_out(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct seal *seal = ctx;
	struct slot_quiet_config config = { .slot = seal->slot, .role = seal->role, .starting = true };

	if (goes_on(seal, e))
		seal->quiet = slot_quiet_start(seal->site->slots, seal->site->base, &config, on_silent, seal);
}

/* ---- */

void
seal_start(const struct seal_site *site, struct lease *lease)
{
	struct seal *seal = calloc(1, sizeof *seal);

	if (!seal)
		abort();
	assert(lease->state == LEASE_HELD && lease->want.template->lease == lease && !lease->seal);
	*seal = (struct seal){ .site = site, .lease = lease, .template = lease->want.template, .slot = lease->slot };
	seal->end = event_new(site->base, -1, 0, on_end, seal);
	seal->again = event_new(site->base, -1, 0, on_again, seal);
	if (!seal->end || !seal->again)
		abort();
	lease->seal = seal->slot->seal = seal;
	template_hold(seal->template);
	pool_talk_begin(seal->slot);
	seal->flow = (struct flow){ .steps = lock_out_steps, .subject = seal->slot->name, .ctx = seal,
		                    .done = on_locked_out };
	pg_run(site->slots->pg, &seal->flow);
}

void
seal_join(struct seal *seal, seal_done *done, void *arg)
{
	struct seal_asker *asker = calloc(1, sizeof *asker);

	if (!asker)
		abort();
	*asker = (struct seal_asker){ done, arg, seal->askers };
	seal->askers = asker;
}

void
seal_orphan(struct lease *lease)
{
	struct seal *seal = lease->seal;
	struct slot *proof = seal->proof;

	lease->seal = NULL;
	seal->lease = NULL;
	seal->proof = NULL;
	if (!proof)
		return;
	if (proof->state == SLOT_BUILDING)
		goes_on(seal, NULL); /* nobody will tell us of it any more */
	pool_release(seal->site->pool, proof, false);
}

void
seal_abandon(struct seal *seal)
{
	struct berth_error e;

	if (seal->quiet) {
		slot_quiet_abandon(seal->quiet);
	} else if (seal->take || seal->proof || event_pending(seal->again, EV_TIMEOUT, NULL)) {
		berth_error_set(&e, BERTH_UNAVAILABLE, "berthd is leaving");
		finish(seal, &e);
	}
}
