/* SPDX-License-Identifier: MIT */
/* From the journal's words to leases and slots that live. */
#include "daemon/adopt.h"

#include <stdio.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/baseline.h"
#include "daemon/berthd.h"
#include "daemon/entry.h"
#include "daemon/slot_role.h"

/* ---- what the journal says ---- */

static struct shelf *
shelf_of(struct berthd *berthd, enum slot_kind kind, const char *key, struct template **ret)
{
	struct berth_error e;

	*ret = NULL;
	if (!*key)
		return &berthd->pool.plain[kind];
	*ret = template_get(&berthd->templates, key, kind, &e);
	if (!*ret)
		return NULL;
	template_shelve(*ret);
	return &(*ret)->shelf;
}

/* Whoever cannot be taken in is dropped as what the journal does not know. */
static void
refuse(const struct request *record, const char *why)
{
	const struct request_arg *key = &record->argv[0];
	char entry[LIMIT_NAME_BYTES + 16]; /* no more of it: behind the key are secrets */

	snprintf(entry, sizeof entry, "%.*s", (int)key->len, key->ptr);
	log_warn("adopt.refused", LOG_T("entry", entry), LOG_T("why", why));
}

static const char foreign[] = "it is not what this berthd writes", too_many[] = "there are too many templates";

static void
take_slot(void *arg, const struct request *record)
{
	struct adoption *adoption = arg;
	struct berthd *berthd = adoption->berthd;
	struct slot *slot = slot_new("", SLOT_SCHEMA);
	struct entry_rest rest;
	struct template *template;
	struct shelf *shelf = NULL;
	const char *why = too_many;

	if (!entry_read_slot(record, slot, &rest))
		why = foreign;
	else if (!slot_role_is_chosen(&berthd->pool.site, slot))
		why = "its role is not the one that lease_role says by now";
	else
		shelf = shelf_of(berthd, slot->kind, rest.template, &template);
	if (!shelf) {
		refuse(record, why);
		slot_free(slot);
		return;
	}
	pool_restore(&berthd->pool, slot, shelf, NULL);
}

static void
take_lease(void *arg, const struct request *record)
{
	struct adoption *adoption = arg;
	struct berthd *berthd = adoption->berthd;
	struct lease *lease = book_blank(&berthd->book);
	struct slot *slot = slot_new("", SLOT_SCHEMA);
	struct redis_slot *redis = NULL;
	struct entry_rest rest;
	struct shelf *shelf = NULL;
	bool read = entry_read_lease(record, lease, slot, &rest);

	if (read)
		shelf = shelf_of(berthd, slot->kind, rest.template, &lease->want.template);
	if (!shelf) {
		refuse(record, read ? too_many : foreign);
		book_discard(lease);
		slot_free(slot);
		return;
	}
	slot_role_is_chosen(&berthd->pool.site, slot); /* if not: its holder goes on as it is */
	slot->forgetful = rest.declared;
	if (rest.redis.mode != REDIS_NONE)
		redis = redis_slot_restore(berthd->redis, &rest.redis);
	pool_restore(&berthd->pool, slot, shelf, lease);
	book_restore(lease, slot, redis);
	explicit_bzero(&rest, sizeof rest);
}

/* ---- every slot that is not complete yet ---- */

static void
each_adopted(struct adoption *adoption, void (*each)(struct adoption *adoption, struct slot *slot, void *arg), void *arg)
{
	struct slot *slot, *next;

	for (int state = 0; state < SLOT_STATE_COUNT; state++) {
		for (slot = TAILQ_FIRST(&adoption->berthd->pool.lists[state]); slot; slot = next) {
			next = TAILQ_NEXT(slot, link);
			if (slot->adopted)
				each(adoption, slot, arg);
		}
	}
}

static void
note_one(struct adoption *adoption, struct slot *slot, void *complete)
{
	if (slot->state != SLOT_DROPPING) /* whoever had it has lost it meanwhile */
		*(bool *)complete = false;
}

static void
end_if_complete(struct adoption *adoption)
{
	struct berthd *berthd = adoption->berthd;
	bool complete = adoption->under_way && adoption->found;

	each_adopted(adoption, note_one, &complete);
	if (!complete)
		return;
	adoption->under_way = berthd->redis_pool.paused = false;
	log_info("adopt.done", LOG_N("leases", berthd->book.held), LOG_N("slots", pool_size(&berthd->pool)));
	book_resume(&berthd->book);
	redis_pool_pump(&berthd->redis_pool);
	book_serve(&berthd->book);
}

