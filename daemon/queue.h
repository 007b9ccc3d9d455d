/* SPDX-License-Identifier: MIT */
/*
 * queue: leases that wait, fair over runs.
 *
 * Runs take turns; within a run the first come is served first. One that cannot be served now (its
 * kind is scarce) does not hold up the others, and does not lose its place.
 * Plain data: no server, no clock.
 */
#pragma once

#include <stdbool.h>
#include <sys/queue.h>

struct lease;
struct queue_run;

/* A place in the queue; lives inside the lease. */
struct queue_place {
	struct queue_run *run; /* NULL: not queued */
	struct lease *lease;
	TAILQ_ENTRY(queue_place) link;
};

struct queue {
	TAILQ_HEAD(, queue_run) runs; /* the next to be served first */
	int length;
};

void queue_init(struct queue *queue);
/* Asserts that it is empty. */
void queue_fini(struct queue *queue);
void queue_push(struct queue *queue, struct queue_place *place, struct lease *lease, const char *run);
/* Takes a lease out, wherever it stands. */
void queue_remove(struct queue *queue, struct queue_place *place);

/*
 * The next lease in turn that `can` be served, or NULL. It is taken out, and its run goes behind the
 * others. `can` must not change the queue.
 */
struct lease *queue_next(struct queue *queue, bool (*can)(void *arg, struct lease *lease), void *arg);
/* 1 for the one that would be served first if all could be; 0 when it is not queued. */
int queue_position(const struct queue *queue, const struct queue_place *place);
