/* SPDX-License-Identifier: MIT */
/* Questions to the catalog, written from the table of catalog.h, and their answers. */
#include "daemon/baseline.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/memory.h"
#include "daemon/catalog.h"
#include "daemon/pg/flow.h"
#include "daemon/slot.h"
#include "daemon/slot_role.h"
#include "daemon/slot_sessions.h"

enum { DIGEST = 32, XIDS_MAX = 64 /* of one table; beyond them it counts as written from the start */ };

static const struct catalog {
	const char *name, *where, *ignored;
	bool rare;
} catalogs[] = {
#define X(name, where, ignored) { name, where, ignored, false },
	CATALOGS(X)
#undef X
#define X(name, where, ignored) { name, where, ignored, true },
	RARE_CATALOGS(X)
#undef X
};

/* ---- life ---- */

static void
replace(char **text, const char *with)
{
	free(*text);
	*text = memory_copy(with);
}

struct baseline *
baseline_new(struct image *image)
{
	struct baseline *baseline = calloc(1, sizeof *baseline);

	if (!baseline)
		abort();
	baseline->image = image_ref(image);
	baseline->tables = calloc((size_t)image->table_count + 1, sizeof *baseline->tables);
	baseline->views = calloc((size_t)image->view_count + 1, sizeof *baseline->views);
	baseline->cached = calloc((size_t)image->sequence_count + 1, sizeof *baseline->cached);
	if (!baseline->tables || !baseline->views || !baseline->cached)
		abort();
	return baseline;
}

static char **
texts_of(struct baseline *baseline, int i)
{
	char **texts[] = { &baseline->rels, &baseline->attrs, &baseline->tables_, &baseline->seqs, &baseline->types, &baseline->enums,
		           &baseline->domains, &baseline->procs, &baseline->others, &baseline->all, &baseline->low,
		           &baseline->high, &baseline->schema, &baseline->role, &baseline->database };

	return i < (int)(sizeof texts / sizeof *texts) ? texts[i] : NULL;
}

void
baseline_free(struct baseline *baseline)
{
	if (!baseline)
		return;
	for (int i = 0; texts_of(baseline, i); i++)
		free(*texts_of(baseline, i));
	for (int i = 0; i < baseline->image->table_count; i++)
		free(baseline->tables[i].xids);
	for (int i = 0; i < baseline->image->view_count; i++)
		free(baseline->views[i].xids);
	for (int i = 0; i < baseline->trigger_count; i++)
		free(baseline->triggers[i].name);
	free(baseline->tables);
	free(baseline->views);
	free(baseline->cached);
	free(baseline->edges);
	free(baseline->triggers);
	free(baseline->xids);
	free(baseline->digests);
	image_unref(baseline->image);
	free(baseline);
}

/* ---- objects: which OIDs there are ---- */

void
baseline_ask_objects(struct baseline *baseline, const struct slot *slot, struct sql *sql)
{
	sql_add(sql,
	        "WITH s AS (SELECT n.oid AS n, ");
	slot_write_own_role(slot, sql);
	sql_add(sql,
	        " AS o FROM pg_namespace n WHERE n.nspname = %L),"
	        " rel AS MATERIALIZED (SELECT c.oid, relkind FROM pg_class c, s WHERE relnamespace = n),"
	        " typ AS MATERIALIZED (SELECT t.oid, typtype FROM pg_type t, s WHERE typnamespace = n),"
	        " proc AS MATERIALIZED (SELECT p.oid FROM pg_proc p, s WHERE pronamespace = n),"
	        " rest AS MATERIALIZED (SELECT objid AS oid FROM pg_depend, s WHERE refclassid = 2615 AND refobjid = n"
	        "  AND classid NOT IN (1259, 1247, 1255)),",
	        slot->name);
	sql_add(sql,
	        " every AS MATERIALIZED (SELECT oid FROM rel UNION SELECT oid FROM typ UNION SELECT oid FROM proc UNION"
	        "  SELECT oid FROM rest UNION SELECT c.oid FROM pg_constraint c, s WHERE connamespace = n"
	        "  UNION SELECT t.oid FROM pg_trigger t JOIN rel ON rel.oid = tgrelid"
	        "  UNION SELECT w.oid FROM pg_rewrite w JOIN rel ON rel.oid = ev_class"
	        "  UNION SELECT p.oid FROM pg_policy p JOIN rel ON rel.oid = polrelid)");
	sql_add(sql,
	        " SELECT ARRAY(SELECT oid FROM rel ORDER BY oid), ARRAY(SELECT oid FROM rel WHERE relkind <> 'S' ORDER BY oid),"
	        " ARRAY(SELECT oid FROM rel WHERE relkind NOT IN ('S', 'i', 'I') ORDER BY oid),"
	        " ARRAY(SELECT oid FROM rel WHERE relkind = 'S' ORDER BY oid),"
	        " ARRAY(SELECT oid FROM typ ORDER BY oid), ARRAY(SELECT oid FROM typ WHERE typtype = 'e'),"
	        " ARRAY(SELECT oid FROM typ WHERE typtype = 'd'), ARRAY(SELECT oid FROM proc ORDER BY oid),"
	        " ARRAY(SELECT oid FROM rest), ARRAY(SELECT oid FROM every ORDER BY oid),"
	        " (SELECT coalesce(min(oid), 0) FROM every), (SELECT coalesce(max(oid), 0) FROM every), n, o,"
	        " (SELECT oid FROM pg_database WHERE datname = current_database()) FROM s");
}

