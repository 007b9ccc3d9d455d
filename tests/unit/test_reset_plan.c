/* SPDX-License-Identifier: MIT */
/* What a reset does to which table, decided without a server; and what it never does, by random graphs. */
#include <stdlib.h>
#include <string.h>

#include "daemon/base/random.h"
#include "daemon/reset_plan.h"
#include "tests/unit/unit.h"

enum { TABLES_MAX = 12, LARGE = 64 << 20 };

struct scene {
	struct baseline *baseline;
	struct look look;
};

/* `seeded`: which of the tables have rows in the image, bit by bit. */
static struct scene
scene_new(int tables, unsigned seeded)
{
	struct image *image = image_new("s");
	struct scene scene;
	char name[8];

	for (int i = 0; i < tables; i++) {
		snprintf(name, sizeof name, "t%d", i);
		image_add_table(image, name, "id", "{(1)}", seeded >> i & 1);
	}
	scene.baseline = baseline_new(image);
	image_unref(image);
	scene.look = (struct look){ .tables = calloc((size_t)tables, sizeof(int64_t)), .sequences = calloc(1, sizeof(bool)),
		                    .views = calloc(1, sizeof(bool)) };
	for (int i = 0; i < tables; i++) {
		scene.baseline->tables[i].lonely = true;
		scene.look.tables[i] = -1;
	}
	return scene;
}

static void
scene_fini(struct scene *scene)
{
	look_fini(&scene->look);
	baseline_free(scene->baseline);
}

static void
refer(struct scene *scene, int from, int to)
{
	struct baseline *baseline = scene->baseline;

	baseline->edges = realloc(baseline->edges, (size_t)(baseline->edge_count + 1) * sizeof *baseline->edges);
	assert_non_null(baseline->edges);
	baseline->edges[baseline->edge_count++] = (struct baseline_edge){ from, to };
}

static void
a_clean_slot_is_left_alone(void **state)
{
	struct scene scene = scene_new(3, 7);
	struct reset_plan plan;

	reset_plan_make(scene.baseline, &scene.look, &plan);
	assert_int_equal(plan.way, RESET_NOTHING);
	reset_plan_fini(&plan);
	scene_fini(&scene);
}

static void
only_what_was_written_is_emptied(void **state)
{
	struct scene scene = scene_new(3, 0);
	struct reset_plan plan;

	refer(&scene, 0, 1);
	refer(&scene, 2, 1);
	scene.look.tables[1] = 8192;
	reset_plan_make(scene.baseline, &scene.look, &plan);
	assert_int_equal(plan.way, RESET_FIX);
	assert_int_equal(plan.tables, 1);
	assert_int_equal(plan.deeds[1], DEED_DELETE);
	reset_plan_fini(&plan);
	scene_fini(&scene);
}

/* ON DELETE CASCADE would take the rows that refer to them. */
static void
rows_of_the_image_that_refer_to_rows_of_the_image_go_and_come_with_them(void **state)
{
	struct scene scene = scene_new(4, 1 | 2 | 4);
	struct reset_plan plan;

	refer(&scene, 0, 1);
	refer(&scene, 2, 0);
	refer(&scene, 3, 0);
	scene.look.tables[1] = 8192;
	reset_plan_make(scene.baseline, &scene.look, &plan);
	assert_int_equal(plan.deeds[0], DEED_DELETE);
	assert_int_equal(plan.deeds[2], DEED_DELETE);
	assert_int_equal(plan.deeds[3], DEED_NONE); /* it has no rows, and so refers to none */
	reset_plan_fini(&plan);
	scene_fini(&scene);
}

static void
a_large_table_is_truncated_with_all_that_refer_to_it(void **state)
{
	struct scene scene = scene_new(3, 0);
	struct reset_plan plan;

	refer(&scene, 1, 0);
	scene.look.tables[0] = LARGE;
	reset_plan_make(scene.baseline, &scene.look, &plan);
	assert_int_equal(plan.deeds[0], DEED_TRUNCATE);
	assert_int_equal(plan.deeds[1], DEED_TRUNCATE);
	assert_int_equal(plan.deeds[2], DEED_NONE);
	reset_plan_fini(&plan);
	scene_fini(&scene);
}

static void
what_a_partition_refers_to_is_not_truncated(void **state)
{
	struct scene scene = scene_new(1, 0);
	struct reset_plan plan;

	scene.baseline->tables[0].lonely = false;
	scene.look.tables[0] = LARGE;
	reset_plan_make(scene.baseline, &scene.look, &plan);
	assert_int_equal(plan.deeds[0], DEED_DELETE);
	reset_plan_fini(&plan);
	scene_fini(&scene);
}

