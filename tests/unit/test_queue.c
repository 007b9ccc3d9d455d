/* SPDX-License-Identifier: MIT */
/* The queue: runs take turns, nobody loses a place, scarcity for one does not stop the others. */
#include "daemon/queue.h"

#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

enum { LEASES = 64, RUNS = 5, ROUNDS = 20000 };

/* The queue never looks into a lease: any memory will do for one. */
struct fake {
	struct queue_place place;
	int run, number;
	bool servable;
};

static struct lease *
as_lease(struct fake *fake)
{
	return (struct lease *)fake;
}

static struct fake *
as_fake(struct lease *lease)
{
	return (struct fake *)lease;
}

static bool
can(void *arg, struct lease *lease)
{
	return as_fake(lease)->servable;
}

static void
push(struct queue *queue, struct fake *fake, int run)
{
	char id[16];

	snprintf(id, sizeof id, "run%d", run);
	fake->run = run;
	fake->servable = true;
	queue_push(queue, &fake->place, as_lease(fake), id);
}

static int
next_number(struct queue *queue)
{
	struct lease *lease = queue_next(queue, can, NULL);

	return lease ? as_fake(lease)->number : -1;
}

static void
runs_take_turns_however_many_leases_they_have(void **state)
{
	/* Run 0 has five leases before run 1 asks for its two. */
	static const int runs[] = { 0, 0, 0, 0, 0, 1, 1 }, order[] = { 0, 5, 1, 6, 2, 3, 4 };
	struct fake fakes[7] = { 0 };
	struct queue queue;

	queue_init(&queue);
	for (int i = 0; i < 7; i++) {
		fakes[i].number = i;
		push(&queue, &fakes[i], runs[i]);
	}
	for (int i = 0; i < 7; i++) {
		assert_int_equal(queue_position(&queue, &fakes[order[i]].place), 1);
		assert_int_equal(next_number(&queue), order[i]);
	}
	assert_int_equal(next_number(&queue), -1);
	queue_fini(&queue);
}

static void
one_that_cannot_be_served_keeps_its_place_and_holds_nobody_up(void **state)
{
	struct fake fakes[3] = { { .number = 0 }, { .number = 1 }, { .number = 2 } };
	struct queue queue;

	queue_init(&queue);
	for (int i = 0; i < 3; i++)
		push(&queue, &fakes[i], 0);
	fakes[0].servable = false;
	assert_int_equal(next_number(&queue), 1);
	fakes[0].servable = true;
	assert_int_equal(next_number(&queue), 0);
	assert_int_equal(next_number(&queue), 2);
	queue_fini(&queue);
}

static void
a_position_is_the_turn_in_which_it_will_be_served(void **state)
{
	struct rng rng = { unit_seed() };
	struct fake fakes[LEASES] = { 0 };
	struct queue queue;
	int positions[LEASES];

	queue_init(&queue);
	for (int round = 0; round < 200; round++) {
		int count = 1 + (int)rng_below(&rng, LEASES);

		for (int i = 0; i < count; i++) {
			fakes[i].number = i;
			push(&queue, &fakes[i], (int)rng_below(&rng, RUNS));
		}
		for (int i = 0; i < count; i++)
			positions[i] = queue_position(&queue, &fakes[i].place);
		for (int turn = 1; turn <= count; turn++)
			assert_int_equal(positions[next_number(&queue)], turn);
	}
	queue_fini(&queue);
}

static int
queued(const struct fake *fakes)
{
	int n = 0;

	for (int i = 0; i < LEASES; i++)
		n += fakes[i].place.run != NULL;
	return n;
}

/* The first of its run that is servable; the property that each served one must have. */
static bool
is_first_of_its_run(const struct fake *fakes, const struct fake *served, const int *arrived)
{
	for (int i = 0; i < LEASES; i++)
		if (fakes[i].place.run && fakes[i].run == served->run && fakes[i].servable
		    && arrived[i] < arrived[served->number])
			return false;
	return true;
}

static void
random_comings_and_goings_never_lose_or_double_a_lease(void **state)
{
	struct rng rng = { unit_seed() };
	struct fake fakes[LEASES] = { 0 };
	int arrived[LEASES] = { 0 };
	struct queue queue;

	queue_init(&queue);
	for (int i = 0; i < LEASES; i++)
		fakes[i].number = i;
	for (int round = 1; round <= ROUNDS; round++) {
		struct fake *fake = &fakes[rng_below(&rng, LEASES)];

		switch (rng_below(&rng, 4)) {
		case 0:
			if (!fake->place.run) {
				push(&queue, fake, (int)rng_below(&rng, RUNS));
				arrived[fake->number] = round;
			}
			break;
		case 1:
			if (fake->place.run)
				queue_remove(&queue, &fake->place);
			break;
		case 2:
			fake->servable = !fake->servable;
			break;
		default: {
			struct lease *lease = queue_next(&queue, can, NULL);

			if (lease) {
				assert_null(as_fake(lease)->place.run);
				assert_true(as_fake(lease)->servable);
				assert_true(is_first_of_its_run(fakes, as_fake(lease), arrived));
			}
		}
		}
		assert_int_equal(queue.length, queued(fakes));
	}
	for (int i = 0; i < LEASES; i++)
		if (fakes[i].place.run)
			queue_remove(&queue, &fakes[i].place);
	queue_fini(&queue);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(runs_take_turns_however_many_leases_they_have),
		cmocka_unit_test(one_that_cannot_be_served_keeps_its_place_and_holds_nobody_up),
		cmocka_unit_test(a_position_is_the_turn_in_which_it_will_be_served),
		cmocka_unit_test(random_comings_and_goings_never_lose_or_double_a_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
