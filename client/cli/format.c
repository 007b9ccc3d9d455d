/* SPDX-License-Identifier: MIT */
/* Filling {field} in. */
#include "client/cli/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/complain.h"
#include "client/cli/fields.h"

/* What stands at a place of a format. */
enum piece { PIECE_END, PIECE_CHAR, PIECE_FIELD, PIECE_BAD };

/* A char in *text, or a field of *len chars there; moves *at past it. */
static enum piece
next_piece(const char **at, const char **text, size_t *len)
{
	const char *p = *at;

	*text = p;
	*len = 1;
	if (!*p)
		return PIECE_END;
	if (*p != '{' && *p != '}') {
		*at = p + 1;
		return PIECE_CHAR;
	}
	if (p[1] == *p) {
		*at = p + 2;
		return PIECE_CHAR;
	}
	*text = p + 1;
	*len = strcspn(p + 1, "{}");
	if (*p == '}' || p[1 + *len] != '}')
		return PIECE_BAD;
	*at = p + *len + 2;
	return PIECE_FIELD;
}

static const struct cli_field *
find(const char *name, size_t len)
{
	for (const struct cli_field *f = lease_fields; f->name; f++)
		if (f->in_formats && strlen(f->name) == len && memcmp(f->name, name, len) == 0)
			return f;
	return NULL;
}

static int
unknown(const char *name, size_t len, struct berth_error *e)
{
	char known[BERTH_ERROR_MESSAGE_MAX] = "";
	size_t at = 0;

	for (const struct cli_field *f = lease_fields; f->name; f++)
		if (f->in_formats)
			at += snprintf(known + at, sizeof known - at, " {%s}", f->name);
	return berth_error_set(e, BERTH_USAGE, "there is no field {%.*s}; there are%s", (int)len,
	                       name, known);
}

int
format_check(const char *format, struct berth_error *e)
{
	const char *at = format, *text;
	size_t len;

	for (;;) {
		switch (next_piece(&at, &text, &len)) {
		case PIECE_END: return 0;
		case PIECE_CHAR: break;
		case PIECE_FIELD:
			if (!find(text, len))
				return unknown(text, len, e);
			break;
		case PIECE_BAD:
			return berth_error_set(
				e, BERTH_USAGE,
				"a brace without its partner at '%s'; {{ and }} are braces", at);
		}
	}
}

char *
format_expand(const char *format, const struct berth_lease *lease, bool *missing)
{
	char number[FIELD_NUMBER_MAX], *out = NULL;
	const char *at = format, *text, *value;
	enum piece piece;
	size_t len, size;
	FILE *f = need(open_memstream(&out, &size));

	if (missing)
		*missing = false;
	while ((piece = next_piece(&at, &text, &len)) != PIECE_END && piece != PIECE_BAD) {
		if (piece == PIECE_CHAR) {
			fputc(*text, f);
			continue;
		}
		value = field_text(find(text, len), lease, number);
		fputs(value ? value : "", f);
		if (!value && missing)
			*missing = true;
	}
	if (fclose(f) != 0)
		need(NULL);
	return out;
}
