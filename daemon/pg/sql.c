/* SPDX-License-Identifier: MIT */
/* A growing text with PostgreSQL's quoting rules. */
#include "daemon/pg/sql.h"

#include <assert.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/limits.h"

void
sql_put(struct sql *sql, const char *text, size_t len)
{
	if (sql->len + len + 1 > sql->size) {
		sql->size = 2 * (sql->len + len + 1);
		sql->text = realloc(sql->text, sql->size);
		if (!sql->text)
			abort();
	}
	memcpy(sql->text + sql->len, text, len);
	sql->len += len;
	sql->text[sql->len] = '\0';
}

/* Writes `text` between quotes, each byte of `doubled` in it twice. */
static void
put_quoted(struct sql *sql, const char *text, char quote, const char *doubled)
{
	sql_put(sql, &quote, 1);
	for (const char *c = text; *c; c++) {
		if (strchr(doubled, *c))
			sql_put(sql, c, 1);
		sql_put(sql, c, 1);
	}
	sql_put(sql, &quote, 1);
}

/* A backslash means itself in '…' and only an escape in E'…', whatever the server's settings are. */
static void
put_literal(struct sql *sql, const char *text)
{
	if (!text) {
		sql_put(sql, "NULL", 4);
	} else if (strchr(text, '\\')) {
		sql_put(sql, " E", 2);
		put_quoted(sql, text, '\'', "'\\");
	} else {
		put_quoted(sql, text, '\'', "'");
	}
}

static void
put_number(struct sql *sql, int64_t number)
{
	char text[24];
	int len = snprintf(text, sizeof text, "%" PRId64, number);

	sql_put(sql, text, (size_t)len);
}

static void
put_text(struct sql *sql, const char *text)
{
	sql_put(sql, text, strlen(text));
}

static void
put_directive(struct sql *sql, char directive, va_list *ap)
{
	switch (directive) {
	case 'I': put_quoted(sql, va_arg(*ap, const char *), '"', "\""); break;
	case 'L': put_literal(sql, va_arg(*ap, const char *)); break;
	case 's': put_text(sql, va_arg(*ap, const char *)); break;
	case 'd': put_number(sql, va_arg(*ap, int)); break;
	case 'l': put_number(sql, va_arg(*ap, int64_t)); break;
	case '%': sql_put(sql, "%", 1); break;
	default: assert(!"an unknown directive in sql_add()");
	}
}

void
sql_add(struct sql *sql, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	while (*fmt) {
		size_t plain = strcspn(fmt, "%");

		sql_put(sql, fmt, plain);
		fmt += plain;
		if (*fmt) {
			put_directive(sql, fmt[1], &ap);
			fmt += 2;
		}
	}
	va_end(ap);
}

void
sql_clear(struct sql *sql)
{
	sql->len = 0;
	if (sql->text)
		sql->text[0] = '\0';
}

void
sql_fini(struct sql *sql)
{
	free(sql->text);
	*sql = (struct sql){ 0 };
}

static int
is_reserved(const char *name, size_t len)
{
	static const char *const reserved[] = { "public", "information_schema", "berth", "berth_lease",
		                                "postgres", "template0", "template1", "none" };

	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
		if (strlen(reserved[i]) == len && memcmp(reserved[i], name, len) == 0)
			return 1;
	return len >= 3 && memcmp(name, "pg_", 3) == 0;
}

int
sql_is_name(const char *name, size_t len)
{
	if (len < 1 || len > LIMIT_NAME_BYTES || (name[0] >= '0' && name[0] <= '9'))
		return 0;
	for (size_t i = 0; i < len; i++)
		if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= '0' && name[i] <= '9') && name[i] != '_')
			return 0;
	return !is_reserved(name, len);
}
