/* SPDX-License-Identifier: MIT */
/* What a client says to PostgreSQL to land in a slot. */
#pragma once

#include <stddef.h>

struct pg_facts;
struct slot;

/* Where a client finds the server, and how it makes sure that it is the right one. Borrowed; "" for what goes
 * without saying. */
struct url_server {
	const char *host, *port, *sslmode, *sslrootcert;
};

/* "postgresql://user:password@host:port/db?sslmode=require", or
 * "postgresql://user:password@/db?host=%2Frun&port=5432" for a socket's directory. Percent-encodes what must be. */
void url_of_slot(const struct slot *slot, const struct pg_facts *facts, const struct url_server *server, char *out,
                 size_t size);
/* The database that the slot's clients connect to. Borrows slot or facts. */
const char *url_database(const struct slot *slot, const struct pg_facts *facts);
