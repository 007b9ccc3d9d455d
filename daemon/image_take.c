/* SPDX-License-Identifier: MIT */
/* Two children at the same time, then one conversation of two runs. */
#include "daemon/image_take.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/dump.h"
#include "daemon/pg/guest.h"
#include "daemon/pg/pg.h"
#include "daemon/pg/target.h"
#include "daemon/slot_role.h"
#include "daemon/slot_sessions.h"

enum { BEFORE, AFTER, PARTS };

struct image_take {
	const struct slot_site *site;
	const struct slot *slot;
	struct guest *guest;
	struct flow flow;
	struct pg_target *target;
	struct dump *dumps[PARTS];
	char *texts[PARTS];
	struct image *image;
	struct sql tables, sequences, views; /* the second run's questions */
	struct sql unforce, force;
	bool settings;
	int under_way;
	struct berth_error error;
	image_take_done *done;
	void *arg;
};

/* ---- what cannot be carried ---- */

/* A run may be sent again: what was kept of it before does not count. */
static void
begin_image(struct image_take *take, bool forced)
{
	image_unref(take->image);
	take->image = image_new(take->slot->name);
	take->image->forced = forced;
}

static void
begin(void *ctx, struct sql *sql)
{
	struct image_take *take = ctx;
	struct sql *questions[] = { &take->tables, &take->sequences, &take->views, &take->unforce, &take->force };

	begin_image(take, false);
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		sql_clear(questions[i]);
	/* Names of things inside (regclass …) come out without the schema, and go in again as the slot's. */
	sql_add(sql, "SELECT set_config('search_path', quote_ident(%L) || ', public', false), set_config('row_security', 'off', false)",
	        take->slot->name);
}

/* What pg_dump does not write down. */
static void
add_lost(struct sql *sql)
{
	sql_add(sql,
	        " UNION ALL SELECT pg_catalog.format('%%s, which is not valid,', pg_catalog.pg_describe_object(1259, c.oid, 0))"
	        " FROM mine, pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
	        " WHERE c.relnamespace = ns AND NOT i.indisvalid AND c.relkind = 'i'");
	sql_add(sql,
	        " UNION ALL SELECT pg_catalog.format('the comment on %%s', pg_catalog.pg_describe_object(2618, w.oid, 0))"
	        " FROM mine, pg_catalog.pg_rewrite w JOIN pg_catalog.pg_class c ON c.oid = w.ev_class"
	        " JOIN pg_catalog.pg_description d ON d.objoid = w.oid AND d.classoid = 2618"
	        " WHERE c.relnamespace = ns AND w.rulename = '_RETURN'");
	sql_add(sql,
	        " UNION ALL SELECT pg_catalog.format('privileges on the type of the rows of %%s',"
	        "  pg_catalog.pg_describe_object(1259, c.oid, 0)) FROM mine, pg_catalog.pg_class c"
	        " JOIN pg_catalog.pg_type t ON t.oid = c.reltype WHERE c.relnamespace = ns AND c.relkind <> 'c'"
	        " AND t.typacl IS NOT NULL");
}

