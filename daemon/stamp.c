/* SPDX-License-Identifier: MIT */
/* Stamps as text. */
#include "daemon/stamp.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
is_plain(char c)
{
	return isascii((unsigned char)c) && (isalnum((unsigned char)c) || strchr("._-", c));
}

void
stamp_encode(const char *text, char *out, int size)
{
	int len = 0;

	for (; *text && len + 4 <= size; text++)
		len += snprintf(out + len, (size_t)(size - len), is_plain(*text) ? "%c" : "%%%02x",
		                (unsigned char)*text);
	out[len] = '\0';
}

void
stamp_write(const char *runner, int64_t fence, const char *db, int64_t made, char out[STAMP_TEXT])
{
	char host[65] = "unknown", encoded_host[200], encoded_db[200];
	int len;

	if (gethostname(host, sizeof host - 1) < 0)
		strcpy(host, "unknown");
	stamp_encode(host, encoded_host, sizeof encoded_host);
	stamp_encode(db, encoded_db, sizeof encoded_db);
	len = snprintf(out, STAMP_TEXT, "berth runner=%s fence=%" PRId64 " host=%s db=%s", runner, fence, encoded_host,
	               encoded_db);
	if (made)
		snprintf(out + len, (size_t)(STAMP_TEXT - len), " made=%" PRId64, made);
}

/* Decodes text up to the next space. */
static void
decode(const char *text, char *out, size_t size)
{
	size_t len = 0;
	unsigned byte;

	for (; *text && *text != ' ' && len + 1 < size; text++) {
		if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1 && byte && text[1] && text[2]) {
			out[len++] = (char)(byte < ' ' || byte == 0x7f ? '?' : byte);
			text += 2;
		} else {
			out[len++] = *text;
		}
	}
	out[len] = '\0';
}

static void
read_word(const char *word, struct stamp *into)
{
	if (strncmp(word, "host=", 5) == 0)
		decode(word + 5, into->host, sizeof into->host);
	else if (strncmp(word, "db=", 3) == 0)
		decode(word + 3, into->db, sizeof into->db);
	else if (strncmp(word, "made=", 5) == 0)
		into->made = strtoll(word + 5, NULL, 10);
}

bool
stamp_read(const char *text, struct stamp *ret)
{
	struct stamp stamp = { .fence = -1 };
	int end = 0;

	if (sscanf(text, "berth runner=%6[0-9a-f] fence=%" SCNd64 "%n", stamp.runner, &stamp.fence, &end) != 2
	    || strlen(stamp.runner) != STAMP_RUNNER || stamp.fence < 0 || (text[end] && text[end] != ' '))
		return false;
	for (const char *word = strchr(text + end, ' '); word; word = strchr(word + 1, ' '))
		read_word(word + 1, &stamp);
	*ret = stamp;
	return true;
}
