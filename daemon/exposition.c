/* SPDX-License-Identifier: MIT */
/* Rows of single numbers, rows of labelled ones, and the tables of base/metrics.h. */
#include "daemon/exposition.h"

#include <inttypes.h>
#include <stdio.h>

#include "daemon/base/clock.h"
#include "daemon/base/metrics.h"
#include "daemon/berthd.h"
#include "daemon/budget.h"
#include "daemon/redis/redis.h"
#include "daemon/verb.h"

/*      type     name, value                                                    help */
#define SINGLE(X)                                                                                                        \
	X(gauge,   "uptime_seconds", (clock_now() - berthd->started) / 1000000,  "Since berthd was started")             \
	X(gauge,   "leases_held", berthd->book.held,                             "Leases that are held")                 \
	X(gauge,   "leases_waiting", berthd->book.queue.length,                  "Leases that wait for their turn")      \
	X(counter, "acquires_total", berthd->book.stats.acquires,                "Leases that were asked for")           \
	X(counter, "grants_total", berthd->book.stats.grants,                    "Leases that were granted")             \
	X(counter, "slot_builds_total", berthd->pool.stats.builds,               "Builds of slots that ended")           \
	X(counter, "slot_build_failures_total", berthd->pool.stats.build_failures, "Builds of slots that failed")        \
	X(counter, "slot_cleans_total", berthd->pool.stats.cleans,               "Slots cleaned after a release")        \
	X(counter, "slot_clean_failures_total", berthd->pool.stats.clean_failures, "Slots that could not be cleaned")    \
	X(counter, "slot_drops_total", berthd->pool.stats.drops,                 "Slots that were dropped")              \
	X(counter, "slot_drop_failures_total", berthd->pool.stats.drop_failures, "Tries to drop a slot that failed")     \
	X(counter, "slots_fenced_total", berthd->pool.stats.stale,               "Slots that another runner had taken over") \
	X(counter, "runners_buried_total", berthd->registry.runners_buried,      "Dead runners whose leases this one ended") \
	X(gauge,   "runners", berthd->registry.runners,                          "Runners in the registry")              \
	X(counter, "gate_entered_total", berthd->gate.entered,                   "Runs that ONCE let in")                \
	X(counter, "gate_finished_total", berthd->gate.finished,                 "Runs of ONCE that ended")              \
	X(counter, "gate_freed_total", berthd->gate.freed,                       "Runs of ONCE whose runner went away")  \
	X(gauge,   "postgresql_up", pg_up(&berthd->pg, NULL) && registry_ready(&berthd->registry, NULL),                 \
	  "1: PostgreSQL and the registry can be used")                                                                  \
	X(gauge,   "postgresql_queued_flows", berthd->pg.queued,                 "Conversations that wait for a connection") \
	X(gauge,   "redis_up", *berthd->config.redis_url && redis_up(berthd->redis, NULL), "1: Redis can be used")       \
	X(gauge,   "redis_free", berthd->redis_pool.free_count,                  "Redis databases claimed ahead")        \
	X(gauge,   "redis_ending", redis_ending(berthd->redis),                  "Redis databases being emptied")        \
	X(counter, "sessions_total", berthd->listener.accepted,                  "Connections accepted")                 \
	X(counter, "sessions_refused_total", berthd->listener.refused,           "Connections refused")

static void
head(struct evbuffer *out, const char *name, const char *suffix, const char *type, const char *help)
{
	evbuffer_add_printf(out, "# HELP berth_%s%s %s\n# TYPE berth_%s%s %s\n", name, suffix, help, name, suffix, type);
}

