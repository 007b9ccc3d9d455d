/* SPDX-License-Identifier: MIT */
/* Two conversations at a time, one answer. */
#include "daemon/restore.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/base/metrics.h"
#include "daemon/baseline.h"
#include "daemon/book.h"
#include "daemon/diff.h"
#include "daemon/image.h"
#include "daemon/image_take.h"
#include "daemon/lease.h"
#include "daemon/pool.h"
#include "daemon/redis/redis.h"
#include "daemon/reset_copy.h"
#include "daemon/slot_fill.h"
#include "daemon/slot_guest.h"
#include "daemon/slow.h"

struct restore_asker {
	restore_done *done;
	void *arg;
	struct restore_asker *next;
};

struct restore {
	const struct restore_site *site;
	struct lease *lease;      /* NULL once it has ended */
	struct slot *slot;        /* talked to */
	struct image_take *take;
	enum restore_kind kind;
	int under_way;
	struct restore_result result;
	struct berth_error error;
	struct restore_asker *askers;
	struct event *end;        /* it is over, in the next turn of the loop */
};

static void
note_reset(const struct restore *restore, bool failed)
{
	const struct reset_result *result = &restore->result.reset;
	struct slow_reset slow = { .us = result->us, .at = clock_now(), .tables = result->tables, .rebuilt = result->rebuilt };

	if (failed) {
		metrics_count(METRIC_RESETS_FAILED);
		return;
	}
	metrics_observe(METRIC_RESET, result->us);
	if (result->rebuilt)
		metrics_count(METRIC_RESETS_REBUILT);
	snprintf(slow.slot, sizeof slow.slot, "%s", restore->slot->name);
	snprintf(slow.worker, sizeof slow.worker, "%s", restore->lease ? restore->lease->worker : "");
	slow_note(restore->site->slow, &slow);
}

static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct restore *restore = arg;
	struct restore_asker *asker;
	bool failed = restore->error.code != BERTH_OK;

	if (restore->kind == RESTORE_RESET)
		note_reset(restore, failed);
	if (restore->lease)
		restore->lease->restore = NULL;
	restore->slot->restore = NULL;
	image_take_free(restore->take);
	pool_talk_end(restore->site->pool, restore->slot);
	while ((asker = restore->askers)) {
		restore->askers = asker->next;
		asker->done(asker->arg, failed ? NULL : &restore->result, failed ? &restore->error : NULL);
		free(asker);
	}
	diff_free(restore->result.diff);
	image_unref(restore->result.image);
	event_free(restore->end);
	free(restore);
}

static void
one_is_through(struct restore *restore, const struct berth_error *e)
{
	if (e && restore->error.code == BERTH_OK)
		restore->error = *e;
	if (--restore->under_way == 0)
		event_active(restore->end, EV_TIMEOUT, 0);
}

static struct restore *
restore_new(const struct restore_site *site, struct lease *lease, enum restore_kind kind)
{
	struct restore *restore = calloc(1, sizeof *restore);

	if (!restore)
		abort();
	assert(lease->state == LEASE_HELD && !lease->seal && !lease->restore);
	*restore = (struct restore){ .site = site, .lease = lease, .slot = lease->slot, .kind = kind, .under_way = 1 };
	restore->end = event_new(site->base, -1, 0, on_end, restore);
	if (!restore->end)
		abort();
	lease->restore = restore->slot->restore = restore;
	pool_talk_begin(restore->slot);
	return restore;
}

/* ---- RESET ---- */

static void
on_reset(void *arg, const struct reset_result *result, const struct berth_error *e)
{
	struct restore *restore = arg;

	if (result)
		restore->result.reset = *result;
	one_is_through(restore, e);
}

static void
on_flushed(void *arg, const struct berth_error *e)
{
	one_is_through(arg, e);
}

