/* SPDX-License-Identifier: MIT */
/* The table of config.h, filled from file, environment and command line. */
#include "daemon/config.h"

#include <assert.h>
#include <errno.h>
#include <fnmatch.h>
#include <getopt.h>
#include <ini.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/memory.h"

static const struct key {
	const char *name;
	const char *text;   /* default of a text; NULL: a number */
	long number, least, most;
	int flags;
	size_t offset;
	const char *help;
} keys[] = {
#define TEXT(key, default_, flags_, help_) \
	{ .name = #key, .text = (default_), .flags = (flags_), .offset = offsetof(struct config, key), .help = (help_) },
#define NUMBER(key, default_, least_, most_, help_)                                 \
	{ .name = #key, .number = (default_), .least = (least_), .most = (most_),   \
	  .offset = offsetof(struct config, key), .help = (help_) },
	CONFIG_KEYS(TEXT, NUMBER)
#undef TEXT
#undef NUMBER
};
enum { KEYS = sizeof keys / sizeof *keys, OPTION_CONFIG = 1000, OPTION_CHECK, OPTION_KEY };

static char **
text_of(const struct config *config, const struct key *key)
{
	return (char **)((char *)config + key->offset);
}

static int *
number_of(const struct config *config, const struct key *key)
{
	return (int *)((char *)config + key->offset);
}

/* `where` says to a person where the value stands. */
static int
set(struct config *config, const struct key *key, const char *value, const char *where, struct berth_error *e)
{
	char *end;
	long number;

	if (key->text) {
		free(*text_of(config, key));
		*text_of(config, key) = memory_copy(value);
		return 0;
	}
	errno = 0;
	number = strtol(value, &end, 10);
	if (errno || end == value || *end || number < key->least || number > key->most)
		return berth_error_set(e, BERTH_USAGE, "%s: %s must be a number from %ld to %ld, not '%s'", where,
		                       key->name, key->least, key->most, value);
	*number_of(config, key) = (int)number;
	return 0;
}

static const struct key *
find(const char *name)
{
	for (int i = 0; i < KEYS; i++)
		if (strcmp(keys[i].name, name) == 0)
			return &keys[i];
	return NULL;
}

static void
set_defaults(struct config *config)
{
	for (int i = 0; i < KEYS; i++) {
		if (keys[i].text)
			*text_of(config, &keys[i]) = memory_copy(keys[i].text);
		else
			*number_of(config, &keys[i]) = (int)keys[i].number;
	}
}

/* ---- the file ---- */

struct reading {
	struct config *config;
	struct berth_error e;
};

static void
add_enum(struct config *config, const char *name, const char *labels, struct berth_error *e)
{
	struct enum_def def;

	if (enum_def_read(&def, name, labels, e) < 0)
		return;
	config->enums = realloc(config->enums, (size_t)(config->enum_count + 1) * sizeof *config->enums);
	if (!config->enums)
		abort();
	config->enums[config->enum_count++] = def;
}

/* 0 says no to inih, which goes on reading and tells the line of the first no. */
static int
on_line(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *reading = arg;
	const struct key *key = find(name);

	if (reading->e.code != BERTH_OK)
		return 1;
	if (strcmp(section, "enums") == 0)
		add_enum(reading->config, name, value, &reading->e);
	else if (*section)
		berth_error_set(&reading->e, BERTH_USAGE, "there is one section in berth.conf, [enums], but no [%s]",
		                section);
	else if (!key)
		berth_error_set(&reading->e, BERTH_USAGE, "unknown key '%s' (berthd --help lists them)", name);
	else
		set(reading->config, key, value, "berth.conf", &reading->e);
	return reading->e.code == BERTH_OK;
}

static int
load_file(struct config *config, const char *file, bool must, struct berth_error *e)
{
	struct reading reading = { .config = config };
	int line;

	if (!must && access(file, F_OK) != 0)
		return 0;
	line = ini_parse(file, on_line, &reading);
	if (line < 0)
		return berth_error_set(e, BERTH_USAGE, "%s cannot be read: %s", file, strerror(errno));
	if (line > 0)
		return berth_error_set(e, BERTH_USAGE, "%s line %d: %.400s", file, line,
		                       reading.e.code != BERTH_OK ? reading.e.message : "not 'key = value'");
	return 0;
}

/* ---- the environment ---- */

static void
variable_of(const struct key *key, char out[64])
{
	snprintf(out, 64, "BERTH_%s", key->name);
	for (char *c = out; *c; c++)
		*c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
}

static int
load_environment(struct config *config, struct berth_error *e)
{
	char variable[64];

	for (int i = 0; i < KEYS; i++) {
		variable_of(&keys[i], variable);
		const char *value = getenv(variable);

		if (value && set(config, &keys[i], value, variable, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- the command line ---- */

static void
option_of(const struct key *key, char out[64])
{
	snprintf(out, 64, "%s", key->name);
	for (char *c = out; *c; c++)
		if (*c == '_')
			*c = '-';
}

static const struct option *
options(void)
{
	static struct option made[KEYS + 5];
	static char names[KEYS][64];
	int n = 0;

	for (; n < KEYS; n++) {
		option_of(&keys[n], names[n]);
		made[n] = (struct option){ names[n], required_argument, NULL, OPTION_KEY + n };
	}
	made[n++] = (struct option){ "config", required_argument, NULL, OPTION_CONFIG };
	made[n++] = (struct option){ "check", no_argument, NULL, OPTION_CHECK };
	made[n++] = (struct option){ "help", no_argument, NULL, 'h' };
	made[n++] = (struct option){ "version", no_argument, NULL, 'V' };
	return made;
}

/* The first pass (config NULL) finds --config and --help, the second one sets the keys. */
static int
load_options(struct config *config, int argc, char **argv, const char **file, enum config_asked *asked,
             struct berth_error *e)
{
	char where[80];
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "hV", options(), NULL)) != -1) {
		if (c == '?')
			return berth_error_set(e, BERTH_USAGE, "unknown option or missing value: %s (berthd --help)",
			                       argv[optind - 1]);
		if (c == 'h')
			*asked = CONFIG_HELP;
		else if (c == 'V')
			*asked = CONFIG_VERSION;
		else if (c == OPTION_CHECK)
			*asked = CONFIG_CHECK;
		else if (c == OPTION_CONFIG)
			*file = optarg;
		else if (config) {
			snprintf(where, sizeof where, "--%s", options()[c - OPTION_KEY].name);
			if (set(config, &keys[c - OPTION_KEY], optarg, where, e) < 0)
				return -1;
			if (keys[c - OPTION_KEY].flags & CONFIG_SECRET)
				memset(optarg, '*', strlen(optarg)); /* argv is what ps shows */
		}
	}
	if (optind < argc)
		return berth_error_set(e, BERTH_USAGE, "berthd takes options only, not '%s'", argv[optind]);
	return 0;
}

/* ---- */

static void
default_socket(struct config *config)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX];

	if (*config->socket)
		return;
	if (geteuid() == 0 || !runtime || !*runtime)
		snprintf(path, sizeof path, geteuid() == 0 ? "/run/berth/berth.sock" : "/tmp/berth-%d/berth.sock",
		         (int)geteuid());
	else
		snprintf(path, sizeof path, "%s/berth/berth.sock", runtime);
	free(config->socket);
	config->socket = memory_copy(path);
}