static void
find_alien(void *ctx, struct sql *sql)
{
	const struct image_take *take = ctx;

	sql_add(sql, "WITH mine AS (SELECT ");
	slot_write_own_role(take->slot, sql);
	sql_add(sql,
	        " AS role, n.oid AS ns FROM pg_catalog.pg_namespace n WHERE n.nspname = %L)"
	        " SELECT pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid) FROM mine, pg_catalog.pg_shdepend d"
	        " WHERE d.refclassid = 1260 AND d.refobjid = role AND d.deptype = 'o'"
	        " AND d.dbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())"
	        " AND NOT (d.classid = 2615 AND d.objid = ns)"
	        " AND coalesce((pg_catalog.pg_identify_object(d.classid, d.objid, d.objsubid)).schema, '')"
	        "     NOT IN (%L, 'pg_temp', 'pg_toast_temp')"
	        " AND NOT (d.classid = 826 AND EXISTS (SELECT FROM pg_catalog.pg_default_acl a"
	        "          WHERE a.oid = d.objid AND a.defaclnamespace = ns))",
	        take->slot->name, take->slot->name);
	sql_add(sql,
	        /* one that came with a type (a range's to its multirange) comes with it again */
	        " UNION ALL SELECT pg_catalog.pg_describe_object(2605, c.oid, 0) FROM mine, pg_catalog.pg_cast c"
	        " WHERE EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid IN (c.castsource, c.casttarget)"
	        "               AND t.typnamespace = ns) AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
	        "               WHERE d.classid = 2605 AND d.objid = c.oid AND d.deptype = 'i')"
	        " UNION ALL SELECT pg_catalog.format('extension %%s', extname) FROM mine, pg_catalog.pg_extension"
	        " WHERE extnamespace = ns");
	add_lost(sql);
	sql_add(sql,
	        " UNION ALL SELECT pg_catalog.format('what the prepared transaction %%L has done', gid)"
	        " FROM pg_catalog.pg_prepared_xact() WHERE dbid = (SELECT oid FROM pg_catalog.pg_database"
	        " WHERE datname = pg_catalog.current_database()) AND ");
	slot_write_prepared(take->slot, 0, sql);
	if (take->settings) {
		sql_add(sql, " UNION ALL SELECT 'settings of the role (ALTER ROLE SET)' WHERE ");
		slot_role_settings_differ(take->site, take->slot, sql);
	}
	sql_add(sql, " LIMIT 1");
}

static int
refuse_alien(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct image_take *take = ctx;

	if (PQntuples(result) == 0)
		return 0;
	return berth_error_set(e, BERTH_BUILDFAILED, "%s: %s cannot be carried by a template; do without it, or ask for "
	                       "KIND database", take->slot->name, flow_cell(result, 0, 0));
}

static void
measure(void *ctx, struct sql *sql)
{
	const struct image_take *take = ctx;

	sql_add(sql,
	        "SELECT coalesce(sum(pg_catalog.pg_table_size(c.oid)), 0) FROM pg_catalog.pg_class c"
	        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %L AND c.relkind = 'r'",
	        take->slot->name);
}

static int
check_measure(void *ctx, const PGresult *result, struct berth_error *e)
{
	const struct image_take *take = ctx;
	int64_t most = (int64_t)take->site->config->template_mb << 20, has = flow_cell_int(result, 0, 0);

	if (has <= most * 2) /* tables have room to spare: the text is measured again */
		return 0;
	return berth_error_set(e, BERTH_LIMIT, "%s: its tables have %lld MB, a template may have %d (setting "
	                       "template_mb); ask for KIND database", take->slot->name, (long long)(has >> 20),
	                       take->site->config->template_mb);
}

/* ---- what is there ---- */

static void
list_tables(void *ctx, struct sql *sql)
{
	const struct image_take *take = ctx;

	sql_add(sql,
	        "SELECT pg_catalog.quote_ident(c.relname), c.relkind, c.relforcerowsecurity,"
	        " (SELECT coalesce(pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum), '')"
	        "  FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
	        "  AND a.attgenerated = ''),"
	        " c.relkind = 'm' AND c.relispopulated,"
	        /* the types whose values are names: regnamespace, regrole, aclitem, and arrays of them */
	        " EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped"
	        "  AND a.atttypid IN (4089, 4090, 4096, 4097, 1033, 1034))"
	        " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
	        " WHERE n.nspname = %L AND c.relkind IN ('r', 'p', 'S', 'm')"
	        " ORDER BY CASE c.relkind WHEN 'm' THEN c.oid END, c.relname COLLATE \"C\"",
	        take->slot->name);
}

static void
ask_table(struct image_take *take, const PGresult *result, int row)
{
	const char *name = flow_cell(result, row, 0), *columns = flow_cell(result, row, 3);

	sql_add(&take->tables, "%s SELECT %L, %L, count(*), array_agg(t.*)::text, %s FROM ONLY %I.%s t",
	        take->tables.len ? " UNION ALL" : "", name, columns, flow_cell(result, row, 5)[0] == 't' ? "true" : "false",
	        take->slot->name, name);
}

static void
ask_sequence(struct image_take *take, const PGresult *result, int row)
{
	const char *name = flow_cell(result, row, 0);

	sql_add(&take->sequences, "%s SELECT %L, last_value, is_called FROM %I.%s",
	        take->sequences.len ? " UNION ALL" : "", name, take->slot->name, name);
}

