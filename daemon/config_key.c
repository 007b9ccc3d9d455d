/* SPDX-License-Identifier: MIT */
/* One setting: what it may be, and how it is set and written. */
#include "daemon/config_key.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/memory.h"
#include "daemon/pg/sql.h"
#include "daemon/pg/target.h"
#include "daemon/redis/url.h"
#include "daemon/slot.h"
#include "daemon/web.h"

enum { PREFIX_MAX = 40 };

/* ---- what texts must be; a secret is never repeated ---- */

static int
check_any(const char *value, struct berth_error *e)
{
	return 0;
}

static int
check_prefix(const char *value, struct berth_error *e)
{
	if (sql_is_name(value, strlen(value)) && strlen(value) <= PREFIX_MAX)
		return 0;
	return berth_error_set(e, BERTH_USAGE, "must be the beginning of a lower-case identifier, at most %d bytes, "
	                       "not '%.100s'", PREFIX_MAX, value);
}

static int
check_dsn(const char *value, struct berth_error *e)
{
	struct pg_target *target = pg_target_new(value, e);

	pg_target_free(target);
	return target ? 0 : -1;
}

static int
check_redis_url(const char *value, struct berth_error *e)
{
	struct redis_url url;
	int good = *value ? redis_url_parse(value, &url, e) : 0;

	explicit_bzero(&url, sizeof url);
	return good;
}

/* Of PostgreSQL's, in any letters. */
static int
check_name(const char *value, struct berth_error *e)
{
	if (strlen(value) <= LIMIT_NAME_BYTES)
		return 0;
	return berth_error_set(e, BERTH_USAGE, "must be a name of at most %d bytes, not '%.100s'", LIMIT_NAME_BYTES, value);
}

static int
check_password(const char *value, struct berth_error *e)
{
	if (strlen(value) <= SLOT_PASSWORD)
		return 0;
	return berth_error_set(e, BERTH_USAGE, "must have at most %d bytes", SLOT_PASSWORD);
}

static int
check_metrics(const char *value, struct berth_error *e)
{
	struct web_address address;

	return web_address_parse(value, &address, e);
}

/* ---- the table ---- */

#define AT(key) .name = #key, .offset = offsetof(struct config, key)
#define GROUP(title) { .help = (title) },
#define TEXT(key, default_, must, flags_, help_) \
	{ AT(key), .text = (default_), .check = check_##must, .flags = (flags_), .help = (help_) },
#define WORD(key, default_, words_, flags_, help_) \
	{ AT(key), .text = (default_), .words = (words_), .flags = (flags_), .help = (help_) },
#define NUMBER(key, default_, least_, most_, flags_, help_) \
	{ AT(key), .number = (default_), .least = (least_), .most = (most_), .flags = (flags_), .help = (help_) },
#define SECRET(key, must, flags_, help_)                                                                        \
	{ AT(key), .text = "", .check = check_##must, .flags = (flags_) | CONFIG_HIDDEN, .help = (help_) },   \
	{ AT(key##_file), .text = "", .check = check_any, .flags = (flags_) | CONFIG_FILE,                      \
	  .help = "a file that holds " #key },

const struct config_key config_keys[] = { CONFIG_KEYS(GROUP, TEXT, WORD, NUMBER, SECRET) };
const int config_key_count = sizeof config_keys / sizeof *config_keys;

const struct config_key *
config_key_find(const char *name)
{
	for (int i = 0; i < config_key_count; i++)
		if (config_keys[i].name && strcmp(config_keys[i].name, name) == 0)
			return &config_keys[i];
	return NULL;
}

char **
config_key_text(const struct config *config, const struct config_key *key)
{
	return (char **)((char *)config + key->offset);
}

int *
config_key_number(const struct config *config, const struct config_key *key)
{
	return (int *)((char *)config + key->offset);
}

const char *
config_key_value(const struct config *config, const struct config_key *key, char number[32])
{
	if (key->text)
		return *config_key_text(config, key);
	snprintf(number, 32, "%d", *config_key_number(config, key));
	return number;
}

void
config_key_option(const struct config_key *key, char out[CONFIG_NAME_MAX])
{
	snprintf(out, CONFIG_NAME_MAX, "%s", key->name);
	for (char *c = out; *c; c++)
		if (*c == '_')
			*c = '-';
}

void
config_key_variable(const struct config_key *key, char out[CONFIG_NAME_MAX])
{
	snprintf(out, CONFIG_NAME_MAX, "BERTH_%s", key->name);
	for (char *c = out; *c; c++)
		*c = (char)toupper((unsigned char)*c);
}

/* ---- setting ---- */

static bool
is_one_of(const char *words, const char *value)
{
	size_t len = strlen(value);

	for (const char *at = words; *at; at += strspn(at, " ")) {
		if (len == strcspn(at, " ") && memcmp(at, value, len) == 0)
			return true;
		at += strcspn(at, " ");
	}
	return false;
}

static void
replace(char **text, const char *value)
{
	if (*text)
		explicit_bzero(*text, strlen(*text));
	free(*text);
	*text = memory_copy(value);
}

static int
set_text(struct config *config, const struct config_key *key, const char *value, const char *where,
         struct berth_error *e)
{
	struct berth_error why = { .message = "" };

	if (key->words && !is_one_of(key->words, value))
		return berth_error_set(e, BERTH_USAGE, "%s: %s must be one of: %s; not '%.100s'", where, key->name,
		                       key->words, value);
	if (key->check && key->check(value, &why) < 0)
		return berth_error_set(e, BERTH_USAGE, "%s: %s %.400s", where, key->name, why.message);
	replace(config_key_text(config, key), value);
	/* A secret and its file are one setting, said in two ways. */
	if (key->flags & CONFIG_HIDDEN)
		replace(config_key_text(config, key + 1), "");
	if (key->flags & CONFIG_FILE)
		replace(config_key_text(config, key - 1), "");
	return 0;
}

int
config_key_set(struct config *config, const struct config_key *key, const char *value, const char *where,
               struct berth_error *e)
{
	char *end;
	long number;

	if (key->text)
		return set_text(config, key, value, where, e);
	errno = 0;
	number = strtol(value, &end, 10);
	if (errno || end == value || *end || number < key->least || number > key->most)
		return berth_error_set(e, BERTH_USAGE, "%s: %s must be a number from %ld to %ld, not '%.100s'", where,
		                       key->name, key->least, key->most, value);
	*config_key_number(config, key) = (int)number;
	return 0;
}