int
config_load(struct config *config, int argc, char **argv, enum config_asked *ret_asked, struct berth_error *e)
{
	enum config_asked asked = CONFIG_RUN;
	const char *file = getenv("BERTH_CONFIG");

	*config = (struct config){ 0 };
	set_defaults(config);
	if (load_options(NULL, argc, argv, &file, &asked, e) < 0)
		return -1;
	*ret_asked = asked;
	if (asked == CONFIG_HELP || asked == CONFIG_VERSION)
		return 0;
	if (load_file(config, file ? file : "/etc/berth/berth.conf", file != NULL, e) < 0
	    || load_environment(config, e) < 0 || load_options(config, argc, argv, &file, &asked, e) < 0)
		return -1;
	default_socket(config);
	return 0;
}

void
config_fini(struct config *config)
{
	for (int i = 0; i < KEYS; i++)
		if (keys[i].text)
			free(*text_of(config, &keys[i]));
	free(config->enums);
	*config = (struct config){ 0 };
}

void
config_help(void)
{
	char option[64], value[32];

	printf("berthd " BERTH_VERSION ": leases of PostgreSQL schemas and Redis databases to test workers\n\n"
	       "usage: berthd [--config FILE] [--check] [--KEY VALUE …]\n\n"
	       "Each key is also a line in berth.conf (key = value) and a variable (BERTH_KEY).\n\n");
	for (int i = 0; i < KEYS; i++) {
		option_of(&keys[i], option);
		snprintf(value, sizeof value, "%ld", keys[i].number);
		printf("  --%-24s %s [%s]\n", option, keys[i].help, keys[i].text ? keys[i].text : value);
	}
}

void
config_each(const struct config *config, const char *pattern,
            void (*each)(void *arg, const char *key, const char *value), void *arg)
{
	char number[32];

	for (int i = 0; i < KEYS; i++) {
		if (fnmatch(pattern, keys[i].name, FNM_CASEFOLD) != 0)
			continue;
		if (!keys[i].text) {
			snprintf(number, sizeof number, "%d", *number_of(config, &keys[i]));
			each(arg, keys[i].name, number);
		} else if (keys[i].flags & CONFIG_SECRET && **text_of(config, &keys[i])) {
			each(arg, keys[i].name, "***");
		} else {
			each(arg, keys[i].name, *text_of(config, &keys[i]));
		}
	}
}