static void
ask_view(struct image_take *take, const PGresult *result, int row)
{
	const char *name = flow_cell(result, row, 0);

	/* what names the schema names another in every slot */
	sql_add(&take->views,
	        "%s SELECT %L, pg_catalog.md5(coalesce(pg_catalog.string_agg(t, E'\\n' ORDER BY t COLLATE \"C\"), ''))"
	        " FROM (SELECT pg_catalog.regexp_replace((v.*)::text, E'\\\\m%s\\\\M', '', 'g') AS t FROM %I.%s v) q",
	        take->views.len ? " UNION ALL" : "", name, take->slot->name, take->slot->name, name);
}

/* Policies that bind the owner too would hide rows: they are looked away from for this transaction. */
static void
ask_force(struct image_take *take, const PGresult *result, int row)
{
	const char *name = flow_cell(result, row, 0);

	take->image->forced = true;
	sql_add(&take->unforce, "ALTER TABLE %I.%s NO FORCE ROW LEVEL SECURITY; ", take->slot->name, name);
	sql_add(&take->force, "ALTER TABLE %I.%s FORCE ROW LEVEL SECURITY; ", take->slot->name, name);
}

static int
keep_list(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct image_take *take = ctx;

	for (int row = 0; row < PQntuples(result); row++) {
		char kind = flow_cell(result, row, 1)[0];

		if (flow_cell(result, row, 2)[0] == 't')
			ask_force(take, result, row);
		if (kind == 'r')
			ask_table(take, result, row);
		else if (kind == 'S')
			ask_sequence(take, result, row);
		else if (flow_cell(result, row, 4)[0] == 't')
			ask_view(take, result, row);
	}
	return 0;
}

/* ---- rows and positions ---- */

