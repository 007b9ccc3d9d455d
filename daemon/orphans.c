/* SPDX-License-Identifier: MIT */
/* Redis is asked, then PostgreSQL page by page; what may go is dropped, a few at a time. */
#include "daemon/orphans.h"

#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/berthd.h"
#include "daemon/orphan_drop.h"
#include "daemon/orphans_look.h"
#include "daemon/redis/redis.h"

/* Then there is an answer. Where looking takes long, what it has found is worth more than a second. */
enum { DROP_MS = 1000, DROP_MOST_MS = 5000, LOOKS_WORTH = 3 };

struct search {
	struct flow flow;
	struct berthd *berthd;
	struct orphans_ask ask;
	struct slot_site site;
	orphans_wanted *wanted;
	orphans_done *done;
	void *arg;
	struct redis_orphan *redis; /* owned */
	int redis_count;
	struct orphan *list;        /* owned; ask.count of them */
	int count;
	int rows;                   /* of the last page */
	int next;                   /* to be looked at for dropping */
	int running;                /* drops under way; all of one kind: roles wait for what they own */
	enum orphan_kind kind;
	int64_t began, until;
	struct berth_error error;   /* code BERTH_OK: none so far */
};

/* ---- the answer ---- */

static void
finish(struct search *search)
{
	/* What was not begun when the time was over is for the next answer. */
	int count = search->ask.what == ORPHANS_DROP ? search->next : search->count;
	bool failed = count == 0 && search->error.code != BERTH_OK;

	search->done(search->arg, search->list, count, failed ? &search->error : NULL);
	free(search->redis);
	free(search->list);
	free(search);
}

/* ---- dropping ---- */

static void drop_more(struct search *search);

static void
on_dropped(void *arg, struct orphan *orphan, const struct berth_error *e)
{
	struct search *search = arg;

	search->running--;
	if (e) {
		search->error = *e;
		snprintf(orphan->why, sizeof orphan->why, "%s", e->message);
	}
	log_info("orphan.drop", LOG_T("kind", orphan_kind_word(orphan->kind)), LOG_T("name", orphan->name),
	         LOG_T("class", orphan_class_word(orphan->class)), LOG_T("action", orphan_action_word(orphan->action)),
	         LOG_T("why", orphan->why));
	drop_more(search);
}

static bool
may_begin(const struct search *search)
{
	return search->next < search->count && search->running < search->berthd->config.drops
	       && (search->running == 0 || search->list[search->next].kind == search->kind)
	       && search->error.code == BERTH_OK && clock_now() < search->until && search->wanted(search->arg);
}

static void
drop_more(struct search *search)
{
	while (may_begin(search)) {
		struct orphan *orphan = &search->list[search->next++];

		if (orphan->action != ORPHAN_WOULD_DROP)
			continue;
		search->running++;
		search->kind = orphan->kind;
		orphan_drop_start(&search->site, orphan, &search->ask, search->until, on_dropped, search);
	}
	if (search->running == 0)
		finish(search);
}

/* ---- looking ---- */

static void
ask_page(void *ctx, struct sql *sql)
{
	const struct search *search = ctx;
	const struct orphans_look look = {
		.ask = &search->ask, .config = &search->berthd->config, .facts = pg_facts(&search->berthd->pg),
		.redis = search->redis, .redis_count = search->redis_count, .runner = search->site.runner,
	};

	orphans_look_write(&look, sql);
}

static int
keep_page(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct search *search = ctx;
	struct orphans_ask *ask = &search->ask;

	search->rows = PQntuples(result);
	for (int row = 0; row < search->rows && search->count < ask->count; row++) {
		struct orphan *orphan = &search->list[search->count];

		orphans_look_read(result, row, orphan);
		ask->after_kind = orphan->kind;
		strcpy(ask->after, orphan->name);
		search->count += orphan_judge(orphan, ask);
	}
	return 0;
}

static const struct flow_step look_steps[] = {
	{ "look for orphans", ask_page, keep_page, .wait = true },
	{ 0 },
};

static void look(struct search *search);

static int64_t
time_to_drop(const struct search *search)
{
	int64_t looked = LOOKS_WORTH * (clock_now() - search->began);

	return looked < clock_ms(DROP_MS) ? clock_ms(DROP_MS) : looked > clock_ms(DROP_MOST_MS) ? clock_ms(DROP_MOST_MS) : looked;
}

static void
on_page(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct search *search = ctx;

	if (e) {
		search->error = *e;
		search->count = search->next = 0;
		finish(search);
	} else if (search->rows == ORPHANS_PAGE && search->count < search->ask.count && search->wanted(search->arg)) {
		look(search);
	} else if (search->ask.what == ORPHANS_DROP) {
		search->until = clock_now() + time_to_drop(search);
		drop_more(search);
	} else {
		finish(search);
	}
}

static void
look(struct search *search)
{
	search->flow = (struct flow){ .steps = look_steps, .subject = "orphans", .ctx = search, .done = on_page };
	pg_run(&search->berthd->pg, &search->flow);
}

static void
on_redis(void *arg, const struct redis_orphan *list, int count, const struct berth_error *e)
{
	struct search *search = arg;

	if (!search->wanted(search->arg)) { /* berthd may be leaving: begin nothing */
		finish(search);
		return;
	}
	search->redis = calloc((size_t)count + 1, sizeof *search->redis);
	if (!search->redis)
		abort();
	for (; search->redis_count < count; search->redis_count++)
		search->redis[search->redis_count] = list[search->redis_count];
	look(search);
}

void
orphans_start(struct berthd *berthd, const struct orphans_ask *ask, orphans_wanted *wanted, orphans_done *done,
              void *arg)
{
	struct search *search = calloc(1, sizeof *search);

	if (!search)
		abort();
	*search = (struct search){
		.berthd = berthd, .ask = *ask, .began = clock_now(), .wanted = wanted, .done = done, .arg = arg,
		.site = berthd->pool.site,
	};
	search->list = calloc((size_t)ask->count, sizeof *search->list);
	if (!search->list)
		abort();
	if (redis_orphans_start(berthd->redis, on_redis, search, NULL) < 0)
		look(search);
}