void
baseline_keep_objects(struct baseline *baseline, const PGresult *result)
{
	for (int i = 0; texts_of(baseline, i); i++)
		replace(texts_of(baseline, i), flow_cell(result, 0, i));
}

/* ---- relations: what a reset must know of tables ---- */

void
baseline_ask_relations(struct baseline *baseline, const struct slot *slot, struct sql *sql)
{
	sql_add(sql,
	        "SELECT 'edge', quote_ident(a.relname), quote_ident(b.relname), '' FROM pg_constraint f"
	        " JOIN pg_class a ON a.oid = f.conrelid JOIN pg_class b ON b.oid = f.confrelid"
	        " WHERE f.contype = 'f' AND a.relkind = 'r' AND b.relkind = 'r' AND f.conrelid = ANY ('%s'::oid[])"
	        " AND b.relnamespace = %s",
	        baseline->tables_, baseline->schema);
	sql_add(sql,
	        " UNION ALL SELECT 'trigger', quote_ident(c.relname), quote_ident(tgname), tgenabled::text"
	        " FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid JOIN pg_proc p ON p.oid = tgfoid"
	        " WHERE tgrelid = ANY ('%s'::oid[]) AND c.relkind = 'r' AND tgparentid = 0 AND tgenabled <> 'D'"
	        " AND (NOT tgisinternal OR p.pronamespace <> 11)",
	        baseline->tables_);
	sql_add(sql,
	        " UNION ALL SELECT 'cloned', quote_ident(c.relname), '', '' FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid"
	        " JOIN pg_proc p ON p.oid = tgfoid WHERE tgrelid = ANY ('%s'::oid[]) AND tgparentid <> 0"
	        " AND p.pronamespace <> 11",
	        baseline->tables_);
	sql_add(sql,
	        " UNION ALL SELECT 'ruled', quote_ident(c.relname), '', '' FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class"
	        " WHERE ev_class = ANY ('%s'::oid[]) AND c.relkind = 'r'"
	        " UNION ALL SELECT 'partition', quote_ident(relname), '', '' FROM pg_class WHERE oid = ANY ('%s'::oid[])"
	        " AND relispartition AND relkind = 'r'",
	        baseline->tables_, baseline->tables_);
	sql_add(sql,
	        " UNION ALL SELECT 'referenced', quote_ident(b.relname), '', '' FROM pg_constraint f"
	        " JOIN pg_class a ON a.oid = f.conrelid JOIN pg_class b ON b.oid = f.confrelid"
	        " WHERE f.contype = 'f' AND (a.relkind = 'p' OR a.relispartition) AND b.oid = ANY ('%s'::oid[])"
	        " UNION ALL SELECT 'cache', quote_ident(relname), '', '' FROM pg_sequence JOIN pg_class c ON c.oid = seqrelid"
	        " WHERE seqrelid = ANY ('%s'::oid[]) AND seqcache > 1",
	        baseline->tables_, baseline->rels);
}

