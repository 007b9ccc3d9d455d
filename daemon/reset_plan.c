/* SPDX-License-Identifier: MIT */
/* Which tables are emptied how, and what must go with them. */
#include "daemon/reset_plan.h"

#include <stdlib.h>

/*
 * To empty a table costs about 0.6 µs a row with DELETE (≈ 100 bytes each) and 1.2 ms with TRUNCATE, which
 * takes every table that refers to it along.
 */
enum { BYTES_WORTH_A_TRUNCATE = 200 * 1024 };

static bool
seeded(const struct baseline *baseline, int table)
{
	return baseline->image->tables[table].count > 0;
}

/*
 * Rows of the image that refer to rows of the image: while those are away nobody may refer to them, and
 * ON DELETE would change those who do. So they go and come together. Rows that the image does not have
 * are emptied in any case.
 */
static void
take_referring(const struct baseline *baseline, enum reset_deed *deeds)
{
	bool more = true;

	while (more) {
		more = false;
		for (int i = 0; i < baseline->edge_count; i++) {
			int from = baseline->edges[i].from, to = baseline->edges[i].to;

			if (deeds[to] == DEED_NONE || deeds[from] != DEED_NONE || !seeded(baseline, to)
			    || !seeded(baseline, from))
				continue;
			deeds[from] = DEED_DELETE;
			more = true;
		}
	}
}

/* Marks `table` and whatever refers to it, directly or not; how many; 0 if TRUNCATE cannot be said of one. */
static int
closure(const struct baseline *baseline, int table, bool *marks)
{
	int count = 1;
	bool more = true;

	marks[table] = true;
	while (more) {
		more = false;
		for (int i = 0; i < baseline->edge_count; i++) {
			const struct baseline_edge *edge = &baseline->edges[i];

			if (marks[edge->to] && !marks[edge->from]) {
				marks[edge->from] = more = true;
				count++;
			}
		}
	}
	for (int i = 0; i < baseline->image->table_count; i++)
		if (marks[i] && !baseline->tables[i].lonely)
			return 0;
	return count;
}

static void
truncate_large(const struct baseline *baseline, const struct look *look, enum reset_deed *deeds)
{
	int tables = baseline->image->table_count;
	bool *marks = malloc((size_t)tables * sizeof *marks + 1);

	if (!marks)
		abort();
	for (int table = 0; table < tables; table++) {
		int count;

		if (look->tables[table] < BYTES_WORTH_A_TRUNCATE || deeds[table] == DEED_TRUNCATE)
			continue;
		for (int i = 0; i < tables; i++)
			marks[i] = false;
		count = closure(baseline, table, marks);
		if (count == 0 || look->tables[table] / count < BYTES_WORTH_A_TRUNCATE)
			continue;
		for (int i = 0; i < tables; i++)
			if (marks[i])
				deeds[i] = DEED_TRUNCATE;
	}
	free(marks);
}

static void
rebuild(struct reset_plan *plan, const char *why)
{
	plan->way = RESET_REBUILD;
	plan->why = why;
}

/* What a fix would not do exactly. */
static void
doubt(const struct baseline *baseline, const struct look *look, struct reset_plan *plan)
{
	for (int i = 0; i < baseline->image->table_count; i++) {
		if (plan->deeds[i] == DEED_NONE)
			continue;
		if (baseline->tables[i].ruled)
			rebuild(plan, "a table with rules was written");
		if (baseline->tables[i].cloned)
			rebuild(plan, "a partition with triggers of its parent was written");
	}
	for (int i = 0; i < baseline->image->sequence_count; i++)
		if (look->sequences[i] && baseline->cached[i])
			rebuild(plan, "a sequence moved of which sessions may keep numbers back");
}

void
reset_plan_make(const struct baseline *baseline, const struct look *look, struct reset_plan *ret)
{
	const struct image *image = baseline->image;

	*ret = (struct reset_plan){ .deeds = calloc((size_t)image->table_count + 1, sizeof *ret->deeds) };
	if (!ret->deeds)
		abort();
	for (int i = 0; i < image->table_count; i++)
		ret->deeds[i] = look->tables[i] >= 0 ? DEED_DELETE : DEED_NONE;
	truncate_large(baseline, look, ret->deeds);
	take_referring(baseline, ret->deeds);
	for (int i = 0; i < image->table_count; i++)
		ret->tables += ret->deeds[i] != DEED_NONE;
	for (int i = 0; i < image->sequence_count; i++)
		ret->sequences += look->sequences[i];
	for (int i = 0; i < image->view_count; i++)
		ret->views += look->views[i];
	if (ret->tables || ret->sequences || ret->views || look->settings || look->stamp)
		ret->way = RESET_FIX;
	doubt(baseline, look, ret);
}

