/* SPDX-License-Identifier: MIT */
/*
 * metrics: what is counted and timed where it happens; exposition.c tells it, with what the nouns count themselves.
 *
 *     metrics_count(METRIC_PG_RETRIES);
 *     metrics_observe(METRIC_SLOT_BUILD, us);
 */
#pragma once

#include <stdint.h>

/*  symbol           name                 help */
#define METRICS_COUNTERS(X)                                                                                     \
	X(PG_RETRIES,    "pg_retries",        "Runs sent to PostgreSQL again: deadlock, lock timeout, full lock table") \
	X(PG_LOST,       "pg_connections_lost", "Connections to PostgreSQL that broke or missed a deadline")    \
	X(REDIS_LOST,    "redis_claims_lost", "Redis databases whose claim went to another runner")             \
	X(RESETS_REBUILT, "resets_rebuilt",   "Resets that had to build the slot anew")                         \
	X(RESETS_FAILED, "resets_failed",     "Resets that failed")

/*  symbol           name                 help */
#define METRICS_HISTOGRAMS(X)                                                                                   \
	X(LEASE_WAIT,    "lease_wait",        "From ACQUIRE to the grant")                                      \
	X(LEASE_HELD,    "lease_held",        "From the grant to the lease's end")                              \
	X(SLOT_BUILD,    "slot_build",        "Building a slot")                                                \
	X(SLOT_CLEAN,    "slot_clean",        "Cleaning a slot that was given back")                            \
	X(SLOT_DROP,     "slot_drop",         "From the decision that a slot goes to nothing of it being left") \
	X(RESET,         "reset",             "RESET of a lease's schema or database")                          \
	X(PG_TRIP,       "pg_round_trip",     "One run of a conversation with PostgreSQL")                      \
	X(REDIS_TRIP,    "redis_round_trip",  "One command to Redis")

enum metrics_counter {
#define X(symbol, name, help) METRIC_##symbol,
	METRICS_COUNTERS(X)
#undef X
	METRICS_COUNTER_COUNT
};

enum metrics_histogram {
#define X(symbol, name, help) METRIC_##symbol,
	METRICS_HISTOGRAMS(X)
#undef X
	METRICS_HISTOGRAM_COUNT
};

/* Upper bounds in µs; one more bucket holds what is longer. */
#define METRICS_BOUNDS                                                                                \
	{ 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000,   \
	  1000000, 2500000, 5000000, 10000000, 30000000, 60000000, 300000000 }
enum { METRICS_BUCKETS = 22 };
extern const int64_t metrics_bounds[METRICS_BUCKETS];

struct metrics_times {
	uint64_t buckets[METRICS_BUCKETS + 1]; /* each by itself */
	uint64_t count;
	int64_t sum_us, most_us;
};

void metrics_count(enum metrics_counter counter);
void metrics_observe(enum metrics_histogram histogram, int64_t us);

uint64_t metrics_counted(enum metrics_counter counter);
const struct metrics_times *metrics_times(enum metrics_histogram histogram);
/* The time in µs that `share` (0..1) of all stayed within, as far as the buckets tell; 0 when there are none. */
int64_t metrics_quantile(const struct metrics_times *times, double share);

const char *metrics_counter_name(enum metrics_counter counter);
const char *metrics_counter_help(enum metrics_counter counter);
const char *metrics_histogram_name(enum metrics_histogram histogram);
const char *metrics_histogram_help(enum metrics_histogram histogram);
