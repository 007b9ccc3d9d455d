/* SPDX-License-Identifier: MIT */
/*
 * A template that is to go is marked `dropping` first: nobody builds from it any more. Then its database, if
 * it has one, and its row go; a runner that dies in between leaves that to the next.
 */
#include "daemon/template_sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/clock.h"
#include "daemon/base/log.h"
#include "daemon/config.h"
#include "daemon/pg/pg.h"
#include "daemon/slot_build.h"

enum { AGE_MS = 30000 }; /* between two looks for what is old or too much */

/* A lease of another runner is held, of a template called t; of our own we know better than the registry. */
#define IN_USE                                                                                  \
	"EXISTS (SELECT FROM berth.lease l JOIN berth.slot s ON s.name = l.slot"                \
	" WHERE s.template = t.key AND s.kind = t.kind AND s.runner <> %L)"

/* ---- what is used, what is gone ---- */

static void
add_keys(const struct templates *templates, bool used, struct sql *sql)
{
	const struct template *template;
	bool first = true;

	for (template = templates->by_index; template; template = template->hh.next) {
		if (template->state != TEMPLATE_SEALED || (used && template->holders == 0))
			continue;
		sql_add(sql, "%s(%L, %L, %l)", first ? "" : ", ", template->key, slot_kind_word(template->shelf.kind),
		        template->fence);
		first = false;
	}
	if (first)
		sql_add(sql, "('', '', 0)"); /* a list may not be empty, and no key is */
}

static void
touch(void *ctx, struct sql *sql)
{
	sql_add(sql, "UPDATE berth.template SET used = clock_timestamp() WHERE used < clock_timestamp() - interval '10 s'"
	             " AND (key, kind, fence) IN (");
	add_keys(ctx, true, sql);
	sql_add(sql, ")");
}

static void
ask_there(void *ctx, struct sql *sql)
{
	sql_add(sql, "SELECT key, kind, fence FROM berth.template WHERE state = 'sealed' AND (key, kind, fence) IN (");
	add_keys(ctx, false, sql);
	sql_add(sql, ")");
}

static bool
is_there(const struct template *template, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++)
		if (strcmp(flow_cell(result, row, 0), template->key) == 0
		    && strcmp(flow_cell(result, row, 1), slot_kind_word(template->shelf.kind)) == 0
		    && flow_cell_int(result, row, 2) == template->fence)
			return true;
	return false;
}

/* One that was sealed while the question was under way is not in its answer, but newer than it. */
static int
forget_missing(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct templates *templates = ctx;
	struct template *template, *next;

	HASH_ITER(hh, templates->by_index, template, next)
		if (template->state == TEMPLATE_SEALED && template->asked_about && !is_there(template, result))
			template_forget(template);
	return 0;
}

/* ---- what is old or too much ---- */

static void
mark(void *ctx, struct sql *sql)
{
	const struct templates *templates = ctx;
	const struct config *config = templates->site->config;

	if (clock_now() - templates->swept < clock_ms(AGE_MS))
		return;
	sql_add(sql,
	        "WITH ranked AS (SELECT key, kind,"
	        "  sum(bytes) OVER (ORDER BY used DESC, key, kind) AS total FROM berth.template)"
	        " UPDATE berth.template t SET state = 'dropping' FROM ranked r WHERE r.key = t.key AND r.kind = t.kind"
	        /* a build that failed, or whose builder's runner is gone, and that nobody has taken up since */
	        " AND (t.state IN ('building', 'failed') AND t.since < clock_timestamp() - interval '1 hour'"
	        "  AND NOT EXISTS (SELECT FROM berth.runner o WHERE o.id = t.runner AND t.state = 'building')"
	        " OR t.state = 'sealed' AND (r.total > %l OR t.used < clock_timestamp() - interval '%d hours')) AND NOT "
	        IN_USE " AND (t.key, t.kind, t.fence) NOT IN (",
	        (int64_t)config->templates_mb << 20, config->template_age_h, templates->site->runner);
	add_keys(templates, true, sql);
	sql_add(sql, ") RETURNING t.key, t.kind");
}

static int
tell_marked(void *ctx, const PGresult *result, struct berth_error *e)
{
	for (int row = 0; row < PQntuples(result); row++)
		log_info("template.old", LOG_T("key", flow_cell(result, row, 0)), LOG_T("kind", flow_cell(result, row, 1)));
	return 0;
}

/* ---- what is to go ---- */

struct doomed {
	char key[LIMIT_TEMPLATE_KEY_BYTES + 1], kind[16], database[LIMIT_NAME_BYTES + 1];
};

/* A session of a berthd that died goes on copying: until it has done so there is nothing to drop. What belongs to
 * another berthd's role is that one's to drop, and would stand in the way of all others here. */
static void
ask_doomed(void *ctx, struct sql *sql)
{
	sql_add(sql, "SELECT key, kind, CASE kind WHEN 'database' THEN schema END FROM berth.template"
	             " WHERE state = 'dropping' AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.state = 'active'"
	             "  AND starts_with(a.query, 'CREATE DATABASE ' || quote_ident(schema) || ' '))"
	             " AND NOT EXISTS (SELECT FROM pg_database WHERE kind = 'database' AND datname = schema"
	             "  AND NOT pg_has_role(datdba, 'USAGE'))"
	             " ORDER BY used LIMIT 1");
}

static int
keep_doomed(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct templates *templates = ctx;
	struct doomed *doomed = templates->doomed;

	snprintf(doomed->key, sizeof doomed->key, "%s", flow_cell(result, 0, 0));
	snprintf(doomed->kind, sizeof doomed->kind, "%s", flow_cell(result, 0, 1));
	snprintf(doomed->database, sizeof doomed->database, "%s", flow_cell(result, 0, 2));
	return 0;
}

