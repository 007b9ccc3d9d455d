/* SPDX-License-Identifier: MIT */
/* The tables of lease fields, and their values as text and as JSON. */
#include "client/cli/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/cli/complain.h"

/* clang-format off */
#define LEASE(name, kind, in_formats) { #name, offsetof(struct berth_lease, name), kind, in_formats }
#define LEASE_AS(name, member, kind, in_formats) \
	{ #name, offsetof(struct berth_lease, member), kind, in_formats }
#define ROW(name, kind) { #name, offsetof(struct berth_lease_row, name), kind, false }

const struct cli_field lease_fields[] = {
	LEASE(lease,          KIND_TEXT,  true),
	LEASE(run,            KIND_TEXT,  true),
	LEASE(worker,         KIND_TEXT,  true),
	LEASE(state,          KIND_STATE, true),
	LEASE(position,       KIND_INT,   false),
	LEASE(kind,           KIND_TEXT,  true),
	LEASE_AS(template, template_key, KIND_TEXT, true),
	LEASE(builder,        KIND_TEXT,  false),
	LEASE(schema,         KIND_TEXT,  true),
	LEASE(role,           KIND_TEXT,  true),
	LEASE(dsn,            KIND_TEXT,  true),
	LEASE(host,           KIND_TEXT,  true),
	LEASE(port,           KIND_INT,   true),
	LEASE(dbname,         KIND_TEXT,  true),
	LEASE(user,           KIND_TEXT,  true),
	LEASE(password,       KIND_TEXT,  true),
	LEASE(options,        KIND_TEXT,  true),
	LEASE(redis,          KIND_TEXT,  true),
	LEASE(redis_url,      KIND_TEXT,  true),
	LEASE(redis_host,     KIND_TEXT,  true),
	LEASE(redis_port,     KIND_INT,   true),
	LEASE(redis_socket,   KIND_TEXT,  true),
	LEASE(redis_db,       KIND_INT,   true),
	LEASE(redis_user,     KIND_TEXT,  true),
	LEASE(redis_password, KIND_TEXT,  true),
	LEASE(fence,          KIND_LONG,  true),
	LEASE(expires_ms,     KIND_LONG,  false),
	LEASE(why,            KIND_TEXT,  false),
	{ 0 }
};

const struct cli_field row_fields[] = {
	ROW(lease,       KIND_TEXT),
	ROW(run,         KIND_TEXT),
	ROW(worker,      KIND_TEXT),
	ROW(state,       KIND_STATE),
	ROW(position,    KIND_INT),
	ROW(kind,        KIND_TEXT),
	ROW(schema,      KIND_TEXT),
	ROW(role,        KIND_TEXT),
	ROW(dbname,      KIND_TEXT),
	ROW(redis,       KIND_TEXT),
	ROW(redis_db,    KIND_INT),
	ROW(fence,       KIND_LONG),
	ROW(uid,         KIND_LONG),
	ROW(pid,         KIND_LONG),
	ROW(label,       KIND_TEXT),
	ROW(age_ms,      KIND_LONG),
	ROW(expires_ms,  KIND_LONG),
	ROW(connections, KIND_INT),
	{ 0 }
};
/* clang-format on */

/* A number; -1 stands for none. */
static long long
field_number(const struct cli_field *field, const void *of)
{
	const char *at = (const char *)of + field->offset;

	return field->kind == KIND_INT ? *(const int *)at : *(const long long *)at;
}

const char *
field_text(const struct cli_field *field, const void *of, char buf[FIELD_NUMBER_MAX])
{
	const char *at = (const char *)of + field->offset;

	if (field->kind == KIND_TEXT)
		return *(const char *const *)at;
	if (field->kind == KIND_STATE)
		return berth_state_name(*(const enum berth_state *)at);
	if (field_number(field, of) == -1)
		return NULL;
	snprintf(buf, FIELD_NUMBER_MAX, "%lld", field_number(field, of));
	return buf;
}

json_t *
text_json(const char *text)
{
	json_t *json = json_string(text);
	char *copy;

	if (json)
		return json;
	copy = need(strdup(text));
	for (char *c = copy; *c; c++)
		if (*c & 0x80)
			*c = '?';
	json = need(json_string(copy));
	free(copy);
	return json;
}

static json_t *
field_json(const struct cli_field *field, const void *of)
{
	char buf[FIELD_NUMBER_MAX];
	const char *text = field_text(field, of, buf);

	if (!text)
		return json_null();
	if (field->kind == KIND_TEXT || field->kind == KIND_STATE)
		return text_json(text);
	return need(json_integer(field_number(field, of)));
}

json_t *
fields_json(const struct cli_field *fields, const void *of)
{
	json_t *object = need(json_object());

	for (; fields->name; fields++)
		json_object_set_new(object, fields->name, field_json(fields, of));
	return object;
}

void
json_print(json_t *value)
{
	json_dumpf(need(value), stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
	json_decref(value);
}