static void
write_singles(const struct berthd *berthd, struct evbuffer *out)
{
#define X(type, name, value, help)                                                    \
	head(out, name, "", #type, help);                                             \
	evbuffer_add_printf(out, "berth_%s %" PRId64 "\n", name, (int64_t)(value));
	SINGLE(X)
#undef X
}

/* ---- labelled ---- */

static void
write_build(const struct berthd *berthd, struct evbuffer *out)
{
	const struct pg_facts *facts = pg_facts(&berthd->pg);

	evbuffer_add_printf(out, "berth_build_info{version=\"%s\",runner=\"%s\",postgresql=\"%d\",redis=\"%s\"} 1\n", BERTH_VERSION,
	                    berthd->registry.runner, facts ? facts->version : 0, redis_version(berthd->redis));
}

static void
write_slots(const struct berthd *berthd, struct evbuffer *out)
{
	for (int kind = 0; kind < SLOT_KINDS; kind++)
		for (int state = 0; state < SLOT_STATE_COUNT; state++)
			evbuffer_add_printf(out, "berth_slots{kind=\"%s\",state=\"%s\"} %d\n", slot_kind_word(kind),
			                    slot_state_word(state), pool_count(&berthd->pool, kind, state));
}

static void
write_ends(const struct berthd *berthd, struct evbuffer *out)
{
	for (int why = 0; why < LEASE_END_COUNT; why++)
		evbuffer_add_printf(out, "berth_lease_ends_total{why=\"%s\"} %ld\n", lease_end_words(why),
		                    berthd->book.stats.ends[why]);
}

static void
write_requests(const struct berthd *berthd, struct evbuffer *out)
{
	for (int verb = 0; verb < VERBS; verb++)
		evbuffer_add_printf(out, "berth_requests_total{verb=\"%s\"} %" PRIu64 "\n", verb_rows[verb].word,
		                    berthd->calls[verb]);
}

static void
write_errors(const struct berthd *berthd, struct evbuffer *out)
{
	for (int code = 1; code < BERTH_ERROR_CODES; code++)
		evbuffer_add_printf(out, "berth_errors_total{code=\"%s\"} %" PRIu64 "\n", berth_error_name(code),
		                    berthd->errors[code]);
}

static void
write_budget(const struct berthd *berthd, struct evbuffer *out, bool used)
{
	for (int i = 0; i < BUDGETS; i++) {
		struct budget budget = budget_of(berthd, i);

		evbuffer_add_printf(out, "berth_budget_%s{budget=\"%s\"} %" PRId64 "\n", used ? "used" : "limit", budget.name,
		                    used ? budget.used : budget.limit);
	}
}

static void
write_budgets_used(const struct berthd *berthd, struct evbuffer *out)
{
	write_budget(berthd, out, true);
}

static void
write_budgets_limit(const struct berthd *berthd, struct evbuffer *out)
{
	write_budget(berthd, out, false);
}

static const struct {
	const char *name, *type, *help;
	void (*write)(const struct berthd *berthd, struct evbuffer *out);
} labelled[] = {
	{ "build_info",       "gauge",   "Which berthd this is, and what it found",      write_build },
	{ "slots",            "gauge",   "Slots by kind and state",                      write_slots },
	{ "lease_ends_total", "counter", "Leases that ended, by why",                    write_ends },
	{ "requests_total",   "counter", "Requests by verb",                             write_requests },
	{ "errors_total",     "counter", "Error replies by code",                        write_errors },
	{ "budget_used",      "gauge",   "What is taken of each budget",                 write_budgets_used },
	{ "budget_limit",     "gauge",   "How much of each budget there is, 0: not known", write_budgets_limit },
};

/* ---- what is counted and timed where it happens ---- */

static void
write_histogram(struct evbuffer *out, const char *name, const struct metrics_times *times)
{
	uint64_t seen = 0;

	for (int i = 0; i < METRICS_BUCKETS; i++) {
		seen += times->buckets[i];
		evbuffer_add_printf(out, "berth_%s_seconds_bucket{le=\"%g\"} %" PRIu64 "\n", name,
		                    (double)metrics_bounds[i] / 1e6, seen);
	}
	evbuffer_add_printf(out, "berth_%s_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, times->count);
	evbuffer_add_printf(out, "berth_%s_seconds_sum %.6f\nberth_%s_seconds_count %" PRIu64 "\n", name,
	                    (double)times->sum_us / 1e6, name, times->count);
}

void
exposition_write(const struct berthd *berthd, struct evbuffer *out)
{
	write_singles(berthd, out);
	for (size_t i = 0; i < sizeof labelled / sizeof *labelled; i++) {
		head(out, labelled[i].name, "", labelled[i].type, labelled[i].help);
		labelled[i].write(berthd, out);
	}
	for (int i = 0; i < METRICS_COUNTER_COUNT; i++) {
		head(out, metrics_counter_name(i), "_total", "counter", metrics_counter_help(i));
		evbuffer_add_printf(out, "berth_%s_total %" PRIu64 "\n", metrics_counter_name(i), metrics_counted(i));
	}
	for (int i = 0; i < METRICS_HISTOGRAM_COUNT; i++) {
		head(out, metrics_histogram_name(i), "_seconds", "histogram", metrics_histogram_help(i));
		write_histogram(out, metrics_histogram_name(i), metrics_times(i));
	}
}
