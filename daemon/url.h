/* SPDX-License-Identifier: MIT */
/* What a client says to PostgreSQL to land in a slot. */
#pragma once

#include <stddef.h>

struct config;
struct pg_facts;
struct slot;

/* Where a client finds the server, how it makes sure that it is the right one, and what it says there. Borrowed; ""
 * for what goes without saying. */
struct url_server {
	const char *host, *port, *sslmode, *sslrootcert, *options;
};

enum { URL_OPTIONS = 1024 };

/* "postgresql://user:password@host:port/db?sslmode=require", or
 * "postgresql://user:password@/db?host=%2Frun&port=5432" for a socket's directory. Percent-encodes what must be. */
void url_of_slot(const struct slot *slot, const struct pg_facts *facts, const struct url_server *server, char *out,
                 size_t size);
/*
 * libpq's `options` that make a session of a role that others have too the slot's: its search_path, the settings that
 * a role of its own would have, and its name as application_name, unless the client says another; "" for a role of
 * its own.
 */
void url_options(const struct slot *slot, const struct config *config, char out[URL_OPTIONS]);
/* The database that the slot's clients connect to. Borrows slot or facts. */
const char *url_database(const struct slot *slot, const struct pg_facts *facts);
