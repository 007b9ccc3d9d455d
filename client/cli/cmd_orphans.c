/* SPDX-License-Identifier: MIT */
/* berth orphans: what nobody who lives owns, shown and dropped. */
#include <libsmartcols/libsmartcols.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client/cli/command.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/rows.h"
#include "client/cli/session.h"
#include "client/cli/waiting.h"

enum { WORDS_MAX = 16, NAME_MAX_BYTES = 64, SAY_AGAIN_MS = 10000 };

static struct {
	bool drop, dry_run, foreign, sessions;
	const char *like;
	long long older_ms;
} asks = { .older_ms = -1 };

/* clang-format off */
static const struct cli_option options[] = {
	{ "drop", NULL, OPTION_FLAG, &asks.drop, "drop them" },
	{ "dry-run", NULL, OPTION_FLAG, &asks.dry_run, "say what --drop would do" },
	{ "older-than", "TIME", OPTION_DURATION, &asks.older_ms, "only what is known to be older" },
	{ "like", "PATTERN", OPTION_TEXT, &asks.like, "only names like this; % is any text, _ any character" },
	{ "foreign", NULL, OPTION_FLAG, &asks.foreign, "what berth did not make too; needs --like" },
	{ "with-sessions", NULL, OPTION_FLAG, &asks.sessions, "what has sessions too; those in the way are ended" },
	{ 0 }
};

enum { ACTION = 12 };
static struct rows_column columns[] = {
	{ "kind",     "KIND",     8 },
	{ "name",     "NAME",     0.2 },
	{ "class",    "CLASS",    7 },
	{ "runner" },
	{ "host",     "HOST",     0.1,  SCOLS_FL_TRUNC },
	{ "run",      "RUN",      0.1,  SCOLS_FL_TRUNC },
	{ "worker",   "WORKER",   0.05, SCOLS_FL_TRUNC },
	{ "uid" },
	{ "age_ms",   "AGE",      6,    SCOLS_FL_RIGHT, ROWS_AGE },
	{ "tables",   "TABLES",   6,    SCOLS_FL_RIGHT },
	{ "bytes",    "SIZE",     6,    SCOLS_FL_RIGHT, ROWS_BYTES },
	{ "sessions", "SESSIONS", 8,    SCOLS_FL_RIGHT },
	{ "action",   "ACTION",   10 },
	{ "why",      "WHY",      0.3,  SCOLS_FL_WRAP },
	{ 0 }
};
/* clang-format on */

/* ---- asking, answer after answer ---- */

/* One question, to be asked again behind the last row until there are no more. */
struct inquiry {
	struct berth_client *client;
	const char *words[WORDS_MAX];
	int count;
	char older[24];
	char after[16 + NAME_MAX_BYTES];
};

static void
add(struct inquiry *inquiry, const char *word)
{
	inquiry->words[inquiry->count++] = word;
}

static void
inquiry_init(struct inquiry *inquiry, struct berth_client *client, const char *what)
{
	*inquiry = (struct inquiry){ .client = client };
	add(inquiry, "ORPHANS");
	add(inquiry, what);
	if (strcmp(what, "DRYRUN") == 0) {
		inquiry->words[1] = "DROP";
		add(inquiry, "DRYRUN");
	}
	if (asks.older_ms >= 0) {
		snprintf(inquiry->older, sizeof inquiry->older, "%lld", asks.older_ms);
		add(inquiry, "OLDER");
		add(inquiry, inquiry->older);
	}
	if (asks.like) {
		add(inquiry, "LIKE");
		add(inquiry, asks.like);
	}
	if (asks.foreign)
		add(inquiry, "FOREIGN");
	if (asks.sessions && strcmp(what, "LIST") != 0)
		add(inquiry, "SESSIONS");
}

/* The daemon bounds the time of an answer by itself. */
static int
inquire(struct inquiry *inquiry, struct berth_reply **ret, struct berth_error *e)
{
	const char *words[WORDS_MAX];
	int count = inquiry->count;

	memcpy(words, inquiry->words, sizeof words);
	if (*inquiry->after) {
		words[count++] = "AFTER";
		words[count++] = inquiry->after;
	}
	return berth_command(inquiry->client, BERTH_WAIT_FOREVER, count, words, ret, e);
}

static const char *
text_of(const struct berth_reply *row, const char *field)
{
	const struct berth_reply *value = rows_field(row, field);

	return value && value->type == BERTH_REPLY_TEXT ? value->text : "";
}

static bool
has_action(const struct berth_reply *row, const char *action)
{
	return strcmp(text_of(row, "action"), action) == 0;
}