static void
rules_and_triggers_of_partitioned_tables_mean_a_rebuild(void **state)
{
	for (int rule = 0; rule < 2; rule++) {
		struct scene scene = scene_new(2, 0);
		struct reset_plan plan;

		scene.baseline->tables[0].ruled = rule;
		scene.baseline->tables[0].cloned = !rule;
		scene.look.tables[1] = 8192;
		reset_plan_make(scene.baseline, &scene.look, &plan);
		assert_int_equal(plan.way, RESET_FIX); /* that table was not written */
		reset_plan_fini(&plan);
		scene.look.tables[0] = 8192;
		reset_plan_make(scene.baseline, &scene.look, &plan);
		assert_int_equal(plan.way, RESET_REBUILD);
		reset_plan_fini(&plan);
		scene_fini(&scene);
	}
}

static void
sequences_of_which_sessions_keep_numbers_mean_a_rebuild(void **state)
{
	struct scene scene = scene_new(1, 0);
	struct reset_plan plan;

	image_add_sequence(scene.baseline->image, "s", 1, false);
	free(scene.baseline->cached);
	scene.baseline->cached = calloc(2, sizeof(bool));
	scene.look.sequences[0] = true;
	reset_plan_make(scene.baseline, &scene.look, &plan);
	assert_int_equal(plan.way, RESET_FIX);
	assert_int_equal(plan.sequences, 1);
	reset_plan_fini(&plan);
	scene.baseline->cached[0] = true;
	reset_plan_make(scene.baseline, &scene.look, &plan);
	assert_int_equal(plan.way, RESET_REBUILD);
	reset_plan_fini(&plan);
	scene_fini(&scene);
}

static bool
has_rows(const struct scene *scene, int table)
{
	return scene->baseline->image->tables[table].count > 0;
}

static void
assert_plan_is_sound(const struct scene *scene, const struct reset_plan *plan)
{
	for (int i = 0; i < scene->baseline->image->table_count; i++)
		if (scene->look.tables[i] >= 0)
			assert_int_not_equal(plan->deeds[i], DEED_NONE);
	for (int i = 0; i < scene->baseline->edge_count; i++) {
		int from = scene->baseline->edges[i].from, to = scene->baseline->edges[i].to;

		/* nobody's rows are left that refer to rows which go */
		if (plan->deeds[to] != DEED_NONE && has_rows(scene, to) && has_rows(scene, from))
			assert_int_not_equal(plan->deeds[from], DEED_NONE);
		/* TRUNCATE refuses a table that another, not truncated with it, refers to */
		if (plan->deeds[to] == DEED_TRUNCATE)
			assert_int_equal(plan->deeds[from], DEED_TRUNCATE);
	}
}

static void
every_plan_is_sound(void **state)
{
	struct rng rng = { unit_seed() };

	for (int round = 0; round < 50000; round++) {
		int tables = 1 + (int)rng_below(&rng, TABLES_MAX);
		struct scene scene = scene_new(tables, (unsigned)rng_below(&rng, 1u << tables));
		struct reset_plan plan;

		for (int i = (int)rng_below(&rng, 20); i > 0; i--)
			refer(&scene, (int)rng_below(&rng, (unsigned)tables), (int)rng_below(&rng, (unsigned)tables));
		for (int i = 0; i < tables; i++) {
			if (rng_below(&rng, 3) == 0)
				scene.look.tables[i] = rng_below(&rng, 3) ? 8192 : LARGE;
			scene.baseline->tables[i].lonely = rng_below(&rng, 5) > 0;
		}
		reset_plan_make(scene.baseline, &scene.look, &plan);
		assert_plan_is_sound(&scene, &plan);
		reset_plan_fini(&plan);
		scene_fini(&scene);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clean_slot_is_left_alone),
		cmocka_unit_test(only_what_was_written_is_emptied),
		cmocka_unit_test(rows_of_the_image_that_refer_to_rows_of_the_image_go_and_come_with_them),
		cmocka_unit_test(a_large_table_is_truncated_with_all_that_refer_to_it),
		cmocka_unit_test(what_a_partition_refers_to_is_not_truncated),
		cmocka_unit_test(rules_and_triggers_of_partitioned_tables_mean_a_rebuild),
		cmocka_unit_test(sequences_of_which_sessions_keep_numbers_mean_a_rebuild),
		cmocka_unit_test(every_plan_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
