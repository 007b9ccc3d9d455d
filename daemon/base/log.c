/* SPDX-License-Identifier: MIT */
/* logfmt lines, each in one write(2), so that lines of several processes do not mix. */
#include "daemon/base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum log_level threshold = LOG_LEVEL_INFO;
static bool priorities;

static const struct {
	const char *word;
	int priority; /* syslog(3) */
} levels[] = {
	[LOG_LEVEL_ERROR] = { "error", 3 },
	[LOG_LEVEL_WARN]  = { "warn", 4 },
	[LOG_LEVEL_INFO]  = { "info", 6 },
	[LOG_LEVEL_DEBUG] = { "debug", 7 },
};

void
log_set_level(enum log_level level)
{
	threshold = level;
}

void
log_set_priorities(bool on)
{
	priorities = on;
}

int
log_level_of(const char *word)
{
	for (int i = 0; i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(levels[i].word, word) == 0)
			return i;
	return -1;
}

static void
write_quoted(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '\n')
			fputs("\\n", out);
		else if (*c < 0x20 || *c == 0x7f)
			fprintf(out, "\\x%02x", *c);
		else if (*c == '"' || *c == '\\')
			fprintf(out, "\\%c", *c);
		else
			fputc(*c, out);
	}
	fputc('"', out);
}

static bool
needs_quotes(const char *text)
{
	if (!*text)
		return true;
	for (const unsigned char *c = (const unsigned char *)text; *c; c++)
		if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
			return true;
	return false;
}

static void
write_field(FILE *out, const struct log_field *field)
{
	const char *text = field->text ? field->text : "";

	fprintf(out, " %s=", field->key);
	if (!field->is_text)
		fprintf(out, "%lld", (long long)field->number);
	else if (needs_quotes(text))
		write_quoted(out, text);
	else
		fputs(text, out);
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	char line[4096];
	FILE *out;
	size_t len;

	if (level > threshold)
		return;
	out = fmemopen(line, sizeof line - 1, "w");
	if (!out)
		return;
	if (priorities)
		fprintf(out, "<%d>", levels[level].priority);
	fprintf(out, "%s level=%s", event, levels[level].word);
	for (; fields->key; fields++)
		write_field(out, fields);
	fflush(out);
	len = (size_t)ftell(out);
	fclose(out);
	if (len > sizeof line - 2)
		len = sizeof line - 2;
	line[len] = '\n';
	if (write(STDERR_FILENO, line, len + 1) < 0)
		return; /* nowhere to say so */
}