/* What is still `dropping` is asked for again, and so is all behind it. */
static size_t
settled(const struct berth_reply *rows)
{
	size_t n = 0;

	while (n < rows->count && !has_action(rows->items[n], "dropping"))
		n++;
	return n;
}

/* Moves the rows that are settled to `all`, and goes on behind them. */
static void
take(struct inquiry *inquiry, struct berth_reply *rows, struct berth_reply *all)
{
	size_t n = settled(rows);

	if (n > 0) {
		const struct berth_reply *last = rows->items[n - 1];

		snprintf(inquiry->after, sizeof inquiry->after, "%s/%s", text_of(last, "kind"),
		         text_of(last, "name"));
		all->items = need(reallocarray(all->items, all->count + n, sizeof *all->items));
		memcpy(all->items + all->count, rows->items, n * sizeof *all->items);
		all->count += n;
		memmove(rows->items, rows->items + n, (rows->count - n) * sizeof *rows->items);
		rows->count -= n;
	}
	berth_reply_free(rows);
}

/* All of it. `all` is an array, and the caller's. */
static int
gather(struct inquiry *inquiry, struct berth_reply *all)
{
	struct berth_reply *rows;
	struct berth_error e;

	for (;;) {
		if (inquire(inquiry, &rows, &e) < 0)
			return complain(inquiry->client, &e);
		if (rows->count == 0)
			break;
		take(inquiry, rows, all);
	}
	berth_reply_free(rows);
	return 0;
}

static size_t
count(const struct berth_reply *rows, const char *field, const char *value)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->count; i++)
		n += strcmp(text_of(rows->items[i], field), value) == 0;
	return n;
}

/* ---- progress ---- */

static volatile sig_atomic_t interrupted;

static void
on_signal(int number)
{
	interrupted = number;
}

/* The first one ends it between two answers, the second one at once. */
static void
mind_signals(void)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

struct progress {
	struct waiting line;
	struct timespec began;
	long long said_ms;
	size_t total;
};

static long long
spent_ms(const struct progress *progress)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - progress->began.tv_sec) * 1000LL
	       + (now.tv_nsec - progress->began.tv_nsec) / 1000000;
}

/* Where nothing can be redrawn, a line now and then. */
static void
show_progress(struct progress *progress, const struct berth_reply *all)
{
	size_t done = count(all, "action", "dropped");
	long long ms = spent_ms(progress);
	char text[128], left[DURATION_TEXT_MAX] = "";

	if (progress->line.shown && !progress->line.terminal
	    && ms - progress->said_ms < SAY_AGAIN_MS)
		return;
	if (!progress->line.terminal)
		waiting_end(&progress->line);
	progress->said_ms = ms;
	if (done && progress->total > done)
		duration_show(ms * (long long)(progress->total - done) / (long long)done / 1000 * 1000, left);
	snprintf(text, sizeof text, "%zu of %zu dropped, %zu kept%s%s%s", done, progress->total,
	         count(all, "action", "kept"), *left ? ", about " : "", left, *left ? " left" : "");
	waiting_say(&progress->line, text);
}

static void
summarize(struct progress *progress, const struct berth_reply *all)
{
	size_t dead = count(all, "class", "dead"), kept = count(all, "action", "kept");
	char spent[DURATION_TEXT_MAX];

	waiting_end(&progress->line);
	notice("%zu dropped in %s, %zu kept", count(all, "action", "dropped"),
	       duration_show(spent_ms(progress), spent), kept - (kept < dead ? kept : dead));
	if (dead)
		notice("%zu more are dead runners'; those are dropped by themselves", dead);
	if (interrupted)
		notice("interrupted; the same again goes on from here");
}

/* ---- dropping ---- */

/* How many there are, so that progress can be told. */
static int
count_all(struct berth_client *client, size_t *ret)
{
	struct berth_reply all = { .type = BERTH_REPLY_ARRAY };
	struct inquiry inquiry;
	int status;

	inquiry_init(&inquiry, client, "DRYRUN");
	add(&inquiry, "BRIEF");
	status = gather(&inquiry, &all);
	*ret = count(&all, "action", "would-drop");
	for (size_t i = 0; i < all.count; i++)
		berth_reply_free(all.items[i]);
	free(all.items);
	return status;
}

static int
drop_all(struct inquiry *inquiry, struct progress *progress, struct berth_reply *all)
{
	struct berth_reply *rows;
	struct berth_error e;

	while (!interrupted) {
		if (inquire(inquiry, &rows, &e) < 0)
			return complain(inquiry->client, &e);
		if (rows->count == 0) {
			berth_reply_free(rows);
			return 0;
		}
		take(inquiry, rows, all);
		show_progress(progress, all);
	}
	return 128 + interrupted;
}

