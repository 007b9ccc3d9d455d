/* SPDX-License-Identifier: MIT */
/* The reader of golden vectors; see vectors.h. */
#include "tests/unit/vectors.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

void
vectors_open(struct vectors *v, const char *name)
{
	const char *dir = getenv("BERTH_VECTORS");
	static char path[PATH_MAX];

	snprintf(path, sizeof path, "%s/%s", dir ? dir : "proto/vectors", name);
	*v = (struct vectors){ .file = fopen(path, "r"), .path = path };
	if (!v->file)
		fail_msg("cannot open %s", path);
}

bool
vectors_next(struct vectors *v)
{
	while (getline(&v->line, &v->cap, v->file) >= 0) {
		v->line_number++;
		v->line[strcspn(v->line, "\n")] = '\0';
		if (v->line[0] == '\0' || v->line[0] == '#')
			continue;
		v->rest = v->line;
		v->word = strsep(&v->rest, " ");
		if (!v->rest)
			v->rest = v->word + strlen(v->word);
		return true;
	}
	free(v->line);
	fclose(v->file);
	return false;
}

void
vectors_fail(const struct vectors *v)
{
	fail_msg("%s:%d: cannot understand this line", v->path, v->line_number);
	abort();
}

/* \(N C) at `s`, behind its parenthesis; returns where the rest begins. */
static const char *
repeat(const struct vectors *v, const char *s, struct text *bytes)
{
	char *end;
	long n = strtol(s, &end, 10);

	if (n < 1 || n > 1000000 || end[0] != ' ' || end[1] == '\0' || end[2] != ')')
		vectors_fail(v);
	while (n--)
		text_add(bytes, end + 1, 1);
	return end + 3;
}

static const char *
hex(const struct vectors *v, const char *s, struct text *bytes)
{
	unsigned int byte;
	char c;

	if (sscanf(s, "%2x", &byte) != 1 || strspn(s, "0123456789abcdef") < 2)
		vectors_fail(v);
	c = byte;
	text_add(bytes, &c, 1);
	return s + 2;
}

void
vectors_bytes(const struct vectors *v, const char *s, struct text *bytes)
{
	static const char letters[] = "rnts\\", meant[] = "\r\n\t \\";

	while (*s) {
		const char *letter;

		if (*s != '\\')
			text_add(bytes, s++, 1);
		else if (s[1] == '(')
			s = repeat(v, s + 2, bytes);
		else if (s[1] == 'x')
			s = hex(v, s + 2, bytes);
		else if (s[1] && (letter = strchr(letters, s[1]))) {
			text_add(bytes, meant + (letter - letters), 1);
			s += 2;
		} else
			vectors_fail(v);
	}
}

bool
vectors_arg(const struct vectors *v, char **rest, struct text *bytes)
{
	char *arg, *c = *rest;

	if (!c || *c == '\0')
		return false;
	/* A repetition has a space inside. */
	while (*c && *c != ' ')
		c = c[0] == '\\' && c[1] == '(' && strchr(c, ')') ? strchr(c, ')') + 1 : c + 1;
	arg = *rest;
	*rest = *c ? c + 1 : c;
	*c = '\0';
	if (strcmp(arg, "\"\"") != 0)
		vectors_bytes(v, arg, bytes);
	return true;
}