static int
table_of(const struct baseline *baseline, const char *name)
{
	for (int i = 0; i < baseline->image->table_count; i++)
		if (strcmp(baseline->image->tables[i].name, name) == 0)
			return i;
	return -1;
}

static void
keep_edge(struct baseline *baseline, int from, int to)
{
	if (to < 0)
		return;
	baseline->edges = memory_more(baseline->edges, baseline->edge_count, sizeof *baseline->edges);
	baseline->edges[baseline->edge_count++] = (struct baseline_edge){ from, to };
}

static void
keep_trigger(struct baseline *baseline, int table, const char *name, char enabled)
{
	baseline->triggers = memory_more(baseline->triggers, baseline->trigger_count, sizeof *baseline->triggers);
	baseline->triggers[baseline->trigger_count++] =
		(struct baseline_trigger){ .table = table, .name = memory_copy(name), .enabled = enabled };
}

static void
keep_cache(struct baseline *baseline, const char *name)
{
	for (int i = 0; i < baseline->image->sequence_count; i++)
		if (strcmp(baseline->image->sequences[i].name, name) == 0)
			baseline->cached[i] = true;
}

static void
keep_relation(struct baseline *baseline, const PGresult *result, int row)
{
	const char *what = flow_cell(result, row, 0), *detail = flow_cell(result, row, 2);
	int table = table_of(baseline, flow_cell(result, row, 1));

	if (strcmp(what, "cache") == 0)
		keep_cache(baseline, flow_cell(result, row, 1));
	if (table < 0)
		return;
	if (strcmp(what, "edge") == 0)
		keep_edge(baseline, table, table_of(baseline, detail));
	else if (strcmp(what, "trigger") == 0)
		keep_trigger(baseline, table, detail, flow_cell(result, row, 3)[0]);
	else if (strcmp(what, "cloned") == 0)
		baseline->tables[table].cloned = true;
	else if (strcmp(what, "ruled") == 0)
		baseline->tables[table].ruled = true;
	else
		baseline->tables[table].lonely = false; /* partition, referenced */
}

/* The question may be asked twice, if the server could not answer it at first. */
static void
forget_relations(struct baseline *baseline)
{
	for (int i = 0; i < baseline->image->table_count; i++) {
		baseline->tables[i].lonely = true;
		baseline->tables[i].ruled = baseline->tables[i].cloned = false;
	}
	for (int i = 0; i < baseline->trigger_count; i++)
		free(baseline->triggers[i].name);
	for (int i = 0; i < baseline->image->sequence_count; i++)
		baseline->cached[i] = false;
	baseline->edge_count = baseline->trigger_count = 0;
}

void
baseline_keep_relations(struct baseline *baseline, const PGresult *result)
{
	forget_relations(baseline);
	for (int row = 0; row < PQntuples(result); row++)
		keep_relation(baseline, result, row);
}

/* ---- catalog ---- */

/* The text behind one of the marks of catalog.h. */
static void
add_mark(const struct baseline *baseline, char mark, struct sql *sql)
{
	const char *array = NULL, *type = "oid";

	switch (mark) {
	case 'R': array = baseline->rels; break;
	case 'A': array = baseline->attrs; break;
	case 'B': array = baseline->tables_; break;
	case 'S': array = baseline->seqs; break;
	case 'T': array = baseline->types; break;
	case 'U': array = baseline->enums; break;
	case 'D': array = baseline->domains; break;
	case 'P': array = baseline->procs; break;
	case 'X': array = baseline->others; break;
	case 'E': array = baseline->all; type = "int8"; break;
	case 'L': sql_add(sql, "%s", baseline->low); return;
	case 'H': sql_add(sql, "%s", baseline->high); return;
	case 'N': sql_add(sql, "%s", baseline->schema); return;
	case 'O': sql_add(sql, "%s", baseline->role); return;
	case 'M': sql_add(sql, "%s", baseline->database); return;
	default: assert(!"an unknown mark in catalog.h");
	}
	sql_add(sql, "%L::%s[]", array, type);
}

static void
add_where(const struct baseline *baseline, const char *where, struct sql *sql)
{
	for (const char *at; (at = strchr(where, '@')); where = at + 2) {
		sql_put(sql, where, (size_t)(at - where));
		add_mark(baseline, at[1], sql);
	}
	sql_add(sql, "%s", where);
}

