/* SPDX-License-Identifier: MIT */
/* The object is made by jansson, and written to the buffer at once. */
#include "daemon/status.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/berthd.h"
#include "daemon/budget.h"
#include "daemon/redis/redis.h"

static json_t *
need(json_t *made)
{
	if (!made)
		abort();
	return made;
}

/* What is no UTF-8 (a label may be anything) loses what is not ASCII. */
static json_t *
text(const char *said)
{
	json_t *made = json_string(said);
	char plain[512];
	size_t len = 0;

	if (made)
		return made;
	for (; *said && len < sizeof plain - 1; said++)
		plain[len++] = *said & 0x80 ? '?' : *said;
	plain[len] = '\0';
	return need(json_string(plain));
}

static json_t *
number(int64_t n)
{
	return need(json_integer(n));
}

static json_t *
leases(const struct berthd *berthd)
{
	json_t *list = need(json_array());
	struct lease *lease, *next;

	HASH_ITER(by_id, berthd->book.by_id, lease, next) {
		const struct slot *slot = lease->state == LEASE_HELD ? lease->slot : NULL;

		if (json_array_size(list) == STATUS_LEASES)
			break;
		json_array_append_new(list,
			need(json_pack("{s:o s:o s:o s:s s:o s:I s:o s:I s:I}", "lease", text(lease->id), "run", text(lease->run),
		                       "worker", text(lease->worker), "state", lease_state_word(lease), "label", text(lease->label),
		                       "uid", (json_int_t)lease->uid, "schema", slot ? text(slot->name) : json_null(), "age_ms",
		                       (json_int_t)((clock_now() - lease->created) / 1000), "redis_db",
		                       (json_int_t)(lease->redis ? lease->redis->db : -1))));
	}
	return list;
}

static json_t *
slots(const struct berthd *berthd)
{
	json_t *kinds = need(json_object());

	for (int kind = 0; kind < SLOT_KINDS; kind++) {
		json_t *states = need(json_object());

		for (int state = 0; state < SLOT_STATE_COUNT; state++)
			json_object_set_new(states, slot_state_word(state), number(pool_count(&berthd->pool, kind, state)));
		json_object_set_new(kinds, slot_kind_word(kind), states);
	}
	return kinds;
}

static json_t *
budgets(const struct berthd *berthd)
{
	json_t *list = need(json_array());

	for (int i = 0; i < BUDGETS; i++) {
		struct budget budget = budget_of(berthd, i);

		json_array_append_new(list, need(json_pack("{s:s s:I s:I}", "name", budget.name, "used", (json_int_t)budget.used,
		                                           "limit", (json_int_t)budget.limit)));
	}
	return list;
}

static json_t *
times(void)
{
	json_t *all = need(json_object());

	for (int i = 0; i < METRICS_HISTOGRAM_COUNT; i++) {
		const struct metrics_times *one = metrics_times(i);

		json_object_set_new(all, metrics_histogram_name(i),
		                    need(json_pack("{s:I s:I s:I s:I s:I}", "count", (json_int_t)one->count, "sum_us",
		                                   (json_int_t)one->sum_us, "p50_us", (json_int_t)metrics_quantile(one, 0.5), "p99_us",
		                                   (json_int_t)metrics_quantile(one, 0.99), "most_us", (json_int_t)one->most_us)));
	}
	return all;
}

static json_t *
resets(const struct berthd *berthd)
{
	json_t *list = need(json_array());
	struct slow slow = berthd->slow;

	slow_forget(&slow, clock_now());
	for (int i = 0; i < slow.count; i++) {
		const struct slow_reset *one = &slow.rows[i];

		json_array_append_new(list, need(json_pack("{s:o s:o s:I s:i s:b s:I}", "slot", text(one->slot), "worker",
		                                           text(one->worker), "us", (json_int_t)one->us, "tables", one->tables,
		                                           "rebuilt", one->rebuilt, "age_ms",
		                                           (json_int_t)((clock_now() - one->at) / 1000))));
	}
	return list;
}

static json_t *
errors(const struct berthd *berthd)
{
	json_t *codes = need(json_object());

	for (int code = 1; code < BERTH_ERROR_CODES; code++)
		if (berthd->errors[code])
			json_object_set_new(codes, berth_error_name(code), number((int64_t)berthd->errors[code]));
	return codes;
}

static json_t *
postgresql(const struct berthd *berthd)
{
	const struct pg_facts *facts = pg_facts(&berthd->pg);
	struct berth_error why = { .message = "" };
	bool up = pg_up(&berthd->pg, &why) && registry_ready(&berthd->registry, &why);

	return need(json_pack("{s:b s:o s:i s:o}", "up", up, "why", text(why.message), "version", facts ? facts->version / 10000 : 0,
	                      "database", text(facts ? facts->database : "")));
}

static json_t *
redis(const struct berthd *berthd)
{
	struct berth_error why = { .message = "" };
	bool wanted = *berthd->config.redis_url, up = wanted && redis_up(berthd->redis, &why);

	return need(json_pack("{s:b s:b s:o s:o}", "configured", wanted, "up", up, "why", text(why.message), "version",
	                      text(redis_version(berthd->redis))));
}

void
status_write(const struct berthd *berthd, struct evbuffer *out)
{
	const struct book *book = &berthd->book;
	json_t *all = need(json_pack(
		"{s:s s:o s:o s:I s:b s:I s:i s:i s:I s:I s:o s:o s:o s:o s:o s:o s:o s:o}", "version", BERTH_VERSION, "runner",
		text(berthd->registry.runner), "host", text(berthd->registry.host), "uptime_s",
		(json_int_t)((clock_now() - berthd->started) / 1000000), "leaving", berthd->phase != BERTHD_RUNNING, "runners",
		(json_int_t)berthd->registry.runners, "held", book->held, "waiting", book->queue.length, "grants",
		(json_int_t)book->stats.grants, "acquires", (json_int_t)book->stats.acquires, "postgresql", postgresql(berthd), "redis",
		redis(berthd), "slots", slots(berthd), "budgets", budgets(berthd), "times", times(), "resets", resets(berthd), "errors",
		errors(berthd), "leases", leases(berthd)));
	char *written = json_dumps(all, JSON_COMPACT);

	if (!written)
		abort();
	evbuffer_add(out, written, strlen(written));
	free(written);
	json_decref(all);
}
