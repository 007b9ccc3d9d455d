/* SPDX-License-Identifier: MIT */
/* Settings out of their four places, and again while running. */
#include "daemon/config.h"

#include <fnmatch.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/memory.h"
#include "daemon/base/service.h"
#include "daemon/config_key.h"

enum { OPTION_CONFIG = 1000, OPTION_CHECK, OPTION_SAMPLE, OPTION_KEY, OPTIONS_MAX = 128 };

/* One load. A reload cannot read secrets from the command line again: they are wiped there. */
struct loading {
	struct config *config;
	const struct config *before; /* what is in force, in a reload */
	const char *file;
	enum config_asked asked;
};

static void
set_defaults(struct config *config)
{
	for (int i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (!key->name)
			continue;
		if (key->text)
			*config_key_text(config, key) = memory_copy(key->text);
		else
			*config_key_number(config, key) = (int)key->number;
	}
}

/* ---- the environment ---- */

static int
load_environment(struct config *config, struct berth_error *e)
{
	char variable[CONFIG_NAME_MAX];

	for (int i = 0; i < config_key_count; i++) {
		const char *value;

		if (!config_keys[i].name)
			continue;
		config_key_variable(&config_keys[i], variable);
		value = getenv(variable);
		if (value && config_key_set(config, &config_keys[i], value, variable, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- the command line ---- */

static const struct option *
options(void)
{
	static struct option made[OPTIONS_MAX];
	static char names[OPTIONS_MAX][CONFIG_NAME_MAX];
	int n = 0;

	for (int i = 0; i < config_key_count && n < OPTIONS_MAX - 6; i++) {
		if (!config_keys[i].name)
			continue;
		config_key_option(&config_keys[i], names[n]);
		made[n] = (struct option){ names[n], required_argument, NULL, OPTION_KEY + i };
		n++;
	}
	made[n++] = (struct option){ "config", required_argument, NULL, OPTION_CONFIG };
	made[n++] = (struct option){ "check", no_argument, NULL, OPTION_CHECK };
	made[n++] = (struct option){ "sample", no_argument, NULL, OPTION_SAMPLE };
	made[n++] = (struct option){ "help", no_argument, NULL, 'h' };
	made[n++] = (struct option){ "version", no_argument, NULL, 'V' };
	made[n] = (struct option){ 0 };
	return made;
}

static int
set_option(const struct loading *loading, const struct config_key *key, char *value, struct berth_error *e)
{
	char option[CONFIG_NAME_MAX], where[CONFIG_NAME_MAX + 2];
	const char *said = value;

	config_key_option(key, option);
	snprintf(where, sizeof where, "--%s", option);
	if (key->flags & CONFIG_HIDDEN && loading->before)
		said = *config_key_text(loading->before, key);
	if (config_key_set(loading->config, key, said, where, e) < 0)
		return -1;
	if (key->flags & CONFIG_HIDDEN) /* NOLINTNEXTLINE: getopt_long has seen to it that there is one */
		memset(value, '*', strlen(value)); /* argv is what ps shows */
	return 0;
}

/* The first pass (no config) finds --config and --help, the second one sets the keys. */
static int
load_options(struct loading *loading, int argc, char **argv, struct berth_error *e)
{
	int c;

	optind = 0;
	opterr = 0;
	while ((c = getopt_long(argc, argv, "hV", options(), NULL)) != -1) {
		if (c == '?')
			return berth_error_set(e, BERTH_USAGE, "unknown option or missing value: %s (berthd --help)",
			                       argv[optind - 1]);
		if (c == 'h')
			loading->asked = CONFIG_HELP;
		else if (c == 'V')
			loading->asked = CONFIG_VERSION;
		else if (c == OPTION_CHECK)
			loading->asked = CONFIG_CHECK;
		else if (c == OPTION_SAMPLE)
			loading->asked = CONFIG_SAMPLE;
		else if (c == OPTION_CONFIG)
			loading->file = optarg;
		else if (loading->config && set_option(loading, &config_keys[c - OPTION_KEY], optarg, e) < 0)
			return -1;
	}
	if (optind < argc)
		return berth_error_set(e, BERTH_USAGE, "berthd takes options only, not '%s'", argv[optind]);
	return 0;
}

/* ---- what nobody said ---- */

/* A secret is in the file that was named, or among the credentials of the service. */
static int
load_secret(struct config *config, const struct config_key *key, struct berth_error *e)
{
	const char *file = *config_key_text(config, key + 1), *credentials = getenv("CREDENTIALS_DIRECTORY");
	char **text = config_key_text(config, key), path[PATH_MAX], *found;
	struct berth_error why = { .message = "" };

	if (**text || (!*file && !credentials))
		return 0;
	if (*file)
		snprintf(path, sizeof path, "%s", file);
	else
		snprintf(path, sizeof path, "%s/%s", credentials, key->name);
	if (!*file && access(path, F_OK) != 0)
		return 0;
	found = config_file_secret(path, *file ? key[1].name : key->name, e);
	if (!found)
		return -1;
	if (key->check(found, &why) < 0) {
		free(found);
		return berth_error_set(e, BERTH_USAGE, "%s: %s %.300s", path, key->name, why.message);
	}
	free(*text);
	*text = found;
	return 0;
}

static int
load_secrets(struct config *config, struct berth_error *e)
{
	for (int i = 0; i < config_key_count; i++)
		if (config_keys[i].flags & CONFIG_HIDDEN && load_secret(config, &config_keys[i], e) < 0)
			return -1;
	return 0;
}

static void
default_socket(const char **path, char *out, size_t size)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	if (geteuid() == 0 || !runtime || !*runtime)
		snprintf(out, size, geteuid() == 0 ? "/run/berth/berth.sock" : "/tmp/berth-%d/berth.sock",
		         (int)geteuid());
	else
		snprintf(out, size, "%s/berth/berth.sock", runtime);
	*path = out;
}

static int
settle_socket(struct config *config, struct berth_error *e)
{
	const char *path = *config->socket ? config->socket : NULL, *given;
	char made[PATH_MAX];
	int found = service_socket(&given, e);

	if (found < 0)
		return -1;
	if (found)
		path = given;
	else if (!path)
		default_socket(&path, made, sizeof made);
	if (path == config->socket)
		return 0;
	free(config->socket);
	config->socket = memory_copy(path);
	return 0;
}

/* What no row alone can say. */
static int
check_together(const struct config *config, struct berth_error *e)
{
	if (config->runner_grace_ms < 2 * config->heartbeat_ms)
		return berth_error_set(e, BERTH_USAGE, "runner_grace_ms (%d) must be at least twice heartbeat_ms (%d), or "
		                       "others would take this runner for dead", config->runner_grace_ms,
		                       config->heartbeat_ms);
	return 0;
}

static int
load(struct loading *loading, int argc, char **argv, struct berth_error *e)
{
	struct config *config = loading->config;

	*config = (struct config){ .argc = argc, .argv = argv };
	set_defaults(config);
	loading->config = NULL;
	loading->file = getenv("BERTH_CONFIG");
	if (load_options(loading, argc, argv, e) < 0)
		return -1;
	loading->config = config;
	if (loading->asked != CONFIG_RUN && loading->asked != CONFIG_CHECK)
		return 0;
	if (config_file_load(config, loading->file ? loading->file : "/etc/berth/berth.conf", loading->file != NULL, e) < 0
	    || load_environment(config, e) < 0 || load_options(loading, argc, argv, e) < 0
	    || load_secrets(config, e) < 0 || settle_socket(config, e) < 0)
		return -1;
	return check_together(config, e);
}

int
config_load(struct config *config, int argc, char **argv, enum config_asked *ret_asked, struct berth_error *e)
{
	struct loading loading = { .config = config, .asked = CONFIG_RUN };

	if (load(&loading, argc, argv, e) < 0) {
		config_fini(config);
		return -1;
	}
	*ret_asked = loading.asked;
	return 0;
}

void
config_fini(struct config *config)
{
	for (int i = 0; i < config_key_count; i++) {
		char **text = config_keys[i].text ? config_key_text(config, &config_keys[i]) : NULL;

		if (text && *text && config_keys[i].flags & CONFIG_HIDDEN)
			explicit_bzero(*text, strlen(*text));
		if (text)
			free(*text);
	}
	free(config->enums);
	*config = (struct config){ 0 };
}

/* ---- CONFIG GET ---- */

void
config_each(const struct config *config, const char *pattern,
            void (*each)(void *arg, const char *key, const char *value), void *arg)
{
	char number[32];

	for (int i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];
		const char *value;

		if (!key->name || fnmatch(pattern, key->name, FNM_CASEFOLD) != 0)
			continue;
		value = config_key_value(config, key, number);
		each(arg, key->name, key->flags & CONFIG_HIDDEN && *value ? "***" : value);
	}
}

/* ---- again ---- */

static void
changed(struct config_changes *changes, const char *key, bool taken)
{
	changes->list = memory_more(changes->list, changes->count, sizeof *changes->list);
	changes->list[changes->count++] = (struct config_change){ key, taken };
}

static void
swap_texts(char **a, char **b)
{
	char *was = *a;

	*a = *b;
	*b = was;
}

static void
take_key(struct config *config, struct config *fresh, const struct config_key *key, struct config_changes *changes)
{
	char one[32], other[32];

	if (strcmp(config_key_value(config, key, one), config_key_value(fresh, key, other)) == 0)
		return;
	changed(changes, key->name, key->flags & CONFIG_RELOAD);
	if (!(key->flags & CONFIG_RELOAD))
		return;
	if (key->text)
		swap_texts(config_key_text(config, key), config_key_text(fresh, key));
	else
		*config_key_number(config, key) = *config_key_number(fresh, key);
}

static void
take_enums(struct config *config, struct config *fresh, struct config_changes *changes)
{
	struct enum_def *were = config->enums;
	int count = config->enum_count;
	bool same = count == fresh->enum_count;

	for (int i = 0; same && i < count; i++)
		same = strcmp(were[i].name, fresh->enums[i].name) == 0
		       && enum_def_compare(&were[i], &fresh->enums[i], NULL) == 0;
	if (same)
		return;
	changed(changes, "[enums]", true);
	config->enums = fresh->enums;
	config->enum_count = fresh->enum_count;
	fresh->enums = were;
	fresh->enum_count = count;
}

int
config_reload(struct config *config, struct config_changes *ret, struct berth_error *e)
{
	struct config fresh;
	struct loading loading = { .config = &fresh, .before = config, .asked = CONFIG_RUN };

	*ret = (struct config_changes){ 0 };
	if (load(&loading, config->argc, config->argv, e) < 0) {
		config_fini(&fresh);
		return -1;
	}
	for (int i = 0; i < config_key_count; i++)
		if (config_keys[i].name)
			take_key(config, &fresh, &config_keys[i], ret);
	take_enums(config, &fresh, ret);
	config_fini(&fresh);
	return 0;
}

void
config_changes_fini(struct config_changes *changes)
{
	free(changes->list);
	*changes = (struct config_changes){ 0 };
}