static void
drop_database(void *ctx, struct sql *sql)
{
	const struct templates *templates = ctx;

	if (*templates->doomed->database)
		sql_add(sql, "DROP DATABASE IF EXISTS %I", templates->doomed->database);
}

static void
delete_row(void *ctx, struct sql *sql)
{
	const struct templates *templates = ctx;

	if (*templates->doomed->key)
		sql_add(sql, "DELETE FROM berth.template WHERE key = %L AND kind = %L AND state = 'dropping'",
		        templates->doomed->key, templates->doomed->kind);
}

static const struct flow_step sweep_steps[] = {
	{ "touch what is used", touch },
	{ "see what is there", ask_there, forget_missing, .wait = true },
	{ "mark what is old", mark, tell_marked, .wait = true },
	{ "find what is to go", ask_doomed, keep_doomed, .wait = true },
	{ "drop its database", drop_database, .wait = true },
	{ "delete its row", delete_row, .wait = true },
	{ 0 },
};

static void
on_swept(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct templates *templates = ctx;
	bool more = !e && *templates->doomed->key;

	templates->sweeping = false;
	if (e)
		log_warn("template.sweep_failed", LOG_T("why", e->message));
	else if (clock_now() - templates->swept >= clock_ms(AGE_MS))
		templates->swept = clock_now();
	free(templates->doomed);
	templates->doomed = NULL;
	templates_settle(templates);
	if (more)
		templates_sweep(templates);
}

void
templates_sweep(struct templates *templates)
{
	struct template *template, *next;

	if (templates->sweeping || !templates->up || !pg_up(templates->site->pg, NULL))
		return;
	templates->doomed = calloc(1, sizeof *templates->doomed);
	if (!templates->doomed)
		abort();
	HASH_ITER(hh, templates->by_index, template, next)
		template->asked_about = template->state == TEMPLATE_SEALED;
	templates->sweeping = true;
	templates->sweep = (struct flow){ .steps = sweep_steps, .subject = "templates", .ctx = templates,
		                          .done = on_swept };
	pg_run(templates->site->pg, &templates->sweep);
}

/* ---- TEMPLATE DROP ---- */

struct dropping {
	struct flow flow;
	struct templates *templates;
	char key[LIMIT_TEMPLATE_KEY_BYTES + 1];
	int marked;
	char state[32]; /* why it was not */
	template_drop_done *done;
	void *arg;
};

static void
mark_one(void *ctx, struct sql *sql)
{
	const struct dropping *dropping = ctx;

	sql_add(sql, "UPDATE berth.template t SET state = 'dropping' WHERE key = %L AND state IN ('sealed', 'failed') AND NOT "
	        IN_USE " RETURNING key", dropping->key, dropping->templates->site->runner);
}

static int
keep_marked(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct dropping *dropping = ctx;

	dropping->marked = PQntuples(result);
	return 0;
}

/* A schema's has nothing but its row. */
static void
delete_schemas(void *ctx, struct sql *sql)
{
	const struct dropping *dropping = ctx;

	sql_add(sql, "DELETE FROM berth.template WHERE key = %L AND kind = 'schema' AND state = 'dropping'", dropping->key);
}

static void
ask_left(void *ctx, struct sql *sql)
{
	const struct dropping *dropping = ctx;

	sql_add(sql, "SELECT state FROM berth.template WHERE key = %L AND state <> 'dropping'", dropping->key);
}

static int
keep_left(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct dropping *dropping = ctx;

	snprintf(dropping->state, sizeof dropping->state, "%s", flow_cell(result, 0, 0));
	return 0;
}

static const struct flow_step drop_steps[] = {
	{ "mark it", mark_one, keep_marked },
	{ "delete a schema's", delete_schemas },
	{ "what is left", ask_left, keep_left, .wait = true },
	{ 0 },
};

static void
forget_here(struct templates *templates, const char *key)
{
	for (int kind = 0; kind < SLOT_KINDS; kind++) {
		struct template *template = template_find(templates, key, (enum slot_kind)kind);

		if (template && template->state == TEMPLATE_SEALED)
			template_forget(template);
	}
}

static void
on_dropped(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct dropping *dropping = ctx;
	struct berth_error own;

	if (!e && strcmp(dropping->state, "sealed") == 0)
		berth_error_set(&own, BERTH_INUSE, "template %.80s is in use: a lease of it is held (berth ls); release it first",
		                dropping->key);
	else if (!e && strcmp(dropping->state, "building") == 0)
		berth_error_set(&own, BERTH_INUSE, "template %.80s is being built; TEMPLATE ABORT its builder's lease first",
		                dropping->key);
	else if (!e && dropping->marked == 0)
		berth_error_set(&own, BERTH_NOTEMPLATE, "there is no template %.80s (berth template ls shows what there is)",
		                dropping->key);
	else
		own.code = BERTH_OK;
	if (!e && own.code == BERTH_OK) {
		forget_here(dropping->templates, dropping->key);
		templates_sweep(dropping->templates);
	}
	dropping->done(dropping->arg, e ? e : own.code != BERTH_OK ? &own : NULL);
	free(dropping);
}

void
template_drop(struct templates *templates, const char *key, template_drop_done *done, void *arg)
{
	struct dropping *dropping = calloc(1, sizeof *dropping);

	if (!dropping)
		abort();
	*dropping = (struct dropping){ .templates = templates, .done = done, .arg = arg };
	snprintf(dropping->key, sizeof dropping->key, "%s", key);
	dropping->flow = (struct flow){ .steps = drop_steps, .subject = "template", .ctx = dropping, .done = on_dropped };
	pg_run(templates->site->pg, &dropping->flow);
}