static void
write_block(const struct sql *statements, struct sql *sql)
{
	struct sql body = { 0 };

	if (!statements->len)
		return;
	sql_add(&body, "BEGIN %s END", statements->text);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static void
unforce(void *ctx, struct sql *sql)
{
	struct image_take *take = ctx;

	begin_image(take, take->image->forced);
	write_block(&take->unforce, sql);
}

static void
force(void *ctx, struct sql *sql)
{
	const struct image_take *take = ctx;

	write_block(&take->force, sql);
}

static void
read_tables(void *ctx, struct sql *sql)
{
	const struct image_take *take = ctx;

	if (take->tables.len)
		sql_put(sql, take->tables.text, take->tables.len);
}

static int
keep_tables(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct image_take *take = ctx;
	size_t most = (size_t)take->site->config->template_mb << 20;

	for (int row = 0; row < PQntuples(result); row++) {
		const char *rows = flow_cell(result, row, 3);

		if (flow_cell(result, row, 4)[0] == 't' && image_names(rows, take->slot->name))
			return berth_error_set(e, BERTH_BUILDFAILED, "%s: rows of table %s name the schema or its role, which are "
			                       "others in every slot; do without them, or ask for KIND database", take->slot->name,
			                       flow_cell(result, row, 0));
		image_add_table(take->image, flow_cell(result, row, 0), flow_cell(result, row, 1), rows,
		                flow_cell_int(result, row, 2));
	}
	if (take->image->bytes <= most)
		return 0;
	return berth_error_set(e, BERTH_LIMIT, "%s: its rows have %zu MB as text, a template may have %d (setting "
	                       "template_mb); ask for KIND database", take->slot->name, take->image->bytes >> 20,
	                       take->site->config->template_mb);
}

static void
read_sequences(void *ctx, struct sql *sql)
{
	const struct image_take *take = ctx;

	if (take->sequences.len)
		sql_put(sql, take->sequences.text, take->sequences.len);
}

static int
keep_sequences(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct image_take *take = ctx;

	for (int row = 0; row < PQntuples(result); row++)
		image_add_sequence(take->image, flow_cell(result, row, 0), flow_cell_int(result, row, 1),
		                   flow_cell(result, row, 2)[0] == 't');
	return 0;
}

static void
read_views(void *ctx, struct sql *sql)
{
	const struct image_take *take = ctx;

	if (take->views.len)
		sql_put(sql, take->views.text, take->views.len);
}

static int
keep_views(void *ctx, const PGresult *result, struct berth_error *e)
{
	struct image_take *take = ctx;

	for (int row = 0; row < PQntuples(result); row++)
		image_add_view(take->image, flow_cell(result, row, 0), flow_cell(result, row, 1));
	return 0;
}

static void
leave_path(void *ctx, struct sql *sql)
{
	sql_add(sql, "SELECT set_config('search_path', 'pg_catalog', false)");
}

static const struct flow_step steps[] = {
	{ "set search_path", begin },
	{ "look for what cannot be carried", find_alien, refuse_alien },
	{ "measure the tables", measure, check_measure },
	{ "list the tables", list_tables, keep_list, .wait = true },
	{ "look past policies", unforce },
	{ "read the tables", read_tables, keep_tables },
	{ "read the sequences", read_sequences, keep_sequences },
	{ "read the views", read_views, keep_views },
	{ "mind policies again", force },
	{ "leave search_path", leave_path, .wait = true },
	{ 0 },
};

/* ---- all of it ---- */

/* Privileges come behind the rows: an owner may have taken its own. */
static void
set_definitions(struct image_take *take, struct image *image)
{
	struct sql after = { 0 };
	char *privileges;

	for (int i = 0; i < PARTS; i++)
		image_trim(take->texts[i], take->slot->name);
	privileges = image_privileges(take->texts[BEFORE]);
	sql_add(&after, "%s%s", take->texts[AFTER], privileges);
	*privileges = '\0';
	image_set_definitions(image, take->texts[BEFORE], after.text);
	sql_fini(&after);
}

static void
finish(struct image_take *take, const struct berth_error *e)
{
	struct image *image = take->image;

	take->image = NULL;
	if (e) {
		image_unref(image);
		take->done(take->arg, NULL, e);
		return;
	}
	set_definitions(take, image);
	take->done(take->arg, image, NULL);
}

static void
on_read(void *ctx, const struct berth_error *e, const char *sqlstate)
{
	finish(ctx, e);
}

/* Rows are read when pg_dump has let go of the tables: to look past policies takes a stronger lock than it has. */
static void
on_dumped(struct image_take *take, const struct berth_error *e)
{
	if (e && take->error.code == BERTH_OK)
		take->error = *e;
	if (--take->under_way > 0)
		return;
	if (take->error.code != BERTH_OK) {
		finish(take, &take->error);
		return;
	}
	take->flow = (struct flow){ .steps = steps, .subject = take->slot->name, .ctx = take, .done = on_read };
	guest_run(take->guest, &take->flow);
}

static void
on_before(void *arg, char *text, const struct berth_error *e)
{
	struct image_take *take = arg;

	take->texts[BEFORE] = text;
	on_dumped(take, e);
}

static void
on_after(void *arg, char *text, const struct berth_error *e)
{
	struct image_take *take = arg;

	take->texts[AFTER] = text;
	on_dumped(take, e);
}

struct image_take *
image_take_start(const struct slot_site *site, struct guest *guest, const struct slot *slot, bool settings,
                 image_take_done *done, void *arg)
{
	const struct pg_facts *facts = pg_facts(site->pg);
	size_t most = (size_t)site->config->template_mb << 20;
	struct image_take *take = calloc(1, sizeof *take);

	if (!take)
		abort();
	*take = (struct image_take){ .site = site, .slot = slot, .settings = settings, .done = done, .arg = arg,
		                     .guest = guest, .under_way = PARTS };
	take->target = pg_target_as(site->guests->target, slot->role, slot->password, facts->database);
	take->dumps[BEFORE] = dump_start(site->guests->base, site->config->pg_dump, facts->version, take->target,
	                                 slot->name, "pre-data", most, on_before, take);
	take->dumps[AFTER] = dump_start(site->guests->base, site->config->pg_dump, facts->version, take->target,
	                                slot->name, "post-data", most, on_after, take);
	return take;
}

void
image_take_free(struct image_take *take)
{
	if (!take)
		return;
	for (int i = 0; i < PARTS; i++) {
		dump_free(take->dumps[i]);
		free(take->texts[i]);
	}
	pg_target_free(take->target);
	image_unref(take->image);
	sql_fini(&take->tables);
	sql_fini(&take->sequences);
	sql_fini(&take->views);
	sql_fini(&take->unforce);
	sql_fini(&take->force);
	free(take);
}
