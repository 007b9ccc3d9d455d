/* SPDX-License-Identifier: MIT */
/* The table for people: --help, and berth.conf with every key in it. */
#include <stdio.h>
#include <string.h>

#include "daemon/config_key.h"

/* The default, and beside it what else may be said; "" for any text. */
static void
describe(const struct config_key *key, char *def, size_t def_size, char *range, size_t range_size)
{
	*range = '\0';
	if (!key->text) {
		snprintf(def, def_size, "%ld", key->number);
		snprintf(range, range_size, "%ld to %ld", key->least, key->most);
		return;
	}
	snprintf(def, def_size, "%s", key->text);
	if (!key->words)
		return;
	snprintf(range, range_size, "%s", key->words);
	for (char *space = range; (space = strchr(space, ' '));)
		*space = '|';
}

void
config_help(void)
{
	char option[CONFIG_NAME_MAX], def[64], range[64];

	printf("berthd " BERTH_VERSION ": leases of PostgreSQL schemas and Redis databases to test workers\n\n"
	       "usage: berthd [--config FILE] [--check] [--KEY VALUE …]\n\n"
	       "  --config FILE            read this file instead of /etc/berth/berth.conf (BERTH_CONFIG)\n"
	       "  --check                  say whether the settings are good, and end\n"
	       "  --sample                 print a berth.conf with every key in it, and end\n"
	       "  --version\n\n"
	       "Each key is also a line in berth.conf (key = value) and a variable (BERTH_KEY). Those with\n"
	       "a * are taken by a reload (SIGHUP, `berth reload`), the others by a restart.\n");
	for (int i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (!key->name) {
			printf("\n%s\n", key->help);
			continue;
		}
		config_key_option(key, option);
		describe(key, def, sizeof def, range, sizeof range);
		printf("%c --%-24s %s%s%s%s [%s]\n", key->flags & CONFIG_RELOAD ? '*' : ' ', option, key->help,
		       key->words ? " (" : "", key->words ? range : "", key->words ? ")" : "", def);
	}
}

void
config_sample(void)
{
	char def[64], range[64];

	printf("# berth.conf: the settings of berthd " BERTH_VERSION ", see berth.conf(5).\n"
	       "#\n"
	       "# Each line here is the default. `berthd --check` says whether the file is good; `berth reload`\n"
	       "# takes the keys marked \"reload\", the others take a restart.\n");
	for (int i = 0; i < config_key_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (!key->name) {
			printf("\n# ---- %s\n", key->help);
			continue;
		}
		describe(key, def, sizeof def, range, sizeof range);
		printf("\n# %s%s%s%s%s\n#%s =%s%s\n", key->help, *range ? " (" : "", range, *range ? ")" : "",
		       key->flags & CONFIG_RELOAD ? "; reload" : "", key->name, *def ? " " : "", def);
	}
	printf("\n# ---- Shared enum types, each made exactly once: name = label, label, \"a label, with a comma\"; reload.\n"
	       "# They come last: what stands below [enums] is an enum.\n"
	       "\n#[enums]\n#mood = sad, ok, happy\n");
}
