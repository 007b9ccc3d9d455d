/* SPDX-License-Identifier: MIT */
/* What a client says to PostgreSQL to land in a slot. */
#pragma once

#include <stddef.h>

struct pg_facts;
struct slot;

/* "postgresql://user:password@host:port/db", or "postgresql://user:password@/db?host=%2Frun&port=5432"
 * for a socket's directory. Percent-encodes what must be. */
void url_of_slot(const struct slot *slot, const struct pg_facts *facts, char *out, size_t size);
/* The database that the slot's clients connect to. Borrows slot or facts. */
const char *url_database(const struct slot *slot, const struct pg_facts *facts);
