/* SPDX-License-Identifier: MIT */
/* INFO HELP SHUTDOWN: the daemon itself. */
#include <inttypes.h>
#include <stdarg.h>
/* CONFIG HELP SHUTDOWN: the daemon itself. */
#include <stdio.h>
#include <string.h>

#include "daemon/berthd.h"
#include "daemon/verb.h"

/* ---- INFO: sections of key:value lines, as Redis has them ---- */

struct info {
	const struct berthd *berthd;
	struct evbuffer *text;
};

static void add(struct info *info, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct info *info, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	evbuffer_add_vprintf(info->text, fmt, ap);
	va_end(ap);
	evbuffer_add(info->text, "\r\n", 2);
}

/* `loading:0` is for ioredis, which will not begin without it. */
static void
info_server(struct info *info)
{
	const struct berthd *berthd = info->berthd;

	add(info, "berth_version:%s", BERTH_VERSION);
	add(info, "runner:%s", berthd->registry.runner);
	add(info, "process_id:%d", (int)getpid());
	add(info, "uptime_in_seconds:%" PRId64, (clock_now() - berthd->started) / 1000000);
	add(info, "socket:%s", berthd->listener.path);
	add(info, "loading:0");
	add(info, "shutting_down:%d", berthd->phase != BERTHD_RUNNING);
}

