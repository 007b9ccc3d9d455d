/* SPDX-License-Identifier: MIT */
/* Who builds which template: asked of the registry, told to the book. */
#include "daemon/template.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/log.h"
#include "daemon/config.h"
#include "daemon/image_store.h"
#include "daemon/lease.h"
#include "daemon/pg/note.h"
#include "daemon/pg/pg.h"
#include "daemon/pool.h"

enum { LOOK_MS = 250 };

static void ask(struct template *template);

/* ---- life ---- */

static void
on_look(evutil_socket_t fd, short what, void *arg)
{
	struct template *template = arg;

	if (template->waiters > 0 && (template->state == TEMPLATE_THEIRS || template->state == TEMPLATE_UNKNOWN))
		ask(template);
}

static struct template *
template_new(struct templates *templates, const char *key, enum slot_kind kind, const char *index)
{
	struct template *template = calloc(1, sizeof *template);

	if (!template)
		abort();
	template->templates = templates;
	snprintf(template->key, sizeof template->key, "%s", key);
	snprintf(template->index, sizeof template->index, "%s", index);
	template->shelf = (struct shelf){ .kind = kind, .key = template->key };
	template->look = event_new(templates->base, -1, 0, on_look, template);
	if (!template->look)
		abort();
	HASH_ADD_STR(templates->by_index, index, template);
	return template;
}

static void
template_free(struct template *template)
{
	struct templates *templates = template->templates;

	assert(template->holders == 0 && template->state != TEMPLATE_ASKING);
	if (template->shelved)
		pool_remove_shelf(templates->pool, &template->shelf);
	if (template->gone)
		TAILQ_REMOVE(&templates->gone, template, link);
	else
		HASH_DELETE(hh, templates->by_index, template);
	event_free(template->look);
	image_unref(template->shelf.image);
	free(template);
}

void
templates_init(struct templates *templates, struct event_base *base, const struct slot_site *site, struct pool *pool,
               const char *host, const struct templates_events *events, void *arg)
{
	*templates = (struct templates){ .base = base, .site = site, .pool = pool, .host = host, .events = events,
		                         .arg = arg };
	TAILQ_INIT(&templates->gone);
}

void
templates_fini(struct templates *templates)
{
	struct template *template;

	free(templates->doomed);
	while ((template = TAILQ_FIRST(&templates->gone)))
		template_free(template);
	while ((template = templates->by_index))
		template_free(template);
}

int
template_key_check(const char *key, size_t len, struct berth_error *e)
{
	bool good = len >= 1 && len <= LIMIT_TEMPLATE_KEY_BYTES;

	for (size_t i = 0; good && i < len; i++)
		good = key[i] > ' ' && key[i] < 0x7f;
	if (good)
		return 0;
	return berth_error_set(e, BERTH_USAGE, "a template's key is 1 to %d bytes of visible ASCII without spaces (berth template "
	                       "key FILES… makes one)", LIMIT_TEMPLATE_KEY_BYTES);
}

struct template *
template_find(struct templates *templates, const char *key, enum slot_kind kind)
{
	char index[sizeof((struct template *)0)->index];
	struct template *template;

	snprintf(index, sizeof index, "%s/%s", slot_kind_word(kind), key);
	HASH_FIND_STR(templates->by_index, index, template);
	return template;
}

/* Makes room: one that nobody uses can be asked for again. */
static void
free_idle(struct templates *templates)
{
	struct template *template, *next;

	HASH_ITER(hh, templates->by_index, template, next)
		if (template->holders == 0 && shelf_slots(&template->shelf) == 0 && template->state != TEMPLATE_ASKING)
			template_free(template);
}

struct template *
template_get(struct templates *templates, const char *key, enum slot_kind kind, struct berth_error *e)
{
	struct template *template = template_find(templates, key, kind);
	char index[sizeof template->index];

	if (template)
		return template;
	if (HASH_COUNT(templates->by_index) >= TEMPLATES_MAX)
		free_idle(templates);
	if (HASH_COUNT(templates->by_index) >= TEMPLATES_MAX) {
		berth_error_set(e, BERTH_LIMIT, "%d templates are in use here, the most that there may be", TEMPLATES_MAX);
		return NULL;
	}
	snprintf(index, sizeof index, "%s/%s", slot_kind_word(kind), key);
	return template_new(templates, key, kind, index);
}

void
template_hold(struct template *template)
{
	template->holders++;
}

static void
settle(struct template *template)
{
	if (template->gone && template->holders == 0 && shelf_slots(&template->shelf) == 0
	    && template->state != TEMPLATE_ASKING)
		template_free(template);
}

void
template_release(struct template *template)
{
	assert(template->holders > 0);
	template->holders--;
	settle(template);
}

void
templates_settle(struct templates *templates)
{
	struct template *template, *next;

	for (template = TAILQ_FIRST(&templates->gone); template; template = next) {
		next = TAILQ_NEXT(template, link);
		settle(template);
	}
}

void
template_shelve(struct template *template)
{
	template->shelf.closed = false;
	template->shelf.database = *template->database ? template->database : NULL;
	if (!template->shelved)
		pool_add_shelf(template->templates->pool, &template->shelf);
	template->shelved = true;
}

