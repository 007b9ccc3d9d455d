/* SPDX-License-Identifier: MIT */
/* libpq URIs. */
#include "daemon/url.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/pg/conn.h"
#include "daemon/slot.h"

static void
encode(const char *text, char *out, size_t size)
{
	size_t used = 0;

	for (; *text && used + 4 < size; text++) {
		unsigned char c = (unsigned char)*text;

		used += (size_t)snprintf(out + used, size - used, isalnum(c) || strchr("-._~", c) ? "%c" : "%%%02X", c);
	}
	out[used < size ? used : size - 1] = '\0';
}

const char *
url_database(const struct slot *slot, const struct pg_facts *facts)
{
	return slot->kind == SLOT_DATABASE ? slot->name : facts ? facts->database : NULL;
}

/* Adds name=value, unless there is nothing to say. */
static void
add_parameter(const char *name, const char *value, char *out, size_t size)
{
	char encoded[3 * URL_OPTIONS];
	size_t used = strlen(out);

	if (!*value)
		return;
	encode(value, encoded, sizeof encoded);
	snprintf(out + used, size - used, "%c%s=%s", strchr(out, '?') ? '&' : '?', name, encoded);
}

/* In `options` a space ends a word unless a backslash stands before it; in search_path a name may have quotes. */
static void
add_name(const char *name, char *out, size_t size)
{
	size_t used = strlen(out);

	used += (size_t)snprintf(out + used, size - used, "\"");
	for (; *name && used + 4 < size; name++)
		used += (size_t)snprintf(out + used, size - used, *name == '"' ? "\"\"" : strchr(" \t\n\\", *name) ? "\\%c" : "%c",
		                         *name);
	snprintf(out + used, size - used, "\"");
}

static void
add_search_path(const struct slot *slot, const struct config *config, char *out, size_t size)
{
	snprintf(out, size, "-c search_path=%s,", slot->name);
	if (strcmp(config->enum_schema, "public") != 0) {
		add_name(config->enum_schema, out, size);
		strncat(out, ",", size - strlen(out) - 1);
	}
	strncat(out, "public ", size - strlen(out) - 1);
}

void
url_options(const struct slot *slot, const struct config *config, char out[URL_OPTIONS])
{
	size_t used;

	out[0] = '\0';
	if (!slot_is_shared(slot))
		return;
	if (slot->kind == SLOT_SCHEMA)
		add_search_path(slot, config, out, URL_OPTIONS);
	used = strlen(out);
	snprintf(out + used, URL_OPTIONS - used,
	         "-c jit=off -c statement_timeout=%d -c idle_in_transaction_session_timeout=%d -c application_name=%s",
	         config->statement_timeout_ms, config->idle_in_transaction_ms, slot->name);
}

static void
add_login(const struct slot *slot, char *out, size_t size)
{
	char role[256], password[3 * SLOT_PASSWORD + 1];

	encode(slot->role, role, sizeof role);
	encode(slot->password, password, sizeof password);
	snprintf(out, size, "postgresql://%s%s%s@", role, *password ? ":" : "", password);
	explicit_bzero(password, sizeof password);
}

void
url_of_slot(const struct slot *slot, const struct pg_facts *facts, const struct url_server *server, char *out,
            size_t size)
{
	const char *name = url_database(slot, facts);
	char host[768], database[256];
	bool v6 = strchr(server->host, ':') != NULL;
	size_t used;

	assert(name); /* what was handed out is on a server that has been seen */
	add_login(slot, out, size);
	used = strlen(out);
	encode(server->host, host, sizeof host);
	encode(name, database, sizeof database);
	if (server->host[0] == '/' || server->host[0] == '@' || !server->host[0]) {
		snprintf(out + used, size - used, "/%s?host=%s&port=%s", database, host, server->port);
	} else {
		snprintf(out + used, size - used, "%s%s%s:%s/%s", v6 ? "[" : "", v6 ? server->host : host, v6 ? "]" : "",
		         server->port, database);
		add_parameter("sslmode", server->sslmode, out, size);
		add_parameter("sslrootcert", server->sslrootcert, out, size);
	}
	add_parameter("options", server->options, out, size);
}
