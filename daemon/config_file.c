/* SPDX-License-Identifier: MIT */
/*
 * berth.conf, read by inih: key = value, and one section, [enums].
 *
 * inih knows lines of 200 bytes and hands an indented line over as one more value of the key above
 * it. So we count lines ourselves, refuse those that are cut, and put what goes on together: the labels
 * of an enum and the pairs of a DSN. Anything else that is indented is a mistake.
 */
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/base/memory.h"
#include "daemon/config_key.h"

enum { VALUE_MAX = 8192, SECRET_MAX = 4096 };

struct reading {
	struct config *config;
	const char *file;
	FILE *stream;
	struct berth_error e;

	int line;        /* the last one that was read */
	bool indented;
	int begun;       /* the line of what is put together now; 0: nothing is */
	bool is_enum;
	char name[INI_MAX_LINE];
	char value[VALUE_MAX];
	int *said;       /* the line of each key, in the order of the table */
};

static int
refuse(struct reading *reading, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The first mistake counts. */
static int
refuse(struct reading *reading, int line, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (reading->e.code == BERTH_OK)
		berth_error_set(&reading->e, BERTH_USAGE, "%s line %d: %s", reading->file, line, text);
	return 0;
}

/* ---- what was put together is set ---- */

static void
set_enum(struct reading *reading)
{
	struct config *config = reading->config;
	struct berth_error why;
	struct enum_def def = { .count = 0 };

	if (config_key_find(reading->name))
		refuse(reading, reading->begun, "%s is a setting and no enum; it belongs before [enums]", reading->name);
	for (int i = 0; i < config->enum_count; i++)
		if (strcmp(config->enums[i].name, reading->name) == 0)
			refuse(reading, reading->begun, "enum %s is said twice", reading->name);
	if (enum_def_read(&def, reading->name, reading->value, &why) < 0)
		refuse(reading, reading->begun, "%s", why.message);
	if (reading->e.code != BERTH_OK)
		return;
	config->enums = memory_more(config->enums, config->enum_count, sizeof *config->enums);
	config->enums[config->enum_count++] = def;
}

static void
set_key(struct reading *reading)
{
	const struct config_key *key = config_key_find(reading->name);
	struct berth_error why;
	char where[600];
	int *said;

	if (!key) {
		refuse(reading, reading->begun, "unknown key '%s' (berthd --help lists them)", reading->name);
		return;
	}
	said = &reading->said[key - config_keys - (key->flags & CONFIG_FILE ? 1 : 0)];
	if (*said)
		refuse(reading, reading->begun, "%s is said before, in line %d", key->name, *said);
	*said = reading->begun;
	snprintf(where, sizeof where, "%s line %d", reading->file, reading->begun);
	if (reading->e.code == BERTH_OK && config_key_set(reading->config, key, reading->value, where, &why) < 0)
		reading->e = why;
}

static void
set_begun(struct reading *reading)
{
	if (reading->begun && reading->is_enum)
		set_enum(reading);
	else if (reading->begun)
		set_key(reading);
	reading->begun = 0;
}

/* ---- lines ---- */

static char *
read_line(char *line, int size, void *arg)
{
	struct reading *reading = arg;

	if (reading->e.code != BERTH_OK || !fgets(line, size, reading->stream))
		return NULL;
	reading->line++;
	if (strlen(line) == (size_t)size - 1 && line[size - 2] != '\n' && !feof(reading->stream)) {
		refuse(reading, reading->line, "a line may have %d bytes; a DSN or an enum goes on in the next line if "
		       "that is indented, and pg_dsn_file or redis_url_file may hold what is longer", size - 3);
		return NULL;
	}
	reading->indented = isspace((unsigned char)*line);
	return line;
}

/* "mood = sad" below another enum would be its last label. */
static bool
looks_like_a_key(const char *text)
{
	text += strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	text += strspn(text, " \t");
	return *text == '=';
}

static int
go_on(struct reading *reading, const char *value)
{
	size_t used = strlen(reading->value);

	if (reading->is_enum ? looks_like_a_key(value) : strcmp(reading->name, "pg_dsn") != 0)
		return refuse(reading, reading->line, "it is indented and would go on with '%s' of line %d; begin it at "
		              "the left", reading->name, reading->begun);
	if (used + strlen(value) + 2 > sizeof reading->value)
		return refuse(reading, reading->line, "%s is longer than %d bytes", reading->name, VALUE_MAX);
	snprintf(reading->value + used, sizeof reading->value - used, " %s", value);
	return 1;
}

/* 0 says no to inih; the mistake itself is in `reading`. */
static int
on_value(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *reading = arg;
	bool is_enum = strcmp(section, "enums") == 0;

	if (reading->e.code != BERTH_OK)
		return 0;
	if (reading->begun && reading->indented && is_enum == reading->is_enum
	    && strcmp(name, reading->name) == 0)
		return go_on(reading, value);
	set_begun(reading);
	if (*section && !is_enum)
		return refuse(reading, reading->line, "there is one section in berth.conf, [enums], but no [%s]", section);
	reading->begun = reading->line;
	reading->is_enum = is_enum;
	snprintf(reading->name, sizeof reading->name, "%s", name);
	snprintf(reading->value, sizeof reading->value, "%s", value);
	return 1;
}

/* ---- files ---- */

static int
parse(struct reading *reading, struct berth_error *e)
{
	int line = ini_parse_stream(read_line, reading, on_value, reading);

	set_begun(reading);
	if (line > 0)
		refuse(reading, line, "it is neither 'key = value' nor [enums] nor a comment (#)");
	if (reading->e.code == BERTH_OK && ferror(reading->stream))
		berth_error_set(&reading->e, BERTH_USAGE, "%s cannot be read: %s", reading->file, strerror(errno));
	if (reading->e.code != BERTH_OK && e)
		*e = reading->e;
	return reading->e.code == BERTH_OK ? 0 : -1;
}

int
config_file_load(struct config *config, const char *file, bool must, struct berth_error *e)
{
	struct reading *reading;
	FILE *stream;
	int result;

	if (!must && access(file, F_OK) != 0)
		return 0;
	stream = fopen(file, "re");
	if (!stream)
		return berth_error_set(e, BERTH_USAGE, "%s cannot be read: %s", file, strerror(errno));
	reading = memory_more(NULL, 0, sizeof *reading);
	*reading = (struct reading){ .config = config, .file = file, .stream = stream };
	reading->said = calloc((size_t)config_key_count, sizeof *reading->said);
	if (!reading->said)
		abort();
	result = parse(reading, e);
	fclose(stream);
	free(reading->said);
	explicit_bzero(reading, sizeof *reading);
	free(reading);
	return result;
}

char *
config_file_secret(const char *file, const char *where, struct berth_error *e)
{
	char text[SECRET_MAX + 1] = "";
	FILE *stream = fopen(file, "re");
	size_t len = stream ? fread(text, 1, SECRET_MAX, stream) : 0;
	bool bad = !stream || ferror(stream);
	char *copy = NULL;

	text[strcspn(text, "\r\n")] = '\0';
	if (bad)
		berth_error_set(e, BERTH_USAGE, "%s: %s cannot be read: %s", where, file, strerror(errno));
	else if (!*text || len == SECRET_MAX)
		berth_error_set(e, BERTH_USAGE, "%s: %s must hold one line of 1 to %d bytes", where, file,
		                SECRET_MAX - 1);
	else
		copy = memory_copy(text);
	if (stream)
		fclose(stream);
	explicit_bzero(text, sizeof text);
	return copy;
}