static long
resident_kib(void)
{
	long pages = 0, all;
	FILE *statm = fopen("/proc/self/statm", "re");

	if (statm && fscanf(statm, "%ld %ld", &all, &pages) != 2)
		pages = 0;
	if (statm)
		fclose(statm);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static void
info_clients(struct info *info)
{
	const struct listener *listener = &info->berthd->listener;

	add(info, "connected_clients:%d", listener->count);
	add(info, "maxclients:%d", listener->most);
	add(info, "accepted:%" PRIu64, listener->accepted);
	add(info, "refused:%" PRIu64, listener->refused);
	add(info, "used_memory_rss_kib:%ld", resident_kib());
}

static void
info_leases(struct info *info)
{
	const struct book *book = &info->berthd->book;

	add(info, "held:%d", book->held);
	add(info, "queued:%d", book->queue.length);
	add(info, "acquires:%ld", book->stats.acquires);
	add(info, "grants:%ld", book->stats.grants);
	add(info, "longest_wait_us:%ld", book->stats.longest_wait_us);
	for (int why = 0; why < LEASE_END_COUNT; why++) {
		char key[64];

		snprintf(key, sizeof key, "%s", lease_end_words(why));
		for (char *c = key; *c; c++)
			if (*c == ' ')
				*c = '_';
		add(info, "end_%s:%ld", key, book->stats.ends[why]);
	}
}

static int
count_slots(const struct pool *pool, int kind, int state)
{
	const struct shelf *shelf;
	int n = 0;

	TAILQ_FOREACH(shelf, &pool->shelves, link)
		n += (int)shelf->kind == kind ? shelf->count[state] : 0;
	return n;
}

static void
info_slots(struct info *info)
{
	const struct pool *pool = &info->berthd->pool;

	for (int kind = 0; kind < SLOT_KINDS; kind++)
		for (int state = 0; state < SLOT_STATE_COUNT; state++)
			add(info, "%s_%s:%d", slot_kind_word(kind), slot_state_word(state), count_slots(pool, kind, state));
	add(info, "builds:%ld", pool->stats.builds);
	add(info, "build_failures:%ld", pool->stats.build_failures);
	add(info, "cleans:%ld", pool->stats.cleans);
	add(info, "clean_failures:%ld", pool->stats.clean_failures);
	add(info, "drops:%ld", pool->stats.drops);
	add(info, "drop_failures:%ld", pool->stats.drop_failures);
	add(info, "stale:%ld", pool->stats.stale);
}

static void
info_postgresql(struct info *info)
{
	const struct berthd *berthd = info->berthd;
	const struct pg_facts *facts = pg_facts(&berthd->pg);
	struct berth_error why = { .message = "" };

	add(info, "pg_up:%d", pg_up(&berthd->pg, &why) && registry_ready(&berthd->registry, &why));
	add(info, "pg_why:%s", why.message);
	add(info, "pg_version:%d", facts ? facts->version : 0);
	add(info, "pg_database:%s", facts ? facts->database : "");
	add(info, "pg_superuser:%d", facts ? facts->superuser : 0);
	add(info, "pg_queued_flows:%d", berthd->pg.queued);
	add(info, "runners_buried:%ld", berthd->registry.runners_buried);
	add(info, "enum_conversations:%ld", berthd->enums.conversations);
	add(info, "gate_entered:%ld", berthd->gate.entered);
	add(info, "gate_finished:%ld", berthd->gate.finished);
	add(info, "gate_freed:%ld", berthd->gate.freed);
}

static void
info_redis(struct info *info)
{
	const struct berthd *berthd = info->berthd;
	struct berth_error why = { .message = "" };

	add(info, "redis_configured:%d", *berthd->config.redis_url != '\0');
	add(info, "redis_up:%d", redis_up(berthd->redis, &why));
	add(info, "redis_why:%s", why.message);
	add(info, "redis_server_version:%s", redis_version(berthd->redis));
	add(info, "redis_acl:%d", redis_acl_allowed(berthd->redis));
	add(info, "redis_leasable:%d", redis_leasable(berthd->redis));
	add(info, "redis_free:%d", berthd->redis_pool.free_count);
	add(info, "redis_ending:%d", redis_ending(berthd->redis));
}

static void
info_calls(struct info *info)
{
	for (int verb = 0; verb < VERBS; verb++)
		if (info->berthd->calls[verb])
			add(info, "calls_%s:%" PRIu64, verb_rows[verb].word, info->berthd->calls[verb]);
	for (int code = 1; code < BERTH_ERROR_CODES; code++)
		if (info->berthd->errors[code])
			add(info, "errors_%s:%" PRIu64, berth_error_name(code), info->berthd->errors[code]);
}

static const struct {
	const char *name;
	void (*write)(struct info *info);
} sections[] = {
	{ "Server",     info_server },
	{ "Clients",    info_clients },
	{ "Leases",     info_leases },
	{ "Slots",      info_slots },
	{ "PostgreSQL", info_postgresql },
	{ "Redis",      info_redis },
	{ "Calls",      info_calls },
};

void
verb_info(struct session *session, const struct request *request)
{
	struct info info = { session->berthd, evbuffer_new() };
	const struct request_arg *asked = request->argc > 1 ? &request->argv[1] : NULL;
	bool all = !asked || request_arg_is(asked, "all") || request_arg_is(asked, "everything")
	           || request_arg_is(asked, "default");

	if (!info.text)
		abort();
	for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
		if (!all && !request_arg_is(asked, sections[i].name))
			continue;
		if (evbuffer_get_length(info.text) > 0)
			evbuffer_add(info.text, "\r\n", 2);
		add(&info, "# %s", sections[i].name);
		sections[i].write(&info);
	}
	reply_bulk(&session->reply, evbuffer_pullup(info.text, -1), evbuffer_get_length(info.text));
	evbuffer_free(info.text);
/* ---- CONFIG GET ---- */

static void
count_key(void *arg, const char *key, const char *value)
{
	++*(size_t *)arg;
}

static void
reply_key(void *arg, const char *key, const char *value)
{
	reply_field_text(arg, key, value);
}

void
verb_config(struct session *session, const struct request *request)
{
	char pattern[128];
	size_t count = 0;

	if (request->argc != 3 || !request_arg_is(&request->argv[1], "GET")) {
		session_error(session, BERTH_USAGE, "it is: CONFIG %s", verb_rows[VERB_config].usage);
		return;
	}
	snprintf(pattern, sizeof pattern, "%.*s", (int)(request->argv[2].len > 127 ? 127 : request->argv[2].len),
	         request->argv[2].ptr);
	config_each(&session->berthd->config, pattern, count_key, &count);
	reply_map(&session->reply, count);
	config_each(&session->berthd->config, pattern, reply_key, &session->reply);
}

/* ---- HELP ---- */

static void
reply_help(struct reply *reply, const struct verb_row *row)
{
	char line[512];

	snprintf(line, sizeof line, "%s%s%s: %s", row->word, *row->usage ? " " : "", row->usage, row->summary);
	reply_simple(reply, line);
}

void
verb_help(struct session *session, const struct request *request)
{
	int verb = request->argc > 1 ? verb_find(&request->argv[1]) : -1;

	if (request->argc > 1 && verb < 0) {
		session_error(session, BERTH_ERR, "there is no such verb; HELP lists them");
		return;
	}
	if (verb >= 0) {
		reply_help(&session->reply, &verb_rows[verb]);
		return;
	}
	reply_array(&session->reply, VERBS);
	for (verb = 0; verb < VERBS; verb++)
		reply_help(&session->reply, &verb_rows[verb]);
}

/* ---- SHUTDOWN ---- */

void
verb_shutdown(struct session *session, const struct request *request)
{
	bool now = request->argc > 1 && request_arg_is(&request->argv[1], "NOW");
	bool handover = request->argc > 1 && request_arg_is(&request->argv[1], "HANDOVER");
	struct berth_error e;

	if (request->argc > 1 && !now && !handover) {
		session_error(session, BERTH_USAGE, "it is: SHUTDOWN %s", verb_rows[VERB_shutdown].usage);
	} else if (handover && berthd_hand_over(session->berthd, &e) < 0) {
		session_error(session, e.code, "%s", e.message);
	} else {
		reply_ok(&session->reply);
		if (!handover)
			berthd_shutdown(session->berthd, now);
	}
}
