/* SPDX-License-Identifier: MIT */
/* What every unit test includes: cmocka, and random numbers that can be had again. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/*
 * The seed of this run, printed the first time it is asked for: BERTH_TEST_SEED, or one from the
 * clock. A test that wants randomness starts with `struct rng rng = { unit_seed() };`.
 */
uint64_t unit_seed(void);

struct rng {
	uint64_t state;
};

/* The next number below `below`, which is not 0. Good enough for tests, the same everywhere. */
uint32_t rng_below(struct rng *rng, uint32_t below);

/* Whether fn(arg) ends in an assertion (SIGABRT), tried in a child process. */
bool unit_aborts(void (*fn)(void *arg), void *arg);
