/* SPDX-License-Identifier: MIT */
/* berth top: a live view of leases, pools, waits and the slowest resets. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/run/progress.h"
#include "client/cli/session.h"
#include "client/cli/top/screen.h"

enum { PAST = 120, EVERY_MS = 1000, WAIT_MS = 3000, SPARK = 24, VALUE_MAX = 256 };

static long long every_ms = EVERY_MS;

static const struct cli_option options[] = {
	{ "every", "TIME", OPTION_DURATION, &every_ms, "between two looks (default: 1s)" },
	{ 0 }
};

/* What was seen, the newest last. */
struct past {
	long long numbers[PAST];
	int count;
};

struct top {
	const struct invocation *asked;
	struct screen screen;
	struct berth_client *client;
	struct berth_error error;    /* why the last look failed */
	char *info;                  /* of the last look that did not, or NULL */
	struct berth_leases *leases;
	struct past held, waiting, grants;
	long long granted, looked_ms; /* at the last look that counts; -1: there was none */
};

/* ---- looking ---- */

static void
add(struct past *past, long long number)
{
	if (past->count == PAST)
		memmove(past->numbers, past->numbers + 1, (size_t)(--past->count) * sizeof *past->numbers);
	past->numbers[past->count++] = number;
}

/* The value of a key of INFO; "" when it has none. */
static const char *
text_of(const struct top *top, const char *key, char buf[VALUE_MAX])
{
	size_t len = strlen(key);

	buf[0] = '\0';
	for (const char *line = top->info; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, key, len) == 0 && line[len] == ':') {
			snprintf(buf, VALUE_MAX, "%.*s", (int)strcspn(line + len + 1, "\r\n"), line + len + 1);
			break;
		}
	}
	return buf;
}

static long long
number_of(const struct top *top, const char *key)
{
	char buf[VALUE_MAX];

	return atoll(text_of(top, key, buf));
}

static void
forget(struct top *top)
{
	free(top->info);
	berth_leases_free(top->leases);
	top->info = NULL;
	top->leases = NULL;
}

static bool
ask(struct top *top)
{
	struct berth_leases *leases;
	char *info;

	if (top->client && !berth_connected(top->client)) {
		berth_close(top->client);
		top->client = NULL;
	}
	if (!top->client && berth_open(top->asked->socket, &top->client, &top->error) < 0)
		return false;
	berth_set_timeout(top->client, WAIT_MS);
	if (berth_info(top->client, NULL, &info, &top->error) < 0)
		return false;
	if (berth_leases(top->client, NULL, -1, &leases, &top->error) < 0) {
		free(info);
		return false;
	}
	forget(top);
	top->info = info;
	top->leases = leases;
	return true;
}

/* A look out of turn (the terminal has another size) is drawn, but is no point of the lines. */
static void
look(struct top *top)
{
	long long granted, spent = now_us() / 1000 - top->looked_ms;

	if (!ask(top))
		return;
	top->error.code = BERTH_OK;
	if (top->granted >= 0 && spent < every_ms / 2)
		return;
	granted = number_of(top, "grants");
	add(&top->held, number_of(top, "held"));
	add(&top->waiting, number_of(top, "queued"));
	if (top->granted >= 0 && granted >= top->granted)
		add(&top->grants, ((granted - top->granted) * 1000 + spent / 2) / spent);
	top->granted = granted;
	top->looked_ms += spent;
}

/* ---- drawing ---- */

