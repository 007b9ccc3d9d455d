/* SPDX-License-Identifier: MIT */
/* Reads the golden vectors of proto/vectors, whose format is described at the top of each. */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "tests/unit/stream.h"

struct vectors {
	FILE *file;
	const char *path;
	int line_number;
	char *line; /* getline()'s */
	size_t cap;
	char *word; /* the first word of the line */
	char *rest; /* what stands behind it, up to the end of the line */
};

/* Opens "requests.txt" or the like in $BERTH_VECTORS; a failure ends the test. */
void vectors_open(struct vectors *v, const char *name);
/* Moves to the next line that says something; false at the end of the file, which closes it. */
bool vectors_next(struct vectors *v);
/* Ends the test: this line cannot be understood. */
void vectors_fail(const struct vectors *v) __attribute__((noreturn));

/* Appends the bytes that `escaped` stands for. */
void vectors_bytes(const struct vectors *v, const char *escaped, struct text *bytes);
/* Cuts the next argument off *rest and appends its bytes; false when there is none left. */
bool vectors_arg(const struct vectors *v, char **rest, struct text *bytes);
