/* SPDX-License-Identifier: MIT */
/* Reading, checking and comparing enum definitions. */
#include "daemon/enum_def.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* ---- what PostgreSQL takes ---- */

/* The length of the UTF-8 character at `text`, 0 when there is none (overlong forms are passed over:
 * the server refuses them with its own words). */
static size_t
utf8_length(const unsigned char *text, size_t len)
{
	size_t need = text[0] < 0x80 ? 1 : (text[0] & 0xe0) == 0xc0 ? 2 : (text[0] & 0xf0) == 0xe0 ? 3
	              : (text[0] & 0xf8) == 0xf0                                                 ? 4
	                                                                                         : 0;

	if (need == 0 || need > len || text[0] == 0)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	return need;
}

static int
copy_text(char out[LIMIT_NAME_BYTES + 1], const char *what, const char *text, size_t len, struct berth_error *e)
{
	if (len < 1 || len > LIMIT_NAME_BYTES)
		return berth_error_set(e, BERTH_USAGE, "%s must be 1 to %d bytes long, this one has %zu", what,
		                       LIMIT_NAME_BYTES, len);
	for (size_t i = 0; i < len;) {
		size_t step = utf8_length((const unsigned char *)text + i, len - i);

		if (step == 0)
			return berth_error_set(e, BERTH_USAGE, "%s must be UTF-8 text without NUL", what);
		i += step;
	}
	memcpy(out, text, len);
	out[len] = '\0';
	return 0;
}

int
enum_def_name(struct enum_def *def, const char *name, size_t len, struct berth_error *e)
{
	def->count = 0;
	return copy_text(def->name, "an enum's name", name, len, e);
}

bool
enum_def_has(const struct enum_def *def, const char *label)
{
	for (int i = 0; i < def->count; i++)
		if (strcmp(def->labels[i], label) == 0)
			return true;
	return false;
}

int
enum_def_label(struct enum_def *def, const char *label, size_t len, struct berth_error *e)
{
	char text[LIMIT_NAME_BYTES + 1];

	if (copy_text(text, "an enum's label", label, len, e) < 0)
		return -1;
	if (enum_def_has(def, text))
		return berth_error_set(e, BERTH_USAGE, "enum %s: the label '%s' is said twice", def->name, text);
	if (def->count == ENUM_LABELS_MAX)
		return berth_error_set(e, BERTH_LIMIT, "enum %s: at most %d labels can be said here", def->name,
		                       ENUM_LABELS_MAX);
	memcpy(def->labels[def->count++], text, sizeof text);
	return 0;
}

/* ---- berth.conf ---- */

/* One label from *at on, out of its quotes; *at then stands on a comma or the end. */
static int
read_label(const char **at, char *out, size_t size, size_t *ret_len, struct berth_error *e)
{
	bool quoted = **at == '"';
	size_t len = 0;

	for (*at += quoted; **at && (quoted || **at != ','); ++*at) {
		if (quoted && **at == '"' && *++*at != '"') {
			quoted = false;
			break;
		}
		if (len < size)
			out[len++] = **at;
	}
	if (quoted)
		return berth_error_set(e, BERTH_USAGE, "a label's closing quote is missing");
	while (*at[0] && isspace((unsigned char)**at))
		++*at;
	while (len > 0 && isspace((unsigned char)out[len - 1]) && (*at)[-1] != '"')
		len--;
	*ret_len = len;
	return **at == ',' || !**at ? 0 : berth_error_set(e, BERTH_USAGE, "labels are separated by commas");
}

int
enum_def_read(struct enum_def *def, const char *name, const char *labels, struct berth_error *e)
{
	char text[LIMIT_NAME_BYTES + 2];
	size_t len = 0;

	if (enum_def_name(def, name, strlen(name), e) < 0)
		return -1;
	for (;;) {
		while (isspace((unsigned char)*labels))
			labels++;
		if (read_label(&labels, text, sizeof text, &len, e) < 0 || enum_def_label(def, text, len, e) < 0)
			return -1;
		if (!*labels)
			return 0;
		labels++;
	}
}

/* ---- drift ---- */

/* Lists the labels of `one` that `other` lacks; returns whether there is any. */
static bool
list_missing(const struct enum_def *one, const struct enum_def *other, const char *title, char *out, size_t size)
{
	size_t used = strlen(out);
	bool any = false;

	for (int i = 0; i < one->count && used < size; i++) {
		if (enum_def_has(other, one->labels[i]))
			continue;
		used += (size_t)snprintf(out + used, size - used, "%s '%s'", any ? "," : title, one->labels[i]);
		any = true;
	}
	return any;
}

int
enum_def_compare(const struct enum_def *want, const struct enum_def *there, struct berth_error *e)
{
	char difference[BERTH_ERROR_MESSAGE_MAX - 200] = "";
	bool same = want->count == there->count, missing, extra;

	for (int i = 0; same && i < want->count; i++)
		same = strcmp(want->labels[i], there->labels[i]) == 0;
	if (same)
		return 0;
	missing = list_missing(want, there, " it lacks", difference, sizeof difference);
	extra = list_missing(there, want, missing ? "; it has besides" : " it has besides", difference,
	                     sizeof difference);
	if (!missing && !extra)
		snprintf(difference, sizeof difference, " the same labels stand in another order");
	return berth_error_set(e, BERTH_DRIFT, "enum %s is there with other labels:%s (ENUM APPEND adds what is "
	                       "missing at the end; the rest takes a migration)", want->name, difference);
}