static void
draw_head(struct top *top)
{
	char version[VALUE_MAX], runner[VALUE_MAX], up[DURATION_TEXT_MAX], clock[16], pg[VALUE_MAX], redis[VALUE_MAX];
	long long pg_version = number_of(top, "pg_version") / 10000;
	time_t now = time(NULL);

	strftime(clock, sizeof clock, "%H:%M:%S", localtime(&now));
	screen_line(&top->screen, STYLE_HEAD, " berth %s  runner %s  up %s  PostgreSQL %lld  Redis %s  %s%s",
	            text_of(top, "berth_version", version), text_of(top, "runner", runner),
	            duration_show(number_of(top, "uptime_in_seconds") * 1000, up), pg_version,
	            number_of(top, "redis_configured") ? text_of(top, "redis_server_version", redis) : "none", clock,
	            top->screen.terminal ? "  q quits" : "");
	if (top->error.code != BERTH_OK)
		screen_line(&top->screen, STYLE_BAD, "%s %s", berth_error_name(top->error.code), top->error.message);
	if (top->info && !number_of(top, "pg_up"))
		screen_line(&top->screen, STYLE_BAD, "PostgreSQL: %s", text_of(top, "pg_why", pg));
	if (number_of(top, "redis_configured") && !number_of(top, "redis_up"))
		screen_line(&top->screen, STYLE_BAD, "Redis: %s", text_of(top, "redis_why", redis));
}

static void
draw_past(struct top *top, const char *title, const struct past *past)
{
	int width = top->screen.columns - 26 < SPARK ? SPARK : top->screen.columns - 26;
	char spark[SCREEN_CELL_MAX];

	screen_line(&top->screen, STYLE_PLAIN, "%-16s %6lld  %s", title, past->count ? past->numbers[past->count - 1] : 0,
	            screen_spark(&top->screen, past->numbers, past->count, width, spark));
}

static void
draw_slots(struct top *top)
{
	static const char *const states[] = { "free", "held", "building", "cleaning", "dropping" }, *const kinds[] = { "schema", "database" };
	enum { STATES = sizeof states / sizeof *states };
	long long counts[STATES];
	char key[64];

	screen_line(&top->screen, STYLE_DIM, "%-10s %8s %8s %8s %8s %8s", "slots", states[0], states[1], states[2], states[3],
	            states[4]);
	for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
		for (int i = 0; i < STATES; i++) {
			snprintf(key, sizeof key, "%s_%s", kinds[kind], states[i]);
			counts[i] = number_of(top, key);
		}
		screen_line(&top->screen, STYLE_PLAIN, "%-10s %8lld %8lld %8lld %8lld %8lld", kinds[kind], counts[0], counts[1],
		            counts[2], counts[3], counts[4]);
	}
}

static void
draw_budgets(struct top *top)
{
	static const char *const budgets[] = { "builds", "drops", "locks", "redis", "sessions" };
	char line[512], used[64], limit[64];
	size_t len = (size_t)snprintf(line, sizeof line, "%-10s", "budgets");

	for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
		snprintf(used, sizeof used, "budget_%s_used", budgets[i]);
		snprintf(limit, sizeof limit, "budget_%s_limit", budgets[i]);
		len += (size_t)snprintf(line + len, sizeof line - len, "  %s %lld/%lld", budgets[i], number_of(top, used),
		                        number_of(top, limit));
	}
	screen_line(&top->screen, STYLE_PLAIN, "%s", line);
}

static void
draw_times(struct top *top)
{
	static const struct { const char *title, *key; } times[] = {
		{ "wait", "lease_wait" }, { "build", "slot_build" }, { "reset", "reset" }, { "drop", "slot_drop" },
		{ "PostgreSQL", "pg_round_trip" }, { "Redis", "redis_round_trip" },
	};
	char key[64], p50[DURATION_TEXT_MAX], p99[DURATION_TEXT_MAX], most[DURATION_TEXT_MAX];

	screen_line(&top->screen, STYLE_DIM, "%-10s %10s %10s %10s %10s", "times", "count", "p50", "p99", "most");
	for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
		long long count;

		snprintf(key, sizeof key, "%s_count", times[i].key);
		count = number_of(top, key);
		snprintf(key, sizeof key, "%s_p50_us", times[i].key);
		duration_show_us(number_of(top, key), p50);
		snprintf(key, sizeof key, "%s_p99_us", times[i].key);
		duration_show_us(number_of(top, key), p99);
		snprintf(key, sizeof key, "%s_most_us", times[i].key);
		duration_show_us(number_of(top, key), most);
		screen_line(&top->screen, STYLE_PLAIN, "%-10s %10lld %10s %10s %10s", times[i].title, count, count ? p50 : "",
		            count ? p99 : "", count ? most : "");
	}
}

