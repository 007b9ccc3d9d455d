/* SPDX-License-Identifier: MIT */
/* One process, one thread: plain numbers. */
#include "daemon/base/metrics.h"

const int64_t metrics_bounds[METRICS_BUCKETS] = METRICS_BOUNDS;

static uint64_t counters[METRICS_COUNTER_COUNT];
static struct metrics_times histograms[METRICS_HISTOGRAM_COUNT];

static const struct { const char *name, *help; } counter_rows[] = {
#define X(symbol, name_, help_) [METRIC_##symbol] = { name_, help_ },
	METRICS_COUNTERS(X)
#undef X
}, histogram_rows[] = {
#define X(symbol, name_, help_) [METRIC_##symbol] = { name_, help_ },
	METRICS_HISTOGRAMS(X)
#undef X
};

void
metrics_count(enum metrics_counter counter)
{
	counters[counter]++;
}

void
metrics_observe(enum metrics_histogram histogram, int64_t us)
{
	struct metrics_times *times = &histograms[histogram];
	int bucket = 0;

	while (bucket < METRICS_BUCKETS && us > metrics_bounds[bucket])
		bucket++;
	times->buckets[bucket]++;
	times->count++;
	times->sum_us += us;
	if (us > times->most_us)
		times->most_us = us;
}

uint64_t
metrics_counted(enum metrics_counter counter)
{
	return counters[counter];
}

const struct metrics_times *
metrics_times(enum metrics_histogram histogram)
{
	return &histograms[histogram];
}

int64_t
metrics_quantile(const struct metrics_times *times, double share)
{
	uint64_t seen = 0;

	for (int bucket = 0; bucket < METRICS_BUCKETS; bucket++) {
		seen += times->buckets[bucket];
		if (seen > 0 && (double)seen >= share * (double)times->count)
			return metrics_bounds[bucket] < times->most_us ? metrics_bounds[bucket] : times->most_us;
	}
	return times->most_us;
}

const char *
metrics_counter_name(enum metrics_counter counter)
{
	return counter_rows[counter].name;
}

const char *
metrics_counter_help(enum metrics_counter counter)
{
	return counter_rows[counter].help;
}

const char *
metrics_histogram_name(enum metrics_histogram histogram)
{
	return histogram_rows[histogram].name;
}

const char *
metrics_histogram_help(enum metrics_histogram histogram)
{
	return histogram_rows[histogram].help;
}
