/* SPDX-License-Identifier: MIT */
/* Maps into structs, by a table of fields: strict about what is missing, blind to what is new. */
#include "client/lib/client.h"

#include <limits.h>
#include <string.h>

static const char *const states[] = {
	[BERTH_STATE_HELD] = "held",
	[BERTH_STATE_QUEUED] = "queued",
	[BERTH_STATE_BUILDING] = "building",
};

enum { STATES = sizeof states / sizeof *states };

const char *
berth_state_name(enum berth_state state)
{
	return (unsigned)state < STATES ? states[state] : "unknown";
}

static const struct berth_reply *
find(const struct berth_reply *map, const char *name)
{
	for (size_t i = 0; i + 1 < map->count; i += 2)
		if (map->items[i]->type == BERTH_REPLY_TEXT
		    && strcmp(map->items[i]->text, name) == 0)
			return map->items[i + 1];
	return NULL;
}

static int
read_state(const struct berth_reply *value, enum berth_state *ret)
{
	for (int i = 0; value->type == BERTH_REPLY_TEXT && i < STATES; i++)
		if (strcmp(value->text, states[i]) == 0) {
			*ret = i;
			return 0;
		}
	return -1;
}

static int
read_null(const struct field *f, void *at)
{
	if (f->type == FIELD_TEXT)
		*(const char **)at = NULL;
	else if (f->type == FIELD_INT)
		*(int *)at = -1;
	else if (f->type == FIELD_LONG)
		*(long long *)at = -1;
	else
		return -1;
	return 0;
}

static int
read_text(const struct berth_reply *value, const char **ret)
{
	if (value->type != BERTH_REPLY_TEXT || strlen(value->text) != value->len)
		return -1;
	*ret = value->text;
	return 0;
}

static int
read_value(const struct field *f, const struct berth_reply *value, void *at)
{
	if (value->type == BERTH_REPLY_NULL)
		return read_null(f, at);
	if (f->type == FIELD_STATE)
		return read_state(value, at);
	if (f->type == FIELD_TEXT)
		return read_text(value, at);
	if (value->type != BERTH_REPLY_INTEGER)
		return -1;
	if (f->type == FIELD_LONG)
		*(long long *)at = value->integer;
	else if (value->integer < INT_MIN || value->integer > INT_MAX)
		return -1;
	else
		*(int *)at = value->integer;
	return 0;
}

static bool
is_held(const struct berth_reply *map)
{
	const struct berth_reply *state = find(map, "state");

	return state && state->type == BERTH_REPLY_TEXT && strcmp(state->text, states[0]) == 0;
}

int
libberth_map_read(const struct berth_reply *map, const struct field *fields, void *into,
                  struct berth_error *e)
{
	enum field_need needed = is_held(map) ? FIELD_HELD : FIELD_ALWAYS;

	if (map->type != BERTH_REPLY_ARRAY)
		return berth_error_set(e, BERTH_ERR, "the daemon's answer is not a map");
	for (const struct field *f = fields; f->name; f++) {
		const struct berth_reply *value = find(map, f->name);

		if (!value || (value->type == BERTH_REPLY_NULL && f->need >= needed))
			return berth_error_set(e, BERTH_ERR,
			                       "the daemon's answer lacks the field '%s'", f->name);
		if (read_value(f, value, (char *)into + f->offset) < 0)
			return berth_error_set(
				e, BERTH_ERR,
				"the daemon's answer has a bad value in the field '%s'", f->name);
	}
	return 0;
}
