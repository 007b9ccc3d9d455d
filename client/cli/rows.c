/* SPDX-License-Identifier: MIT */
/* Lists of maps as tables, lines and JSON. */
#include "client/cli/rows.h"

#include <jansson.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/cli/amount.h"
#include "client/cli/complain.h"
#include "client/cli/duration.h"
#include "client/cli/fields.h"

const struct berth_reply *
rows_field(const struct berth_reply *map, const char *field)
{
	for (size_t i = 0; i + 1 < map->count; i += 2)
		if (map->items[i]->type == BERTH_REPLY_TEXT
		    && strcmp(map->items[i]->text, field) == 0)
			return map->items[i + 1];
	return NULL;
}

/* ---- made here ---- */

static void
append(struct berth_reply *array, struct berth_reply *item)
{
	array->items = need(reallocarray(array->items, array->count + 1, sizeof *array->items));
	array->items[array->count++] = item;
}

static struct berth_reply *
reply_of(enum berth_reply_type type, const char *text)
{
	struct berth_reply *reply = need(calloc(1, sizeof *reply));

	reply->type = type;
	if (text) {
		reply->text = need(strdup(text));
		reply->len = strlen(text);
	}
	return reply;
}

void
rows_add(struct berth_reply *rows, const struct rows_column *columns, const char *const texts[])
{
	struct berth_reply *map = reply_of(BERTH_REPLY_ARRAY, NULL);

	for (int i = 0; columns[i].field; i++) {
		append(map, reply_of(BERTH_REPLY_TEXT, columns[i].field));
		append(map, reply_of(texts[i] ? BERTH_REPLY_TEXT : BERTH_REPLY_NULL, texts[i]));
	}
	append(rows, map);
}

/* ---- JSON ---- */

static json_t *
value_json(const struct berth_reply *value)
{
	json_t *array;

	switch (value->type) {
	case BERTH_REPLY_TEXT:
	case BERTH_REPLY_ERROR: return text_json(value->text);
	case BERTH_REPLY_INTEGER: return need(json_integer(value->integer));
	case BERTH_REPLY_ARRAY:
		array = need(json_array());
		for (size_t i = 0; i < value->count; i++)
			json_array_append_new(array, value_json(value->items[i]));
		return array;
	case BERTH_REPLY_NULL: break;
	}
	return json_null();
}

static json_t *
map_json(const struct berth_reply *map)
{
	json_t *object = need(json_object());

	for (size_t i = 0; i + 1 < map->count; i += 2)
		if (map->items[i]->type == BERTH_REPLY_TEXT)
			json_object_set_new(object, map->items[i]->text,
			                    value_json(map->items[i + 1]));
	return object;
}

static void
show_json(const struct berth_reply *rows)
{
	json_t *array = need(json_array());

	for (size_t i = 0; i < rows->count; i++)
		json_array_append_new(array, map_json(rows->items[i]));
	json_print(array);
}

/* ---- text ---- */

/* A label as berth.conf wants it: in quotes where it would not be read as it is. */
static void
write_word(FILE *out, const char *word)
{
	size_t len = strlen(word);
	bool plain = len > 0 && !strpbrk(word, ",\"") && *word != ' ' && word[len - 1] != ' ';

	if (plain) {
		fputs(word, out);
		return;
	}
	fputc('"', out);
	for (; *word; word++)
		fputs(*word == '"' ? "\"\"" : (char[]){ *word, '\0' }, out);
	fputc('"', out);
}

static void
write_value(FILE *out, const struct berth_reply *value)
{
	if (value->type == BERTH_REPLY_TEXT)
		fputs(value->text, out);
	else if (value->type == BERTH_REPLY_INTEGER)
		fprintf(out, "%lld", value->integer);
	for (size_t i = 0; value->type == BERTH_REPLY_ARRAY && i < value->count; i++) {
		fputs(i ? ", " : "", out);
		if (value->items[i]->type == BERTH_REPLY_TEXT)
			write_word(out, value->items[i]->text);
	}
}

/* Owned by the caller; "" for nothing. */
static char *
text_of(const struct berth_reply *map, const struct rows_column *column, bool for_people)
{
	const struct berth_reply *value = rows_field(map, column->field);
	char age[DURATION_TEXT_MAX], bytes[AMOUNT_TEXT_MAX], *text = NULL;
	bool number = value && value->type == BERTH_REPLY_INTEGER;
	size_t size;
	FILE *out;

	if (number && for_people && column->cell == ROWS_AGE)
		return need(strdup(duration_show(value->integer, age)));
	if (number && for_people && column->cell == ROWS_BYTES)
		return need(strdup(amount_bytes(value->integer, bytes)));
	out = need(open_memstream(&text, &size));
	if (value)
		write_value(out, value);
	fclose(out);
	need(text);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
	return text;
}

static void
show_lines(const struct berth_reply *rows, const struct rows_column *columns)
{
	for (size_t i = 0; i < rows->count; i++)
		for (const struct rows_column *c = columns; c->field; c++) {
			char *text = text_of(rows->items[i], c, false);

			fputs(*text ? text : "-", stdout);
			putchar(c[1].field ? '\t' : '\n');
			free(text);
		}
}

static void
show_table(const struct berth_reply *rows, const struct rows_column *columns)
{
	struct libscols_table *table;

	scols_init_debug(0);
	table = need(scols_new_table());
	for (const struct rows_column *c = columns; c->field; c++)
		if (c->title)
			need(scols_table_new_column(table, c->title, c->hint, c->flags));
	for (size_t i = 0; i < rows->count; i++) {
		struct libscols_line *line = need(scols_table_new_line(table, NULL));
		int n = 0;

		for (const struct rows_column *c = columns; c->field; c++)
			if (c->title)
				scols_line_refer_data(line, n++, text_of(rows->items[i], c, true));
	}
	scols_print_table(table);
	scols_unref_table(table);
}

void
rows_show(const struct berth_reply *rows, bool json, const struct rows_column *columns,
          const char *none)
{
	if (json)
		show_json(rows);
	else if (!isatty(STDOUT_FILENO))
		show_lines(rows, columns);
	else if (rows->count == 0)
		notice("%s", none);
	else
		show_table(rows, columns);
}