/* Who waits for one of its slots is to build it anew, or to wait for whoever does. */
static void
begin_anew(struct template *template)
{
	template->state = TEMPLATE_UNKNOWN;
	template->shelf.trusted = false;
	template->watched = 0;
	template_wait(template, 0);
}

void
template_forget(struct template *template)
{
	struct templates *templates = template->templates;

	assert(!template->gone && template->state == TEMPLATE_SEALED);
	log_info("template.gone", LOG_T("key", template->key), LOG_T("kind", slot_kind_word(template->shelf.kind)));
	if (template->shelved)
		pool_close_shelf(templates->pool, &template->shelf);
	if (template->waiters > 0) {
		begin_anew(template);
		return;
	}
	HASH_DELETE(hh, templates->by_index, template);
	template->gone = true;
	TAILQ_INSERT_TAIL(&templates->gone, template, link);
	settle(template);
}

/* ---- asking the registry ---- */

static void
claim(void *ctx, struct sql *sql)
{
	const struct template *template = ctx;
	const struct templates *templates = template->templates;

	sql_add(sql,
	        "INSERT INTO berth.template AS t (key, kind, state, fence, runner, builder)"
	        " SELECT %L, %L, 'building', nextval('berth.fence'), %L, %L WHERE %s"
	        " ON CONFLICT (key, kind) DO UPDATE SET state = 'building', fence = excluded.fence, runner = excluded.runner,"
	        " builder = excluded.builder, message = NULL, since = clock_timestamp()"
	        " WHERE t.state = 'failed' AND t.fence <> %l OR t.state = 'building' AND (t.runner = excluded.runner"
	        " OR NOT EXISTS (SELECT FROM berth.runner r WHERE r.id = t.runner)) RETURNING fence",
	        template->key, slot_kind_word(template->shelf.kind), templates->site->runner, templates->host,
	        template->waiters > 0 ? "true" : "false", template->watched);
}

static int
keep_claim(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct template *template = ctx;

	template->claimed = PQntuples(result) == 1;
	return 0;
}

static void
ask_row(void *ctx, struct sql *sql)
{
	const struct template *template = ctx;

	sql_add(sql,
	        "SELECT state, fence, builder, message, schema, tables, rows, bytes, role FROM berth.template"
	        " WHERE key = %L AND kind = %L",
	        template->key, slot_kind_word(template->shelf.kind));
}

/* What is in the copy of a database belongs to a role that our leases must be able to act as. */
static int
check_owner(const struct template *template, const char *role, struct berth_error *e)
{
	const char *ours = template->templates->site->config->lease_role;

	if (template->shelf.kind == SLOT_SCHEMA || strcmp(template->seen, "sealed") != 0 || strcmp(role, ours) == 0)
		return 0;
	return berth_error_set(e, BERTH_NOTEMPLATE, "template %.80s is of a database whose things belong to %s%.63s, and leases"
	                       " have %s%.63s here; drop it (berth template drop) and build it anew", template->key,
	                       *role ? "the role " : "a role for each lease", role, *ours ? "the role " : "one each", ours);
}

static int
keep_row(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct template *template = ctx;

	snprintf(template->seen, sizeof template->seen, "%s", flow_cell(result, 0, 0));
	template->fence = flow_cell_int(result, 0, 1);
	snprintf(template->builder, sizeof template->builder, "%s", flow_cell(result, 0, 2));
	snprintf(template->message, sizeof template->message, "%s", flow_cell(result, 0, 3));
	snprintf(template->database, sizeof template->database, "%s", flow_cell(result, 0, 4));
	template->tables = (int)flow_cell_int(result, 0, 5);
	template->rows = flow_cell_int(result, 0, 6);
	template->bytes = flow_cell_int(result, 0, 7);
	return check_owner(template, flow_cell(result, 0, 8), e);
}

static bool
has_image(const struct template *template)
{
	return strcmp(template->seen, "sealed") == 0 && template->shelf.kind == SLOT_SCHEMA;
}

static void
ask_parts(void *ctx, struct sql *sql)
{
	const struct template *template = ctx;

	if (has_image(template))
		image_ask(template->key, slot_kind_word(template->shelf.kind), sql);
}

static int
keep_parts(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct template *template = ctx;
	struct image *image = image_load(result, template->database);

	if (!image)
		return berth_error_set(e, BERTH_NOTEMPLATE, "the registry has template %s, but not what is in it; drop it "
		                       "(berth template drop) and build it anew", template->key);
	image_unref(template->shelf.image);
	template->shelf.image = image;
	template->database[0] = '\0';
	return 0;
}

static const struct flow_step ask_steps[] = {
	{ "claim the build", claim, keep_claim },
	{ "read its row", ask_row, keep_row, .wait = true },
	{ "read its parts", ask_parts, keep_parts, .wait = true },
	{ 0 },
};

static void
look_later(struct template *template)
{
	struct timeval delay = { .tv_usec = LOOK_MS * 1000 };

	event_add(template->look, &delay);
}