/* SELECT xmin AS x[, digest AS t] over all catalogs, or over those alone whose rows may be written again. */
static void
add_rows(const struct baseline *baseline, bool digests, bool only_rewritten, struct sql *sql)
{
	bool rare = strcmp(baseline->others, "{}") != 0, first = true;

	for (size_t i = 0; i < sizeof catalogs / sizeof *catalogs; i++) {
		const struct catalog *catalog = &catalogs[i];

		if ((catalog->rare && !rare) || (only_rewritten && !catalog->ignored))
			continue;
		sql_add(sql, "%sSELECT xmin AS x", first ? "" : " UNION ALL ");
		if (digests && !catalog->ignored)
			sql_add(sql, ", NULL::text AS t");
		else if (digests)
			sql_add(sql, ", md5(%L || (to_jsonb(c) - '{%s}'::text[])::text) AS t", catalog->name, catalog->ignored);
		sql_add(sql, " FROM %s c WHERE ", catalog->name);
		add_where(baseline, catalog->where, sql);
		first = false;
	}
}

void
baseline_ask_catalog(struct baseline *baseline, struct sql *sql)
{
	sql_add(sql, "SELECT count(*), array_agg(DISTINCT x::text), string_agg(t, ''),"
	             " count(*) FILTER (WHERE t IS NULL AND x <> ALL (%L::xid[])) FROM (",
	        baseline->xids);
	add_rows(baseline, true, false, sql);
	sql_add(sql, ") q");
}

static int
count_xids(const char *xids)
{
	int n = 1;

	for (const char *c = xids; *c; c++)
		n += *c == ',';
	return n;
}

void
baseline_keep_catalog(struct baseline *baseline, const PGresult *result)
{
	baseline->rows = flow_cell_int(result, 0, 0);
	replace(&baseline->xids, flow_cell(result, 0, 1));
	replace(&baseline->digests, flow_cell(result, 0, 2));
	baseline->xid_count = count_xids(baseline->xids);
}

void
baseline_ask_unknown(const struct baseline *baseline, struct sql *sql)
{
	sql_add(sql, "SELECT x::text, t FROM (");
	add_rows(baseline, true, true, sql);
	sql_add(sql, ") q WHERE x <> ALL (%L::xid[])", baseline->xids);
}

static bool
has_digest(const struct baseline *baseline, const char *digest)
{
	const char *at = baseline->digests;

	while ((at = strstr(at, digest)) && (at - baseline->digests) % DIGEST != 0)
		at++;
	return at && strlen(digest) == DIGEST;
}

bool
baseline_know_unknown(struct baseline *baseline, int64_t unknown, const PGresult *result)
{
	if (PQntuples(result) != unknown)
		return false; /* of another catalog, or more have come since */
	for (int row = 0; row < PQntuples(result); row++)
		if (!has_digest(baseline, flow_cell(result, row, 1)))
			return false;
	for (int row = 0; row < PQntuples(result); row++)
		baseline_know_xid(baseline, flow_cell(result, row, 0));
	return true;
}

bool
baseline_relist(struct baseline *baseline, const PGresult *result)
{
	const char *digests = flow_cell(result, 0, 2);
	char digest[DIGEST + 1];

	if (flow_cell_int(result, 0, 0) != baseline->rows || flow_cell_int(result, 0, 3) != 0)
		return false;
	for (; strlen(digests) >= DIGEST; digests += DIGEST) {
		snprintf(digest, sizeof digest, "%s", digests);
		if (!has_digest(baseline, digest))
			return false;
	}
	replace(&baseline->xids, flow_cell(result, 0, 1));
	baseline->xid_count = count_xids(baseline->xids);
	return true;
}

/* Whether "{1,12}" has this element. */
static bool
has_xid(const char *xids, const char *xid)
{
	size_t len = strlen(xid);

	for (const char *at = xids; (at = strstr(at, xid)); at++)
		if ((at[-1] == '{' || at[-1] == ',') && (at[len] == ',' || at[len] == '}'))
			return true;
	return false;
}