/* "us=4200 slot=test_3fa9c1_17 worker=gw0 tables=3 rebuilt=0 age_ms=12000" */
static void
draw_reset(struct top *top, const char *text)
{
	char slot[64] = "", worker[64] = "", took[DURATION_TEXT_MAX], ago[DURATION_TEXT_MAX];
	const char *at = strstr(text, " age_ms=");
	long long us = 0;
	int tables = 0, rebuilt = 0;

	if (sscanf(text, "us=%lld slot=%63s worker=%63s tables=%d rebuilt=%d", &us, slot, worker, &tables, &rebuilt) != 5 || !at)
		return;
	screen_line(&top->screen, STYLE_PLAIN, "%10s  %-24s %-10s %3d tables%s, %s ago", duration_show_us(us, took), slot, worker,
	            tables, rebuilt ? ", built anew" : "", duration_show(atoll(at + strlen(" age_ms=")), ago));
}

/* The slowest few, so that leases have their place, too. */
static void
draw_resets(struct top *top)
{
	char key[32], value[VALUE_MAX];
	int most = screen_left(&top->screen) > 20 ? 5 : 2;

	if (!*text_of(top, "slowest_1", value))
		return;
	screen_line(&top->screen, STYLE_DIM, "slowest resets of the last hour");
	for (int i = 1; i <= most; i++) {
		snprintf(key, sizeof key, "slowest_%d", i);
		if (*text_of(top, key, value))
			draw_reset(top, value);
	}
}

static void
draw_leases(struct top *top)
{
	const struct berth_lease_row *row;
	char age[DURATION_TEXT_MAX], redis[16];
	int hidden = 0;

	screen_line(&top->screen, STYLE_HEAD, "%-20s %-8s %-9s %-24s %5s %8s %8s  %s", "RUN", "WORKER", "STATE", "SCHEMA", "REDIS",
	            "PID", "AGE", "LABEL");
	while (top->leases && (row = berth_leases_next(top->leases))) {
		if (screen_left(&top->screen) <= 1) {
			hidden++;
			continue;
		}
		snprintf(redis, sizeof redis, "%d", row->redis_db);
		screen_line(&top->screen, STYLE_PLAIN, "%-20.20s %-8.8s %-9s %-24.24s %5s %8lld %8s  %s", row->run, row->worker,
		            berth_state_name(row->state), row->schema ? row->dbname && strcmp(row->kind, "database") == 0 ? row->dbname
		                                                                                                          : row->schema
		                                                      : "-",
		            row->redis_db < 0 ? "-" : redis, row->pid, duration_show(row->age_ms, age), row->label ? row->label : "");
	}
	if (hidden)
		screen_line(&top->screen, STYLE_DIM, "... and %d more", hidden);
	berth_leases_free(top->leases);
	top->leases = NULL;
}

static void
draw(struct top *top)
{
	screen_begin(&top->screen);
	draw_head(top);
	draw_past(top, "leases held", &top->held);
	draw_past(top, "leases waiting", &top->waiting);
	draw_past(top, "grants a second", &top->grants);
	draw_slots(top);
	draw_budgets(top);
	draw_times(top);
	draw_resets(top);
	draw_leases(top);
	screen_end(&top->screen);
}

/* ---- */

static int
run(const struct invocation *asked)
{
	struct top top = { .asked = asked, .granted = -1 };
	int status = session_open(asked, &top.client);

	if (status)
		return status;
	if (every_ms < 100)
		return complain_usage("top", "--every is at least 100ms");
	screen_open(&top.screen);
	do {
		look(&top);
		draw(&top);
	} while (top.screen.terminal && screen_wait(&top.screen, (int)every_ms));
	screen_close(&top.screen);
	forget(&top);
	if (top.client)
		berth_close(top.client);
	return top.screen.terminal || top.error.code == BERTH_OK ? 0 : complain(NULL, &top.error);
}

const struct command command_top = {
	.name = "top",
	.usage = "[--every TIME]",
	.summary = "A live view: leases, pools, waits, the slowest resets",
	.details = "q quits. Where the output is no terminal it is one look as text; `berth info --json` is for programs.\n",
	.options = options,
	.run = run,
};
