/* SPDX-License-Identifier: MIT */
/* libpq URIs. */
#include "daemon/url.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

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

static void
add_tls(const struct url_server *server, char *out, size_t size)
{
	char file[1024];
	size_t used = strlen(out);

	if (*server->sslmode)
		used += (size_t)snprintf(out + used, size - used, "?sslmode=%s", server->sslmode);
	if (!*server->sslrootcert || used >= size)
		return;
	encode(server->sslrootcert, file, sizeof file);
	snprintf(out + used, size - used, "%csslrootcert=%s", *server->sslmode ? '&' : '?', file);
}

void
url_of_slot(const struct slot *slot, const struct pg_facts *facts, const struct url_server *server, char *out,
            size_t size)
{
	char host[768], database[256];
	bool v6 = strchr(server->host, ':') != NULL;

	encode(server->host, host, sizeof host);
	encode(url_database(slot, facts), database, sizeof database);
	if (server->host[0] == '/' || server->host[0] == '@' || !server->host[0]) {
		snprintf(out, size, "postgresql://%s:%s@/%s?host=%s&port=%s", slot->name, slot->password, database,
		         host, server->port);
		return;
	}
	snprintf(out, size, "postgresql://%s:%s@%s%s%s:%s/%s", slot->name, slot->password, v6 ? "[" : "",
	         v6 ? server->host : host, v6 ? "]" : "", server->port, database);
	add_tls(server, out, size);
}
