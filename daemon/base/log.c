/* SPDX-License-Identifier: MIT */
/* logfmt lines, each in one write(2), so that lines of several processes do not mix. */
#include "daemon/base/log.h"

#include <stdarg.h>
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

/* A line under construction; what does not fit is cut. */
struct line {
	char text[4096];
	size_t len;
};

static void add(struct line *line, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void
add(struct line *line, const char *fmt, ...)
{
	size_t room = sizeof line->text - 1 - line->len; /* the newline has its place */
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(line->text + line->len, room, fmt, ap);
	va_end(ap);
	if (len > 0)
		line->len += (size_t)len < room ? (size_t)len : room - 1;
}

static void
add_quoted(struct line *line, const char *text)
{
	add(line, "\"");
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '\n')
			add(line, "\\n");
		else if (*c < 0x20 || *c == 0x7f)
			add(line, "\\x%02x", *c);
		else if (*c == '"' || *c == '\\')
			add(line, "\\%c", *c);
		else
			add(line, "%c", *c);
	}
	add(line, "\"");
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
add_field(struct line *line, const struct log_field *field)
{
	const char *text = field->text ? field->text : "";

	add(line, " %s=", field->key);
	if (!field->is_text)
		add(line, "%lld", (long long)field->number);
	else if (needs_quotes(text))
		add_quoted(line, text);
	else
		add(line, "%s", text);
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	struct line line;

	if (level > threshold)
		return;
	line.len = 0;
	if (priorities)
		add(&line, "<%d>", levels[level].priority);
	add(&line, "%s level=%s", event, levels[level].word);
	for (; fields->key; fields++)
		add_field(&line, fields);
	line.text[line.len++] = '\n';
	if (write(STDERR_FILENO, line.text, line.len) < 0)
		return; /* nowhere to say so */
}