/* ---- what the registry says ---- */

static void
write_one(struct adoption *adoption, struct slot *slot, void *arg)
{
	sql_add(arg, ", (%L, %l::bigint)", slot->name, slot->fence);
}

static void
write_known(void *arg, struct sql *sql)
{
	sql_add(sql, "('', 0::bigint)");
	each_adopted(arg, write_one, sql);
}

static bool
is_among(const struct slot *slot, const PGresult *names)
{
	for (int row = 0; row < PQntuples(names); row++)
		if (strcmp(flow_cell(names, row, 0), slot->name) == 0)
			return true;
	return false;
}

static void
mind_one(struct adoption *adoption, struct slot *slot, void *names)
{
	struct lease *lease = slot->lease;

	if (is_among(slot, names))
		return;
	log_warn("adopt.missing", LOG_T("slot", slot->name), LOG_N("fence", slot->fence));
	pool_disown(&adoption->berthd->pool, slot, true);
	if (lease)
		book_end(lease, LEASE_END_LOST);
}

static void
on_found(void *arg, const PGresult *names)
{
	struct adoption *adoption = arg;

	each_adopted(adoption, mind_one, (void *)names);
	adoption->found = true;
}

/* ---- what the templates say ---- */

static void
resume(struct adoption *adoption, struct slot *slot)
{
	if (slot->lease)
		entry_put_lease(&adoption->berthd->journal, slot->lease); /* with the password that it has by now */
	pool_resume(&adoption->berthd->pool, slot);
}

static void
mind_template(struct adoption *adoption, struct slot *slot, void *arg)
{
	struct berthd *berthd = adoption->berthd;
	struct template *template;

	if (!slot->shelf->key) {
		resume(adoption, slot);
		return;
	}
	template = template_find(&berthd->templates, slot->shelf->key, slot->kind);
	if (template->state == TEMPLATE_SEALED)
		adopt_template(adoption, template, NULL);
	else
		template_load(template);
}

/* The registry has a connection of its own, which may be up before any other knows what a DSN has to say. */
void
adopt_templates(struct adoption *adoption)
{
	if (!adoption->under_way || !adoption->found || !pg_up(&adoption->berthd->pg, NULL))
		return;
	each_adopted(adoption, mind_template, NULL);
	end_if_complete(adoption);
}

/* Its holder may have done anything: the first RESET builds it anew from the image. */
static void
give_image(struct slot *slot)
{
	if (slot->state != SLOT_HELD || !slot->shelf->image)
		return;
	slot->baseline = baseline_new(slot->shelf->image);
	slot->doubt = true;
}

static void
mind_slot_of(struct adoption *adoption, struct slot *slot, void *arg)
{
	const struct template *template = arg;

	if (slot->shelf != &template->shelf)
		return;
	if (template->state == TEMPLATE_SEALED) {
		give_image(slot);
		resume(adoption, slot);
		return;
	}
	slot->forgetful = slot->kind == SLOT_SCHEMA;
	pool_disown(&adoption->berthd->pool, slot, false);
}

void
adopt_template(struct adoption *adoption, struct template *template, const struct berth_error *e)
{
	if (!adoption->under_way || (e && e->code == BERTH_UNAVAILABLE))
		return;
	each_adopted(adoption, mind_slot_of, template);
	end_if_complete(adoption);
}

/* ---- */

void
adopt_start(struct adoption *adoption, struct berthd *berthd)
{
	struct registry_past past = { write_known, on_found, adoption };

	*adoption = (struct adoption){ .berthd = berthd, .under_way = true };
	berthd->book.adopting = berthd->redis_pool.paused = true;
	journal_each(&berthd->journal, ENTRY_SLOT, take_slot, adoption);
	journal_each(&berthd->journal, ENTRY_LEASE, take_lease, adoption);
	registry_resume(&berthd->registry, &past);
	log_info("adopt.start", LOG_T("runner", berthd->registry.runner), LOG_N("leases", berthd->book.held),
	         LOG_N("slots", pool_size(&berthd->pool)));
}
