/* SPDX-License-Identifier: MIT */
/* A Redis command of any length, put together word by word. */
#pragma once

#include <stdint.h>

/* Zeroed to begin with; owns its words until args_fini(). */
struct args {
	int count;
	int room;
	char **words;
};

void args_add(struct args *args, const char *word);
void args_add_number(struct args *args, int64_t number);
void args_addf(struct args *args, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Wipes the words first: some are passwords. */
void args_fini(struct args *args);