void
baseline_know_xid(struct baseline *baseline, const char *xid)
{
	struct sql text = { 0 };

	if (has_xid(baseline->xids, xid))
		return;
	sql_add(&text, "{%s,%s", xid, baseline->xids + 1);
	free(baseline->xids);
	baseline->xids = text.text;
	baseline->xid_count++;
}

static void
set_xid(char **xids, const char *xid)
{
	struct sql text = { 0 };

	sql_add(&text, "{%s}", xid);
	free(*xids);
	*xids = text.text;
}

void
baseline_know_table(struct baseline *baseline, int table, const char *xid)
{
	set_xid(&baseline->tables[table].xids, xid);
}

void
baseline_know_view(struct baseline *baseline, int view, const char *xid)
{
	set_xid(&baseline->views[view].xids, xid);
}

/* ---- rows: who wrote them ---- */

void
baseline_ask_rows(struct baseline *baseline, const struct slot *slot, struct sql *sql)
{
	const struct image *image = baseline->image;
	bool first = true;

	for (int i = 0; i < image->table_count; i++) {
		if (image->tables[i].count == 0)
			continue;
		sql_add(sql, "%sSELECT 't', %d, count(DISTINCT xmin::text), array_agg(DISTINCT xmin::text), count(*) FROM ONLY %I.%s",
		        first ? "" : " UNION ALL ", i, slot->name, image->tables[i].name);
		first = false;
	}
	for (int i = 0; i < image->view_count; i++) {
		sql_add(sql, "%sSELECT 'v', %d, count(DISTINCT xmin::text), coalesce(array_agg(DISTINCT xmin::text), '{}'),"
		             " count(*) FROM ONLY %I.%s",
		        first ? "" : " UNION ALL ", i, slot->name, image->views[i].name);
		first = false;
	}
}

/* A table written by too many transactions to list them counts as written since: its first reset fills it anew. */
void
baseline_keep_rows(struct baseline *baseline, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		int i = (int)flow_cell_int(result, row, 1);
		bool table = flow_cell(result, row, 0)[0] == 't';

		replace(table ? &baseline->tables[i].xids : &baseline->views[i].xids,
		        flow_cell_int(result, row, 2) > XIDS_MAX ? "{}" : flow_cell(result, row, 3));
		if (!table)
			baseline->views[i].rows = flow_cell_int(result, row, 4);
	}
}

/* ---- the look ---- */

static void
add_table_look(const struct baseline *baseline, int i, int *param, const char *slot, struct sql *sql)
{
	const struct image_table *table = &baseline->image->tables[i];
	struct sql name = { 0 };

	sql_add(&name, "%I.%s", slot, table->name);
	if (table->count == 0)
		sql_add(sql, "CASE WHEN EXISTS (SELECT FROM ONLY %s) THEN pg_relation_size(%L::regclass) ELSE -1 END",
		        name.text, name.text);
	else
		sql_add(sql, "(SELECT CASE WHEN count(*) = %l AND count(*) FILTER (WHERE xmin = ANY ($%d)) = %l THEN -1"
		             " ELSE pg_relation_size(%L::regclass) END FROM ONLY %s)",
		        table->count, ++*param, table->count, name.text, name.text);
	sql_fini(&name);
}

static void
add_sequence_look(const struct image_sequence *sequence, const char *slot, struct sql *sql)
{
	sql_add(sql, "(SELECT last_value <> %l OR is_called <> %s FROM %I.%s)", sequence->last,
	        sequence->called ? "true" : "false", slot, sequence->name);
}

static void
add_view_look(const struct baseline *baseline, int i, int *param, const char *slot, struct sql *sql)
{
	int64_t rows = baseline->views[i].rows;

	sql_add(sql, "(SELECT count(*) <> %l OR count(*) FILTER (WHERE xmin = ANY ($%d)) <> %l FROM ONLY %I.%s)", rows,
	        ++*param, rows, slot, baseline->image->views[i].name);
}

/* $1: the transactions that wrote the catalog. */
void
baseline_prepare_look(const struct slot_site *site, const struct slot *slot, struct sql *sql)
{
	sql_add(sql, "PREPARE look (xid[]) AS SELECT count(*), count(*) FILTER (WHERE x <> ALL ($1)), ");
	slot_role_settings_differ(site, slot, sql);
	sql_add(sql, ", obj_description(%s, 'pg_namespace') IS DISTINCT FROM ", slot->baseline->schema);
	slot_write_stamp_text(site, slot, sql);
	sql_add(sql, " FROM (");
	add_rows(slot->baseline, false, false, sql);
	sql_add(sql, ") q");
}