/* The build that they have waited for has failed: they hear it, and who comes later tries again. */
static void
tell_failure(struct template *template, const char *message)
{
	struct berth_error e;

	template->state = TEMPLATE_UNKNOWN;
	template->watched = 0;
	berth_error_set(&e, BERTH_BUILDFAILED, "the template %.60s could not be built: %.380s", template->key, message);
	template->templates->events->failed(template->templates->arg, template, &e);
}

static void
take_in(struct template *template)
{
	struct templates *templates = template->templates;

	if (template->claimed) {
		template->state = TEMPLATE_OURS;
		template->watched = 0;
		if (template->waiters == 0)
			template_give_up(template, NULL);
		else
			templates->events->changed(templates->arg, template);
	} else if (strcmp(template->seen, "sealed") == 0) {
		template_sealed(template);
	} else if (strcmp(template->seen, "failed") == 0) {
		tell_failure(template, template->message);
	} else {
		template->state = TEMPLATE_THEIRS;
		template->watched = strcmp(template->seen, "building") == 0 ? template->fence : 0;
		look_later(template);
	}
}

static void
on_asked(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	struct template *template = ctx;

	template->state = TEMPLATE_UNKNOWN;
	if (!e)
		take_in(template);
	else if (e->code == BERTH_UNAVAILABLE)
		look_later(template);
	else
		template->templates->events->failed(template->templates->arg, template, e);
	template->templates->events->asked(template->templates->arg, template, e);
	settle(template);
}

static void
ask(struct template *template)
{
	struct templates *templates = template->templates;

	if (template->gone || !templates->up || !pg_up(templates->site->pg, NULL)) {
		look_later(template);
		return;
	}
	template->state = TEMPLATE_ASKING;
	template->flow = (struct flow){ .steps = ask_steps, .subject = template->key, .ctx = template, .done = on_asked };
	pg_run(templates->site->pg, &template->flow);
}

void
template_load(struct template *template)
{
	if (template->state == TEMPLATE_UNKNOWN || template->state == TEMPLATE_THEIRS)
		ask(template);
}

void
template_wait(struct template *template, int change)
{
	template->waiters += change;
	assert(template->waiters >= 0);
	if (change < 0) /* perhaps the first of all, who are told that it has failed: nobody asks for them */
		return;
	if (template->waiters > 0 && (template->state == TEMPLATE_UNKNOWN || template->state == TEMPLATE_THEIRS)
	    && !event_pending(template->look, EV_TIMEOUT, NULL))
		ask(template);
}

void
templates_up(struct templates *templates)
{
	struct template *template, *next;

	templates->up = true;
	HASH_ITER(hh, templates->by_index, template, next)
		if (template->waiters > 0 && (template->state == TEMPLATE_UNKNOWN || template->state == TEMPLATE_THEIRS))
			ask(template);
}

void
templates_down(struct templates *templates)
{
	templates->up = false;
}

/* ---- the builder ---- */

/* One statement about the row of our build; should it get lost, the next asking finds the row ours again. */
static void
tell(struct template *template, const char *statement)
{
	struct sql whole = { 0 };

	sql_add(&whole, "%s WHERE key = %L AND kind = %L AND fence = %l AND state = 'building'", statement, template->key,
	        slot_kind_word(template->shelf.kind), template->fence);
	note_send(template->templates->site->pg, "template", &whole);
}

bool
template_wants_builder(const struct template *template)
{
	return template->state == TEMPLATE_OURS && !template->lease;
}

void
template_give(struct template *template, struct lease *lease)
{
	struct sql statement = { 0 };

	assert(template_wants_builder(template));
	template->lease = lease;
	snprintf(template->builder, sizeof template->builder, "run %s worker %s, pid %d on host %s", lease->run, lease->worker,
	         (int)lease->pid, template->templates->host);
	sql_add(&statement, "UPDATE berth.template SET builder = %L", template->builder);
	tell(template, statement.text);
	sql_fini(&statement);
	log_info("template.build", LOG_T("key", template->key), LOG_T("lease", lease->id), LOG_N("fence", template->fence));
}

void
template_give_up(struct template *template, const char *message)
{
	struct sql statement = { 0 };

	assert(template->state == TEMPLATE_OURS);
	log_warn("template.give_up", LOG_T("key", template->key), LOG_T("builder", template->builder),
	         LOG_T("why", message ? message : "its builder is gone"));
	template->lease = NULL;
	template->state = TEMPLATE_UNKNOWN;
	if (message)
		sql_add(&statement, "UPDATE berth.template SET state = 'failed', message = %L", message);
	else if (template->shelf.kind == SLOT_DATABASE) /* there may be a copy, of which the row knows */
		sql_add(&statement, "UPDATE berth.template SET state = 'dropping'");
	else
		sql_add(&statement, "DELETE FROM berth.template");
	tell(template, statement.text);
	sql_fini(&statement);
	if (message)
		tell_failure(template, message);
	else
		template_wait(template, 0);
}

void
template_sealed(struct template *template)
{
	template->state = TEMPLATE_SEALED;
	template->lease = NULL;
	template_shelve(template);
	template->shelf.trusted = true;
	template->templates->events->changed(template->templates->arg, template);
}
