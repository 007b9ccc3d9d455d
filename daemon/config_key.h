/* SPDX-License-Identifier: MIT */
/* The rows of settings.h as data; for the config_*.c alone. */
#pragma once

#include <stddef.h>

#include "daemon/config.h"

struct config_key {
	const char *name;   /* NULL: a group's title, in `help` */
	const char *text;   /* default of a text; NULL: a number */
	const char *words;  /* what a text may be, spaces between; NULL: see check */
	int (*check)(const char *value, struct berth_error *e);
	long number, least, most;
	int flags;
	size_t offset;
	const char *help;
};

/* In the order of the table, groups among them; config_key_count of them. */
extern const struct config_key config_keys[];
extern const int config_key_count;

enum { CONFIG_NAME_MAX = 64 };

const struct config_key *config_key_find(const char *name);
char **config_key_text(const struct config *config, const struct config_key *key);
int *config_key_number(const struct config *config, const struct config_key *key);
/* What is written to a person: the value as text, secrets too. `number` is room for one. */
const char *config_key_value(const struct config *config, const struct config_key *key, char number[32]);
/* "--pool-schemas" without its dashes, "BERTH_POOL_SCHEMAS". */
void config_key_option(const struct config_key *key, char out[CONFIG_NAME_MAX]);
void config_key_variable(const struct config_key *key, char out[CONFIG_NAME_MAX]);
/* Sets it; USAGE for what it may not be. `where` tells a person where the value stands. */
int config_key_set(struct config *config, const struct config_key *key, const char *value, const char *where,
                   struct berth_error *e);

/* Sets what the file says. Not there: an error when it `must` be. */
int config_file_load(struct config *config, const char *file, bool must, struct berth_error *e);
/* The text of a file that holds a secret, without the line's end; NULL and USAGE. To be freed. */
char *config_file_secret(const char *file, const char *where, struct berth_error *e);
