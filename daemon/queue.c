/* SPDX-License-Identifier: MIT */
/* Round robin over runs. */
#include "daemon/queue.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct queue_run {
	char *id;
	int length;
	TAILQ_HEAD(, queue_place) places;
	TAILQ_ENTRY(queue_run) link;
};

void
queue_init(struct queue *queue)
{
	*queue = (struct queue){ 0 };
	TAILQ_INIT(&queue->runs);
}

void
queue_fini(struct queue *queue)
{
	assert(queue->length == 0 && TAILQ_EMPTY(&queue->runs));
}

static struct queue_run *
run_of(struct queue *queue, const char *id)
{
	struct queue_run *run;

	TAILQ_FOREACH(run, &queue->runs, link)
		if (strcmp(run->id, id) == 0)
			return run;
	run = calloc(1, sizeof *run);
	if (!run || !(run->id = strdup(id)))
		abort();
	TAILQ_INIT(&run->places);
	TAILQ_INSERT_TAIL(&queue->runs, run, link);
	return run;
}

void
queue_push(struct queue *queue, struct queue_place *place, struct lease *lease, const char *run)
{
	assert(!place->run);
	place->lease = lease;
	place->run = run_of(queue, run);
	place->run->length++;
	TAILQ_INSERT_TAIL(&place->run->places, place, link);
	queue->length++;
}

void
queue_remove(struct queue *queue, struct queue_place *place)
{
	struct queue_run *run = place->run;

	assert(run);
	TAILQ_REMOVE(&run->places, place, link);
	place->run = NULL;
	queue->length--;
	if (--run->length == 0) {
		TAILQ_REMOVE(&queue->runs, run, link);
		free(run->id);
		free(run);
	}
}

static struct queue_place *
first_servable(struct queue_run *run, bool (*can)(void *arg, struct lease *lease), void *arg)
{
	struct queue_place *place;

	TAILQ_FOREACH(place, &run->places, link)
		if (can(arg, place->lease))
			return place;
	return NULL;
}

struct lease *
queue_next(struct queue *queue, bool (*can)(void *arg, struct lease *lease), void *arg)
{
	struct queue_run *run;
	struct queue_place *place = NULL;

	TAILQ_FOREACH(run, &queue->runs, link)
		if ((place = first_servable(run, can, arg)))
			break;
	if (!place)
		return NULL;
	TAILQ_REMOVE(&queue->runs, run, link);
	TAILQ_INSERT_TAIL(&queue->runs, run, link);
	queue_remove(queue, place);
	return place->lease;
}

/* How many of a run's leases come before its `rank`-th (0 first) in all rounds: at most rank, plus one
 * of this round where the run's turn comes earlier. */
static int
served_before(const struct queue_run *run, int rank, bool earlier)
{
	int rounds = rank + (earlier ? 1 : 0);

	return run->length < rounds ? run->length : rounds;
}

int
queue_position(const struct queue *queue, const struct queue_place *place)
{
	const struct queue_run *run;
	const struct queue_place *other;
	bool earlier = true;
	int rank = 0, position;

	if (!place->run)
		return 0;
	TAILQ_FOREACH(other, &place->run->places, link) {
		if (other == place)
			break;
		rank++;
	}
	position = rank + 1;
	TAILQ_FOREACH(run, &queue->runs, link) {
		if (run == place->run)
			earlier = false;
		else
			position += served_before(run, rank, earlier);
	}
	return position;
}