static int
drop(struct berth_client *client, struct berth_reply *all)
{
	struct progress progress = { 0 };
	struct inquiry inquiry;
	int status;

	mind_signals();
	waiting_init(&progress.line, 0);
	clock_gettime(CLOCK_MONOTONIC, &progress.began);
	status = count_all(client, &progress.total);
	if (status)
		return status;
	inquiry_init(&inquiry, client, "DROP");
	status = drop_all(&inquiry, &progress, all);
	summarize(&progress, all);
	if (status == 0 && count(all, "action", "kept") > count(all, "class", "dead"))
		status = EXIT_FAILURE;
	return status;
}

/* ---- showing ---- */

/* People have seen how many went; what they want to know is what did not. */
static void
show(struct berth_reply *all, bool json)
{
	bool only_kept = asks.drop && !asks.dry_run && !json && isatty(STDOUT_FILENO);
	size_t n = 0;

	for (size_t i = 0; only_kept && i < all->count; i++) {
		if (has_action(all->items[i], "dropped"))
			berth_reply_free(all->items[i]);
		else
			all->items[n++] = all->items[i];
	}
	if (only_kept && (all->count = n) == 0)
		return;
	if (!asks.drop && !asks.dry_run)
		columns[ACTION].title = NULL;
	rows_show(all, json, columns, "no orphans");
}

static void
hint_at_sessions(const struct berth_reply *all)
{
	for (size_t i = 0; i < all->count && !asks.sessions; i++) {
		const struct berth_reply *sessions = rows_field(all->items[i], "sessions");

		if (has_action(all->items[i], "kept") && sessions && sessions->integer > 0) {
			hint("--with-sessions takes those with sessions too, and ends the sessions that are in the way");
			return;
		}
	}
}

/* Nobody should take its silence for an answer. */
static void
mention_redis(struct berth_client *client)
{
	char *text, *why;

	if (berth_info(client, "Redis", &text, NULL) < 0)
		return;
	why = strstr(text, "redis_why:");
	if (strstr(text, "redis_configured:1") && strstr(text, "redis_up:0"))
		notice("Redis is not looked at, for it cannot be asked now: %.*s",
		       why ? (int)strcspn(why, "\r\n") - 10 : 0, why ? why + 10 : "");
	free(text);
}

static int
run(const struct invocation *asked)
{
	struct berth_reply all = { .type = BERTH_REPLY_ARRAY };
	struct berth_client *client;
	struct inquiry inquiry;
	int status;

	if (asks.sessions && !asks.drop && !asks.dry_run)
		return complain_usage("orphans", "--with-sessions goes with --drop or --dry-run");
	status = session_open(asked, &client);
	if (status)
		return status;
	if (asks.drop && !asks.dry_run) {
		status = drop(client, &all);
	} else {
		inquiry_init(&inquiry, client, asks.dry_run ? "DRYRUN" : "LIST");
		status = gather(&inquiry, &all);
	}
	if (status == 0 || all.count > 0)
		show(&all, asked->json);
	hint_at_sessions(&all);
	mention_redis(client);
	for (size_t i = 0; i < all.count; i++)
		berth_reply_free(all.items[i]);
	free(all.items);
	berth_close(client);
	return status;
}

const struct command command_orphans = {
	.name = "orphans",
	.usage = "[OPTION...]",
	.summary = "What nobody who lives owns: shows it, drops it",
	.details =
		"Schemas, roles, databases and Redis databases of three classes: `dead`, a dead runner's, which the\n"
		"others drop by themselves; `stamped`, made by berth but in no registry (it was lost, or a dump was\n"
		"restored); with --foreign also those that berth did not make and whose names are like PATTERN.\n"
		"What has sessions is kept, and what something outside depends on.\n"
		"\n"
		"--drop may be interrupted at any time; the same again goes on. Exit status: 0 when all are gone, 1\n"
		"when some were kept (WHY says why).\n"
		"\n"
		"  berth orphans --older-than 1h\n"
		"  berth orphans --foreign --like 'test\\_gw%' --dry-run\n"
		"  berth orphans --foreign --like 'test\\_gw%' --drop\n"
		"\n"
		"A table on a terminal (of --drop: only what was kept), else one line for each with tabs between:\n"
		"kind name class runner host run worker uid age_ms tables bytes sessions action why; - stands for\n"
		"nothing.\n",
	.options = options,
	.run = run,
};