/* A parameter for each table that has rows, and each view: the transactions that wrote them. */
void
baseline_prepare_rows(const struct slot *slot, struct sql *sql)
{
	const struct baseline *baseline = slot->baseline;
	const struct image *image = baseline->image;
	struct sql lists = { 0 };
	int params = 0;

	for (int i = 0; i < image->table_count; i++) {
		sql_add(&lists, "%s", i ? ", " : "");
		add_table_look(baseline, i, &params, slot->name, &lists);
	}
	sql_add(&lists, "]::int8[], ARRAY[");
	for (int i = 0; i < image->sequence_count; i++) {
		sql_add(&lists, "%s", i ? ", " : "");
		add_sequence_look(&image->sequences[i], slot->name, &lists);
	}
	sql_add(&lists, "]::bool[], ARRAY[");
	for (int i = 0; i < image->view_count; i++) {
		sql_add(&lists, "%s", i ? ", " : "");
		add_view_look(baseline, i, &params, slot->name, &lists);
	}
	sql_add(sql, "PREPARE look_rows");
	for (int i = 0; i < params; i++)
		sql_add(sql, "%sxid[]%s", i ? ", " : " (", i + 1 == params ? ")" : "");
	sql_add(sql, " AS SELECT ARRAY[%s]::bool[]", lists.text ? lists.text : "");
	sql_fini(&lists);
}

void
baseline_look(const struct baseline *baseline, struct sql *sql)
{
	sql_add(sql, "EXECUTE look (%L)", baseline->xids);
}

void
baseline_look_rows(const struct baseline *baseline, struct sql *sql)
{
	const char *between = " (";

	sql_add(sql, "EXECUTE look_rows");
	for (int i = 0; i < baseline->image->table_count; i++) {
		if (baseline->image->tables[i].count == 0)
			continue;
		sql_add(sql, "%s%L", between, baseline->tables[i].xids);
		between = ", ";
	}
	for (int i = 0; i < baseline->image->view_count; i++) {
		sql_add(sql, "%s%L", between, baseline->views[i].xids);
		between = ", ";
	}
	if (between[0] == ',')
		sql_add(sql, ")");
}

/* The next element of an array's text, "{1,t,-1}"; `at` begins at its brace. */
static const char *
next_element(const char **at)
{
	const char *element = *at + 1;

	*at = element + strcspn(element, ",}");
	return element;
}

void
baseline_keep_look(const PGresult *result, struct look *ret)
{
	ret->rows = flow_cell_int(result, 0, 0);
	ret->unknown = flow_cell_int(result, 0, 1);
	ret->settings = flow_cell(result, 0, 2)[0] == 't';
	ret->stamp = flow_cell(result, 0, 3)[0] == 't';
}

void
baseline_keep_look_rows(const struct baseline *baseline, const PGresult *result, struct look *ret)
{
	const struct image *image = baseline->image;
	const char *at = flow_cell(result, 0, 0);

	free(ret->tables); /* a run may be sent twice */
	free(ret->sequences);
	free(ret->views);
	ret->tables = calloc((size_t)image->table_count + 1, sizeof *ret->tables);
	ret->sequences = calloc((size_t)image->sequence_count + 1, sizeof *ret->sequences);
	ret->views = calloc((size_t)image->view_count + 1, sizeof *ret->views);
	if (!ret->tables || !ret->sequences || !ret->views)
		abort();
	for (int i = 0; i < image->table_count; i++)
		ret->tables[i] = strtoll(next_element(&at), NULL, 10);
	at = flow_cell(result, 0, 1);
	for (int i = 0; i < image->sequence_count; i++)
		ret->sequences[i] = next_element(&at)[0] == 't';
	at = flow_cell(result, 0, 2);
	for (int i = 0; i < image->view_count; i++)
		ret->views[i] = next_element(&at)[0] == 't';
}

void
look_fini(struct look *look)
{
	free(look->tables);
	free(look->sequences);
	free(look->views);
	*look = (struct look){ 0 };
}
