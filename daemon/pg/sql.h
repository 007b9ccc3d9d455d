/* SPDX-License-Identifier: MIT */
/*
 * SQL text, and the one place where identifiers and literals are quoted.
 *
 *     sql_add(sql, "CREATE SCHEMA %I AUTHORIZATION %I", name, role);
 *     sql_add(sql, "COMMENT ON SCHEMA %I IS %L", name, stamp);
 *
 *     %I  const char *   an identifier, always in double quotes
 *     %L  const char *   a literal ('it''s', E'back\\slash'), or NULL for a NULL pointer
 *     %s  const char *   text as it is: keywords and SQL of our own, never input
 *     %d  int            %l  int64_t            %%  a percent sign
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>

/* Owns its text. Zero it to start; reuse it after sql_clear(). */
struct sql {
	char *text; /* NUL-terminated once anything was added, else NULL */
	size_t len;
	size_t size;
};

void sql_add(struct sql *sql, const char *fmt, ...);
/* As it is; never input. */
void sql_put(struct sql *sql, const char *text, size_t len);
void sql_clear(struct sql *sql); /* forgets the text, keeps the memory */
void sql_fini(struct sql *sql);

/* Whether `name` is a plain lower-case identifier of at most 63 bytes that needs no quotes and is
 * none of PostgreSQL's or berth's own (pg_…, public, information_schema, berth…). */
int sql_is_name(const char *name, size_t len);
