/* SPDX-License-Identifier: MIT */
/* The options of `berth run`. */
#pragma once

#include <stdbool.h>

/* Borrows argv's texts. */
struct options {
	const char *pg_bindir; /* NULL: search */
	bool tcp;
	bool keep;
	bool verbose;
	char **command; /* NULL-terminated, at least one word */
};

/* 0 when there is a command to run; -1 when not, and then *ret_status is the exit status. */
int options_parse(struct options *options, int argc, char **argv, int *ret_status);
