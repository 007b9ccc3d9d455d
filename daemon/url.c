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

void
url_of_slot(const struct slot *slot, const struct pg_facts *facts, char *out, size_t size)
{
	char host[768], database[256];

	encode(facts->host, host, sizeof host);
	encode(url_database(slot, facts), database, sizeof database);
	if (facts->host[0] == '/' || facts->host[0] == '@' || !facts->host[0])
		snprintf(out, size, "postgresql://%s:%s@/%s?host=%s&port=%s", slot->name, slot->password, database,
		         host, facts->port);
	else if (strchr(facts->host, ':'))
		snprintf(out, size, "postgresql://%s:%s@[%s]:%s/%s", slot->name, slot->password, facts->host,
		         facts->port, database);
	else
		snprintf(out, size, "postgresql://%s:%s@%s:%s/%s", slot->name, slot->password, host, facts->port,
		         database);
}
