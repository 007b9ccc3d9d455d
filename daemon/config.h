/* SPDX-License-Identifier: MIT */
/*
 * The settings of settings.h in force, and where they come from.
 *
 * The command line (--pool-schemas 8) goes over the environment (BERTH_POOL_SCHEMAS=8), which goes
 * over the file (pool_schemas = 8), which goes over the default. A secret that none of them says is
 * looked for among systemd's credentials ($CREDENTIALS_DIRECTORY/pg_dsn).
 */
#pragma once

#include <stdbool.h>

#include "daemon/enum_def.h"
#include "daemon/settings.h"
#include "proto/errors.h"

/* Owns its texts; borrows argv. */
struct config {
#define GROUP(title)
#define TEXT(key, default_, check, flags, help) char *key;
#define WORD(key, default_, words, flags, help) char *key;
#define NUMBER(key, default_, least, most, flags, help) int key;
#define SECRET(key, check, flags, help) char *key, *key##_file;
	CONFIG_KEYS(GROUP, TEXT, WORD, NUMBER, SECRET)
#undef GROUP
#undef TEXT
#undef WORD
#undef NUMBER
#undef SECRET
	struct enum_def *enums; /* section [enums] of the file: what must be there before the first lease */
	int enum_count;
	int argc;               /* for a reload */
	char **argv;
};

enum config_asked { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION, CONFIG_CHECK, CONFIG_SAMPLE };

/*
 * Defaults, then the file (--config FILE, or BERTH_CONFIG, or /etc/berth/berth.conf if it is there),
 * the environment and the command line. A key that is unknown or a value that is out of range is
 * USAGE, and the message says where it stands (file and line, variable, option).
 */
int config_load(struct config *config, int argc, char **argv, enum config_asked *ret_asked,
                struct berth_error *e);
void config_fini(struct config *config);

/* Calls `each` for every key that the pattern (fnmatch) matches, secrets as "***". */
void config_each(const struct config *config, const char *pattern,
                 void (*each)(void *arg, const char *key, const char *value), void *arg);

/* A key whose value is another one now: in force (`taken`), or not before a restart. */
struct config_change {
	const char *key; /* static; "[enums]" for that section */
	bool taken;
};
/* Owns its list. */
struct config_changes {
	struct config_change *list;
	int count;
};

/*
 * Reads everything again and takes what can be taken while running; `ret` lists all that differs
 * from what was in force. -1 (USAGE, as config_load()): nothing has changed.
 */
int config_reload(struct config *config, struct config_changes *ret, struct berth_error *e);
void config_changes_fini(struct config_changes *changes);

/* Prints the options for a person, and berth.conf with every key commented out. */
void config_help(void);
void config_sample(void);