void
restore_start(const struct restore_site *site, struct lease *lease, bool force)
{
	struct restore *restore = restore_new(site, lease, RESTORE_RESET);

	if (lease->redis) {
		restore->under_way++;
		redis_slot_flush(site->redis, lease->redis, on_flushed, restore);
	}
	if (restore->slot->kind == SLOT_SCHEMA)
		reset_start(site->slots, site->base, restore->slot, force, on_reset, restore);
	else
		reset_copy_start(site->slots, restore->slot, force, on_reset, restore);
}

/* ---- BASELINE ---- */

static void
on_known(void *arg, struct slot *slot, const struct berth_error *e)
{
	struct restore *restore = arg;

	slot_close_guest(slot); /* the next one prepares another look */
	slot->forgetful &= e != NULL;
	if (!e && restore->lease)
		book_changed(restore->lease);
	if (!e)
		log_info("lease.baseline", LOG_T("slot", slot->name), LOG_N("tables", slot->baseline->image->table_count),
		         LOG_N("rows", slot->baseline->image->rows));
	one_is_through(restore, e);
}

static void
on_taken(void *arg, struct image *image, const struct berth_error *e)
{
	struct restore *restore = arg;

	if (e)
		one_is_through(restore, e);
	else
		slot_fill_baseline(restore->site->slots, restore->slot, image, on_known, restore);
	image_unref(image);
}

static void
take(struct restore *restore, image_take_done *done)
{
	slot_open_guest(restore->site->slots, restore->slot);
	restore->take = image_take_start(restore->site->slots, restore->slot->guest, restore->slot, false, done, restore);
}

void
restore_baseline_start(const struct restore_site *site, struct lease *lease)
{
	take(restore_new(site, lease, RESTORE_BASELINE), on_taken);
}

/* ---- DIFF ---- */

static void
on_diff(void *arg, struct diff *diff, const struct berth_error *e)
{
	struct restore *restore = arg;

	restore->result.diff = diff;
	one_is_through(restore, e);
}

void
restore_diff_start(const struct restore_site *site, struct lease *lease)
{
	struct restore *restore = restore_new(site, lease, RESTORE_DIFF);

	diff_start(site->slots, restore->slot, on_diff, restore);
}

/* ---- COPY ---- */

static void
on_image(void *arg, struct image *image, const struct berth_error *e)
{
	struct restore *restore = arg;

	restore->result.image = image;
	slot_close_guest(restore->slot); /* image_take has changed its search_path */
	one_is_through(restore, e);
}

void
restore_image_start(const struct restore_site *site, struct lease *lease)
{
	take(restore_new(site, lease, RESTORE_IMAGE), on_image);
}

static void
on_filled(void *arg, struct slot *slot, const struct berth_error *e)
{
	struct restore *restore = arg;

	if (!e && restore->lease)
		book_changed(restore->lease);
	one_is_through(restore, e);
}

void
restore_fill_start(const struct restore_site *site, struct lease *lease, struct image *image)
{
	struct restore *restore = restore_new(site, lease, RESTORE_FILL);

	slot_fill_start(site->slots, restore->slot, image, on_filled, restore);
}

/* ---- */

void
restore_join(struct restore *restore, restore_done *done, void *arg)
{
	struct restore_asker *asker = calloc(1, sizeof *asker);

	if (!asker)
		abort();
	*asker = (struct restore_asker){ done, arg, restore->askers };
	restore->askers = asker;
}

enum restore_kind
restore_kind(const struct restore *restore)
{
	return restore->kind;
}

const char *
restore_words(enum restore_kind kind)
{
	static const char *const words[] = {
#define X(kind, words) [kind] = (words),
		RESTORES(X)
#undef X
	};

	return words[kind];
}

void
restore_orphan(struct lease *lease)
{
	lease->restore->lease = NULL;
	lease->restore = NULL;
}

void
restore_abandon(struct restore *restore)
{
	struct berth_error e;

	reset_abandon(restore->slot);
	if (!restore->take)
		return;
	berth_error_set(&e, BERTH_UNAVAILABLE, "berthd is leaving");
	restore->under_way = 1;
	one_is_through(restore, &e);
}