void
reset_plan_fini(struct reset_plan *plan)
{
	free(plan->deeds);
	*plan = (struct reset_plan){ 0 };
}

/* ---- the statements ---- */

static void
write_block(const struct sql *statements, struct sql *sql)
{
	struct sql body = { 0 };

	if (!statements->len)
		return;
	sql_add(&body, "BEGIN%s END", statements->text);
	sql_add(sql, "DO %L", body.text);
	sql_fini(&body);
}

static const char *
enabling(char enabled)
{
	return enabled == 'A' ? "ENABLE ALWAYS" : enabled == 'R' ? "ENABLE REPLICA" : "ENABLE";
}

static void
write_triggers(const struct baseline *baseline, const struct reset_plan *plan, const char *slot, bool enable,
               struct sql *sql)
{
	struct sql statements = { 0 };

	for (int i = 0; i < baseline->trigger_count; i++) {
		const struct baseline_trigger *trigger = &baseline->triggers[i];

		if (plan->deeds[trigger->table] != DEED_NONE)
			sql_add(&statements, " ALTER TABLE ONLY %I.%s %s TRIGGER %s;", slot,
			        baseline->image->tables[trigger->table].name,
			        enable ? enabling(trigger->enabled) : "DISABLE", trigger->name);
	}
	write_block(&statements, sql);
	sql_fini(&statements);
}

void
reset_write_hush(const struct baseline *baseline, const struct reset_plan *plan, const char *slot, struct sql *sql)
{
	write_triggers(baseline, plan, slot, false, sql);
}

void
reset_write_unhush(const struct baseline *baseline, const struct reset_plan *plan, const char *slot, struct sql *sql)
{
	write_triggers(baseline, plan, slot, true, sql);
}

/* One statement: foreign keys are looked at when all of it is done. */
void
reset_write_delete(const struct baseline *baseline, const struct reset_plan *plan, const char *slot, struct sql *sql)
{
	struct sql sum = { 0 };

	for (int i = 0; i < baseline->image->table_count; i++) {
		if (plan->deeds[i] != DEED_DELETE)
			continue;
		sql_add(sql, "%s d%d AS (DELETE FROM ONLY %I.%s RETURNING 1)", sum.len ? "," : "WITH", i, slot,
		        baseline->image->tables[i].name);
		sql_add(&sum, "%s(SELECT count(*) FROM d%d)", sum.len ? " + " : " SELECT ", i);
	}
	if (sum.len)
		sql_put(sql, sum.text, sum.len);
	sql_fini(&sum);
}

void
reset_write_truncate(const struct baseline *baseline, const struct reset_plan *plan, const char *slot, struct sql *sql)
{
	bool first = true;

	for (int i = 0; i < baseline->image->table_count; i++) {
		if (plan->deeds[i] != DEED_TRUNCATE)
			continue;
		sql_add(sql, "%s ONLY %I.%s", first ? "TRUNCATE" : ",", slot, baseline->image->tables[i].name);
		first = false;
	}
}

void
reset_write_restore(const struct baseline *baseline, const struct reset_plan *plan, const char *slot, struct sql *sql)
{
	bool first = true;

	for (int i = 0; i < baseline->image->table_count; i++) {
		if (plan->deeds[i] == DEED_NONE || !seeded(baseline, i))
			continue;
		sql_add(sql, "%s i%d AS (", first ? "WITH" : ",", i);
		image_write_table(&baseline->image->tables[i], slot, sql);
		sql_add(sql, ")");
		first = false;
	}
	if (!first)
		sql_add(sql, " SELECT");
}

void
reset_write_rewind(const struct baseline *baseline, const struct look *look, const char *slot, struct sql *sql)
{
	struct sql name = { 0 };
	bool first = true;

	for (int i = 0; i < baseline->image->sequence_count; i++) {
		const struct image_sequence *sequence = &baseline->image->sequences[i];

		if (!look->sequences[i])
			continue;
		sql_clear(&name);
		sql_add(&name, "%I.%s", slot, sequence->name);
		sql_add(sql, "%s setval(%L, %l, %s)", first ? "SELECT" : ",", name.text, sequence->last,
		        sequence->called ? "true" : "false");
		first = false;
	}
	sql_fini(&name);
}

void
reset_write_refresh(const struct baseline *baseline, const struct look *look, const char *slot, struct sql *sql)
{
	struct sql statements = { 0 };

	for (int i = 0; i < baseline->image->view_count; i++)
		if (look->views[i])
			sql_add(&statements, " REFRESH MATERIALIZED VIEW %I.%s;", slot, baseline->image->views[i].name);
	write_block(&statements, sql);
	sql_fini(&statements);
}
